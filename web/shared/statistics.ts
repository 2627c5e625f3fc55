/** The broker's counters, as GET /api/statistics returns them. */

export interface Statistics {
  readonly publishReceived: number;
  readonly publishSent: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly connections: number;
  readonly retained: number;
  readonly uptimeMs: number;
  /** CPU time of the whole process, in microseconds. */
  readonly cpuUs: number;
}

class Forbidden extends Error {}

/** The root of the site, wherever this page is below it. */
export const siteRoot = new URL('..', import.meta.url);

/** Throws an error for which `isForbidden` holds if this broker does not give its figures to pages. */
export async function readStatistics(): Promise<Statistics> {
  const response = await fetch(new URL('api/statistics', siteRoot));
  if (response.status === 403 || response.status === 404) throw new Forbidden('no statistics here');
  if (!response.ok) throw new Error(`the broker answered ${response.status}`);
  return (await response.json()) as Statistics;
}

export function isForbidden(error: unknown): boolean {
  return error instanceof Forbidden;
}
