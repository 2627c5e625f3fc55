/** What nodes know of each other's topic filters. */
import { setTimeout as delay } from 'node:timers/promises';
import { LoginClient } from '../logins/login-client.ts';
import type { RunningPeer } from '../peers/peer.ts';
import type { ClusterFigure } from '../results.ts';
import { type Sizes, withCluster } from './loads.ts';
import { type ClusterUnderTest, tcpOf } from './nodes.ts';

const filtersPerPacket = 500;
const filtersPerSession = 10_000;

/** Sessions on these nodes in turns, with `filters` in all. Returns the duration in seconds. */
async function subscribeAll(
  nodes: readonly RunningPeer[],
  count: number,
  filterOf: (number: number) => string,
): Promise<{ readonly clients: LoginClient[]; readonly seconds: number }> {
  const clients: LoginClient[] = [];
  // As many on each node.
  const perNode = Math.ceil(count / filtersPerSession / nodes.length);
  const perSession = Math.ceil(count / (perNode * nodes.length));
  const startMs = performance.now();
  for (let first = 0; first < count; first += perSession) {
    const node = nodes[clients.length % nodes.length];
    if (node === undefined) throw new Error('there is no node');
    const client = await LoginClient.open(tcpOf(node));
    clients.push(client);
    await client.logIn({});
    const end = Math.min(count, first + perSession);
    for (let at = first; at < end; at += filtersPerPacket) {
      const size = Math.min(filtersPerPacket, end - at);
      await client.subscribeAll(Array.from({ length: size }, (_, index) => filterOf(at + index)));
    }
  }
  return { clients, seconds: (performance.now() - startMs) / 1_000 };
}

/** How many filters each node knows. The gauge is set once a second. */
async function known(cluster: ClusterUnderTest): Promise<number[]> {
  await delay(2_100);
  const counts = [...cluster.nodes.values()].map(async (node) => {
    const { topicFilters = 0 } = await cluster.ask<{ topicFilters?: number }>(node, '/api/statistics');
    return topicFilters;
  });
  return await Promise.all(counts);
}

export async function measureExact(_: string, { filters }: Sizes): Promise<ClusterFigure[]> {
  return await withCluster(3, async (cluster) => {
    const nodes = [...cluster.nodes.values()];
    const { clients, seconds } = await subscribeAll(
      nodes,
      filters,
      (number) => `site/${number % 1_000}/unit${number}/temperature`,
    );
    const counts = await known(cluster);
    const most = Math.max(...counts) / filters;
    for (const client of clients) client.end();
    return [
      {
        title: `${filters.toLocaleString('en')} exact filters over three nodes: the most that a node knows`,
        goal: 'at most its own and a third of the others (0.56)',
        value: most.toFixed(3),
        // Rendezvous hashing distributes the slots randomly: no node has exactly a third.
        isMet: most <= 0.6,
        note: `${counts.map((count) => count.toLocaleString('en')).join(', ')}; subscribed in ${seconds.toFixed(1)} s`,
      },
    ];
  });
}

const covering = 1_000;

export async function measureWildcards(_: string, { filters }: Sizes): Promise<ClusterFigure[]> {
  return await withCluster(2, async (cluster) => {
    const here = [cluster.node(0)];
    const wide = await subscribeAll(here, covering, (number) => `site/${number}/#`);
    const narrow = await subscribeAll(here, filters, (number) => `site/${number % covering}/+/unit${number}`);
    const [, elsewhere = 0] = await known(cluster);
    for (const client of [...wide.clients, ...narrow.clients]) client.end();
    const shown = covering.toLocaleString('en');
    return [
      {
        title: `${filters.toLocaleString('en')} filters with wildcards on one node, covered by ${shown}: what the other node knows`,
        goal: shown,
        value: elsewhere.toLocaleString('en'),
        isMet: elsewhere <= covering * 1.1,
        note: `subscribed in ${narrow.seconds.toFixed(1)} s`,
      },
    ];
  });
}
