/** The messages that RallyMQ reports as dropped: its counters `dropped...`, over HTTP. */
import type { Endpoint } from './peer.ts';

export type DropCounts = Readonly<Record<string, number>>;

const patienceMs = 5_000;

/** Missing if the broker does not tell. */
export async function readDrops(http: Endpoint | undefined): Promise<DropCounts | undefined> {
  if (http === undefined) return undefined;
  const url = `http://${http.host}:${http.port}/api/statistics`;
  const response = await fetch(url, { signal: AbortSignal.timeout(patienceMs) }).catch(() => undefined);
  if (response?.ok !== true) return undefined; // not reachable, or closed to anonymous requests
  return dropsOf(await response.json());
}

/** The difference between two readings, of the counters that changed; missing if one of the two is. */
export function dropsBetween(
  before: DropCounts | undefined,
  after: DropCounts | undefined,
): DropCounts | undefined {
  if (before === undefined || after === undefined) return undefined;
  const moved = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(moved.filter(([, count]) => count > 0));
}

function dropsOf(statistics: unknown): DropCounts | undefined {
  if (typeof statistics !== 'object' || statistics === null) return undefined;
  const counters = Object.entries(statistics).filter(([name]) => name.startsWith('dropped'));
  return counters.length > 0 ? Object.fromEntries(counters) : undefined;
}
