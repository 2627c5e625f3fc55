/** What messages cost in a cluster: on one node, from one to another, and in a shared subscription. */
import type { LoadResult } from '../load/generator.ts';
import { last, rateOf } from '../load/metrics.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { cpuSecondsOf } from '../process-figures.ts';
import type { ClusterCosts, ClusterFigure } from '../results.ts';
import { medianOf, ratios, shownSpread, spreadOf } from '../statistics.ts';
import { faultNote, play, type Sizes, warmupOf, withAlone, withCluster } from './loads.ts';

const pairs = { scenario: 'p2p', publishers: 10, window: 50 } as const;
const acknowledged = { scenario: 'p2p', publishers: 10, window: 20, qos: 1 } as const;
const group = { scenario: 'shared', publishers: 10, subscribers: 10, window: 20, qos: 1 } as const;
const quietRate = 10_000;
const quiet = { scenario: 'p2p', publishers: 50, rate: quietRate } as const;

/** One node in a cluster and one outside, in turn. */
export async function measureLocal(generator: string, sizes: Sizes): Promise<ClusterFigure[]> {
  return await withAlone((alone) =>
    withCluster(1, async (cluster) => {
      const figures: ClusterFigure[] = [];
      for (const [title, load] of [
        ['QoS 0', pairs],
        ['QoS 1', acknowledged],
      ] as const) {
        const on: LoadResult[] = [];
        const off: LoadResult[] = [];
        for (let round = 0; round < sizes.rounds; round++)
          for (const isOn of round % 2 === 0 ? [true, false] : [false, true])
            (isOn ? on : off).push(await play(generator, load, [isOn ? cluster.node(0) : alone], sizes));
        const rate = (each: LoadResult): number | undefined => rateOf(last(each));
        const spread = ratios(on.map(rate), off.map(rate));
        figures.push({
          title: `cluster on, all clients on one node, ${title}: of the rate without a cluster`,
          goal: 'at least 0.98',
          value: shownSpread(spread),
          isMet: (spread?.median ?? 0) >= 0.98,
          note: faultNote([...on, ...off]),
        });
      }
      return figures;
    }),
  );
}

export async function measureBetween(
  generator: string,
  sizes: Sizes,
  onCosts: (costs: ClusterCosts) => void,
): Promise<ClusterFigure[]> {
  return await withAlone((alone) =>
    withCluster(2, async (cluster) => {
      const both = [cluster.node(0), cluster.node(1)];
      const fast: LoadResult[] = [];
      const remote: LoadResult[] = [];
      const local: LoadResult[] = [];
      const pids = both.map(({ pid = 0 }) => pid);
      const costs: number[][] = [];
      for (let round = 0; round < sizes.rounds; round++) {
        const [result, brokerUs, natsUs] = await costOf([pids, [cluster.natsPid]], sizes, () =>
          play(generator, pairs, both, sizes),
        );
        fast.push(result);
        const [, localUs] = await costOf([[alone.pid ?? 0], []], sizes, () =>
          play(generator, pairs, [alone], sizes),
        );
        costs.push([brokerUs, localUs, natsUs]);
        local.push(await play(generator, quiet, [alone], sizes));
        remote.push(await play(generator, quiet, both, sizes));
      }
      const [remoteUs = 0, localUs = 0, natsUs = 0] = [0, 1, 2].map((column) =>
        medianOf(costs.map((row) => row[column])),
      );
      onCosts({ remoteUs, localUs, natsUs });
      const rate = spreadOf(fast.flatMap((each) => rateOf(last(each)) ?? []));
      const p50 = (results: readonly LoadResult[]): number =>
        (medianOf(results.map((each) => last(each)?.latencyNs?.p50)) ?? Number.NaN) / 1e6;
      const added = p50(remote) - p50(local);
      return [
        {
          title: 'messages a second from clients of one node to those of another, 64 bytes, QoS 0',
          goal: 'at least 400,000',
          value: shownSpread(rate),
          isMet: (rate?.median ?? 0) >= 400_000,
          note: [
            `${remoteUs.toFixed(2)} µs of CPU of both brokers a message, ${natsUs.toFixed(2)} µs of NATS; ${localUs.toFixed(2)} µs on one node`,
            faultNote(fast),
          ]
            .filter((each) => each !== '')
            .join('; '),
        },
        {
          title: `latency p50 that is added between two nodes at ${quietRate.toLocaleString('en')} messages a second`,
          goal: 'at most 0.5 ms',
          value: `${added.toFixed(2)} ms`,
          isMet: added <= 0.5,
          note: [`${p50(local).toFixed(2)} ms on one node`, faultNote([...local, ...remote])]
            .filter((each) => each !== '')
            .join('; '),
        },
      ];
    }),
  );
}

/**
 * The CPU time that two groups of processes take for a message of a load, in µs: over the whole load,
 * including its warm-up.
 */
async function costOf(
  [brokers, nats]: readonly [readonly number[], readonly number[]],
  { duration }: Sizes,
  load: () => Promise<LoadResult>,
): Promise<readonly [result: LoadResult, brokerUs: number, natsUs: number]> {
  const cpu = async (pids: readonly number[]): Promise<number> =>
    (await Promise.all(pids.map(cpuSecondsOf))).reduce((sum, seconds) => sum + seconds, 0);
  const before = [await cpu(brokers), await cpu(nats)] as const;
  const result = await load();
  const whole = (duration + warmupOf(duration)) / duration;
  const messages = (last(result)?.delivered ?? 0) * whole;
  const us = async (pids: readonly number[], was: number): Promise<number> =>
    (((await cpu(pids)) - was) * 1e6) / messages;
  return [result, await us(brokers, before[0]), await us(nats, before[1])];
}

export async function measureShared(generator: string, sizes: Sizes): Promise<ClusterFigure[]> {
  const { shares: onOne } = await withAlone((alone) => shareOfUnshared(generator, [alone], sizes));
  return await withCluster(3, async (cluster) => {
    const { shares, rates, faults } = await shareOfUnshared(generator, [...cluster.nodes.values()], sizes);
    return [
      {
        title:
          'a shared subscription with members on three nodes, QoS 1: of the rate of subscriptions that are not shared',
        goal: 'at least 0.9',
        value: shownSpread(shares),
        isMet: (shares?.median ?? 0) >= 0.9,
        note: [
          `${shownSpread(rates)} messages a second; on one node without a cluster ${shownSpread(onOne)}`,
          faults,
        ]
          .filter((each) => each !== '')
          .join('; '),
      },
    ];
  });
}

async function shareOfUnshared(generator: string, nodes: readonly RunningPeer[], sizes: Sizes) {
  const shared: LoadResult[] = [];
  const plain: LoadResult[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    shared.push(await play(generator, group, nodes, sizes));
    plain.push(await play(generator, acknowledged, nodes, sizes));
  }
  const rate = (each: LoadResult): number | undefined => rateOf(last(each));
  return {
    shares: ratios(shared.map(rate), plain.map(rate)),
    rates: spreadOf(shared.flatMap((each) => rate(each) ?? [])),
    faults: faultNote([...shared, ...plain]),
  };
}
