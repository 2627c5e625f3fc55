/** Clients that stay connected and silent while something else is measured: the load generator's. */
import { spawnSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';
import { compileGenerator, generate } from '../load/generator.ts';
import type { RunningPeer } from '../peers/peer.ts';

/** Files that a process may open besides its connections. */
const otherFiles = 500;
const openMsMax = 300_000;
/** A limit; it is normally ended sooner. */
const stayMs = 3_600_000;

/** As many of `wanted` as this machine lets a process open. */
export function clientsOf(wanted: number): number {
  const { stdout } = spawnSync('bash', ['-c', 'ulimit -n'], { encoding: 'utf8' });
  const files = Number(stdout.trim());
  return Number.isInteger(files) ? Math.min(wanted, files - otherFiles) : wanted;
}

/** Runs `work` while this many are connected; `connected` is the actual number. */
export async function besideClients<Result>(
  { ws, pid }: Pick<RunningPeer, 'ws' | 'pid'>,
  clients: number,
  connected: () => Promise<number>,
  work: () => Promise<Result>,
): Promise<Result> {
  if (ws === undefined) throw new BenchError('The broker has no WebSocket.');
  const stop = new AbortController();
  const flags = {
    scenario: 'connections',
    connections: clients,
    concurrency: 200,
    transport: 'ws',
    host: ws.host,
    port: ws.port,
    path: ws.path ?? '/',
    ...(pid === undefined ? {} : { pid }),
    patience: openMsMax,
    duration: stayMs,
  };
  const crowd = generate(await compileGenerator(), flags, undefined, stop.signal);
  const left = crowd.then(() => {
    throw new BenchError('The clients left before all was measured.');
  });
  try {
    return await Promise.race([left, whenConnected(clients, connected).then(work)]);
  } finally {
    stop.abort();
    await crowd.catch(() => {}); // it was ended
  }
}

async function whenConnected(clients: number, connected: () => Promise<number>): Promise<void> {
  for (const endMs = performance.now() + openMsMax; (await connected()) < clients; ) {
    if (performance.now() > endMs) throw new BenchError(`${clients} clients do not get connected.`);
    await setTimeout(200);
  }
}
