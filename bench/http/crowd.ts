/** Clients that are connected and silent, for as long as something else is measured: the load generator's. */
import { spawnSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';
import { compileGenerator, generate } from '../load/generator.ts';
import type { RunningPeer } from '../peers/peer.ts';

/** Files that a process may open beside its connections. */
const otherFiles = 500;
const openMsMax = 300_000;

/** As many of `wanted` as a process here may have files open. */
export function clientsOf(wanted: number): number {
  const { stdout } = spawnSync('bash', ['-c', 'ulimit -n'], { encoding: 'utf8' });
  const files = Number(stdout.trim());
  return Number.isInteger(files) ? Math.min(wanted, files - otherFiles) : wanted;
}

/** Does `work` while so many are connected; `connected` says how many are. */
export async function besideClients<Result>(
  { ws, pid }: Pick<RunningPeer, 'ws' | 'pid'>,
  clients: number,
  connected: () => Promise<number>,
  work: () => Promise<Result>,
  seconds: number,
): Promise<Result> {
  if (ws === undefined) throw new BenchError('The broker has no WebSocket.');
  const { host, port, path } = ws;
  const program = await compileGenerator();
  const crowd = generate(program, {
    scenario: 'connections',
    connections: clients,
    concurrency: 200,
    transport: 'ws',
    host,
    port,
    path: path ?? '/',
    ...(pid === undefined ? {} : { pid }),
    patience: openMsMax / 1_000,
    duration: seconds,
  });
  const failed = crowd.then(
    () => new BenchError('The clients left before all was measured.'),
    (error: unknown) => error,
  );
  const all = async (): Promise<Result> => {
    for (const endMs = performance.now() + openMsMax; (await connected()) < clients; ) {
      if (performance.now() > endMs) throw new BenchError(`${clients} clients do not get connected.`);
      await setTimeout(200);
    }
    return await work();
  };
  const result = await Promise.race([all(), failed.then((error) => Promise.reject(error))]);
  await crowd;
  return result;
}
