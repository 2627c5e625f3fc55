/** The loads that a cluster is measured with, and the brokers for one: a cluster, or a node alone. */
import type { CommandLine } from '../command-line.ts';
import { generate, type LoadResult } from '../load/generator.ts';
import { faultsOf } from '../load/metrics.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { rallymq } from '../peers/rallymq.ts';
import { ClusterUnderTest, portsOf, tcpOf } from './nodes.ts';

export interface Sizes {
  readonly rounds: number;
  /** Of a load, in ms. */
  readonly duration: number;
  readonly takeovers: number;
  readonly connections: number;
  readonly filters: number;
  readonly kills: number;
}

export function sizesOf({ full, rounds, seconds }: CommandLine): Sizes {
  return {
    rounds: rounds ?? (full ? 5 : 1),
    duration: seconds === undefined ? (full ? 5_000 : 1_000) : seconds * 1_000,
    takeovers: full ? 2_000 : 200,
    connections: full ? 10_000 : 2_000,
    filters: full ? 1_000_000 : 50_000,
    kills: full ? 3 : 1,
  };
}

type Load = Readonly<Record<string, string | number>>;

/** `nodes`: clients are distributed over them in turn. */
export async function play(
  generator: string,
  load: Load,
  nodes: readonly RunningPeer[],
  { duration }: Sizes,
): Promise<LoadResult> {
  const [first] = nodes;
  if (first === undefined) throw new Error('there is no node');
  const { host, port } = tcpOf(first);
  const spread = nodes.length > 1 ? { nodes: portsOf(nodes) } : {};
  const times = { warmup: warmupOf(duration), duration };
  return await generate(generator, { transport: 'tcp', host, port, ...spread, ...times, ...load });
}

export function warmupOf(duration: number): number {
  return Math.min(1_000, duration / 2);
}

export function faultNote(results: readonly LoadResult[]): string {
  const faults = results.map(faultsOf).filter((each) => each !== '');
  return faults.length === 0 ? '' : `not as it should be: ${faults.join('; ')}`;
}

export async function withCluster<Value>(
  nodes: number,
  use: (cluster: ClusterUnderTest) => Promise<Value>,
  flags: readonly string[] = [],
): Promise<Value> {
  const cluster = await ClusterUnderTest.start(nodes, flags);
  try {
    return await use(cluster);
  } finally {
    await cluster.stop();
  }
}

export async function withAlone<Value>(use: (alone: RunningPeer) => Promise<Value>): Promise<Value> {
  const alone = await rallymq(1).start();
  try {
    return await use(alone);
  } finally {
    await alone.stop();
  }
}
