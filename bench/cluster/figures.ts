/**
 * The measurements of a cluster, each with its goal: nodes of one worker, nats-server and the clients on the
 * same cores.
 */
import { setTimeout as delay } from 'node:timers/promises';
import mqtt, { type MqttClient } from 'mqtt';
import type { CommandLine } from '../command-line.ts';
import { generate, type LoadResult } from '../load/generator.ts';
import { faultsOf, last, rateOf } from '../load/metrics.ts';
import { LoginClient } from '../logins/login-client.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { rallymq } from '../peers/rallymq.ts';
import { cpuSecondsOf } from '../process-figures.ts';
import type { ClusterCosts, ClusterFigure } from '../results.ts';
import { medianOf, quantileOf, ratios, shownSpread, spreadOf } from '../statistics.ts';
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

export interface Measurement {
  readonly name: string;
  measure(generator: string, sizes: Sizes, onCosts: (costs: ClusterCosts) => void): Promise<ClusterFigure[]>;
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

export const measurements: readonly Measurement[] = [
  { name: 'local', measure: measureLocal },
  { name: 'between', measure: measureBetween },
  { name: 'takeover', measure: measureTakeover },
  { name: 'killed', measure: measureKilled },
  { name: 'connects', measure: measureConnects },
  { name: 'exact', measure: measureExact },
  { name: 'wildcards', measure: measureWildcards },
  { name: 'shared', measure: measureShared },
  { name: 'rolling', measure: measureRolling },
];

const pairs = { scenario: 'p2p', publishers: 10, window: 50 } as const;
const acknowledged = { scenario: 'p2p', publishers: 10, window: 20, qos: 1 } as const;
const group = { scenario: 'shared', publishers: 10, subscribers: 10, window: 20, qos: 1 } as const;
const quietRate = 10_000;
const quiet = { scenario: 'p2p', publishers: 50, rate: quietRate } as const;

type Load = Readonly<Record<string, string | number>>;

/** `nodes`: clients are distributed over them in turn. */
async function play(
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

function faultNote(results: readonly LoadResult[]): string {
  const faults = results.map(faultsOf).filter((each) => each !== '');
  return faults.length === 0 ? '' : `not as it should be: ${faults.join('; ')}`;
}

async function withCluster<Value>(
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

/** One node in a cluster and one outside, in turn. */
async function measureLocal(generator: string, sizes: Sizes): Promise<ClusterFigure[]> {
  const alone = await rallymq(1).start();
  try {
    return await withCluster(1, async (cluster) => {
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
    });
  } finally {
    await alone.stop();
  }
}

async function measureBetween(
  generator: string,
  sizes: Sizes,
  onCosts: (costs: ClusterCosts) => void,
): Promise<ClusterFigure[]> {
  const alone = await rallymq(1).start();
  try {
    return await withCluster(2, async (cluster) => {
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
    });
  } finally {
    await alone.stop();
  }
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

function warmupOf(duration: number): number {
  return Math.min(1_000, duration / 2);
}

/** A client that is connected to one node connects to the other. */
async function measureTakeover(_: string, { takeovers }: Sizes): Promise<ClusterFigure[]> {
  return await withCluster(2, async (cluster) => {
    const times: number[] = [];
    for (let number = 0; number < takeovers; number++) {
      const who = {
        clientId: `roamer-${number}`,
        cleanStart: false,
        properties: { sessionExpiryInterval: 600 },
      };
      const earlier = await LoginClient.open(tcpOf(cluster.node(number % 2)));
      await earlier.logIn(who);
      await earlier.subscribe(`roamer/${number}/+`, 1);
      const later = await LoginClient.open(tcpOf(cluster.node((number + 1) % 2)));
      const startMs = performance.now();
      await later.logIn(who);
      times.push(performance.now() - startMs);
      earlier.end();
      later.end();
    }
    const at = (part: number): number => quantileOf(times, part) ?? Number.NaN;
    return [
      {
        title: 'from CONNECT to CONNACK for a client that is connected to another node, p50',
        goal: 'at most 5 ms',
        value: `${at(0.5).toFixed(2)} ms`,
        isMet: at(0.5) <= 5,
        note: `p99 ${at(0.99).toFixed(1)} ms, ${takeovers.toLocaleString('en')} takeovers with a session`,
      },
    ];
  });
}

const probeTopics = 500;

/**
 * One of three nodes is killed; QoS 1 messages published at that moment, to topics of all slots, have to
 * arrive.
 */
async function measureKilled(_: string, { kills }: Sizes): Promise<ClusterFigure[]> {
  const times: number[] = [];
  for (let kill = 0; kill < kills; kill++)
    await withCluster(3, async (cluster) => {
      const subscriber = await connected(cluster.node(1));
      await subscriber.subscribeAsync('probe/#', { qos: 1 });
      const publisher = await connected(cluster.node(0));
      const seen = new Set<string>();
      subscriber.on('message', (topic) => seen.add(topic));
      cluster.kill('node-2');
      const startMs = performance.now();
      for (let number = 0; number < probeTopics; number++)
        publisher.publish(`probe/${number}`, 'x', { qos: 1 });
      while (seen.size < probeTopics && performance.now() - startMs < 30_000) await delay(5);
      times.push(seen.size < probeTopics ? Number.POSITIVE_INFINITY : performance.now() - startMs);
      await Promise.all([publisher.endAsync(true), subscriber.endAsync(true)]);
    });
  const spread = spreadOf(times.map((ms) => ms / 1_000));
  return [
    {
      title: 'one of three nodes is killed (SIGKILL): until messages to topics of all slots come',
      goal: 'at most 5 s',
      value: shownSpread(spread, ' s'),
      isMet: (spread?.max ?? Number.POSITIVE_INFINITY) <= 5,
      note: `${probeTopics} topics, published in the moment of the kill`,
    },
  ];
}

/** Half of the client identifiers have their directory on the other node. */
async function measureConnects(generator: string, sizes: Sizes): Promise<ClusterFigure[]> {
  const { connections } = sizes;
  const load = { scenario: 'connections', connections, concurrency: 500 };
  const rateOfConnects = ({ stages: [stage] }: LoadResult): number =>
    stage === undefined ? 0 : (stage.clients - stage.refused) / stage.openSeconds;
  const rates: number[] = [];
  const alone: number[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const single = await rallymq(1).start();
    alone.push(rateOfConnects(await play(generator, load, [single], { ...sizes, duration: 50 })));
    await single.stop();
    await withCluster(2, async (cluster) => {
      const result = await play(generator, load, [cluster.node(0)], { ...sizes, duration: 50 });
      rates.push(rateOfConnects(result));
    });
  }
  const spread = spreadOf(rates);
  return [
    {
      title: 'CONNECTs a second on one of two nodes',
      goal: 'at least 10,000',
      value: shownSpread(spread),
      isMet: (spread?.median ?? 0) >= 10_000,
      note: `${shownSpread(spreadOf(alone))} without a cluster; ${connections.toLocaleString('en')} connections at once`,
    },
  ];
}

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

async function measureExact(_: string, { filters }: Sizes): Promise<ClusterFigure[]> {
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

async function measureWildcards(_: string, { filters }: Sizes): Promise<ClusterFigure[]> {
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

async function measureShared(generator: string, sizes: Sizes): Promise<ClusterFigure[]> {
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

async function withAlone<Value>(use: (alone: RunningPeer) => Promise<Value>): Promise<Value> {
  const alone = await rallymq(1).start();
  try {
    return await use(alone);
  } finally {
    await alone.stop();
  }
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

const rollingTopics = 64;
const rollingPerSecond = 1_000;

/**
 * Three nodes are stopped with SIGTERM and restarted, one after another, while clients publish and subscribe
 * with QoS 1; disconnected clients go to the next node.
 */
async function measureRolling(): Promise<ClusterFigure[]> {
  return await withCluster(3, async (cluster) => {
    const servers = [...cluster.nodes.values()].map((node) => ({
      ...tcpOf(node),
      protocol: 'mqtt' as const,
    }));
    const seen = new Set<string>();
    const heard = new Map<string, number>();
    let longestMs = 0;
    const clients: MqttClient[] = [];
    const acked: string[] = [];
    for (const [index] of servers.entries()) {
      const subscriber = await roaming(`subscriber-${index}`, servers, index);
      await subscriber.subscribeAsync('rolling/#', { qos: 1 });
      clients.push(subscriber);
      subscriber.on('message', (topic, payload) => {
        seen.add(`${index} ${payload.toString()}`);
        const nowMs = performance.now();
        longestMs = Math.max(longestMs, nowMs - (heard.get(topic) ?? nowMs));
        heard.set(topic, nowMs);
      });
    }
    const publishers = await Promise.all(
      servers.map((_, index) => roaming(`publisher-${index}`, servers, index)),
    );
    clients.push(...publishers);
    let published = 0;
    const timer = setInterval(() => {
      for (let count = 0; count < rollingPerSecond / 100; count++) {
        const number = `${published++}`;
        publishers[published % publishers.length]?.publish(
          `rolling/${published % rollingTopics}`,
          number,
          { qos: 1 },
          (error) => {
            if (error === undefined || error === null) acked.push(number);
          },
        );
      }
    }, 10);
    try {
      for (let index = 0; index < servers.length; index++) {
        await delay(500);
        const name = `node-${index}`;
        await cluster.leave(name);
        const again = await cluster.add(name);
        servers[index] = { ...tcpOf(again), protocol: 'mqtt' };
        await cluster.settled();
      }
      await delay(500);
    } finally {
      clearInterval(timer);
    }
    await delay(3_000); // for messages that are still in transit
    const subscribers = servers.map((_, index) => index);
    const lost = acked.filter((number) =>
      subscribers.some((index) => !seen.has(`${index} ${number}`)),
    ).length;
    for (const client of clients) {
      client.options.reconnectPeriod = 0; // otherwise a client that is reconnecting continues
      client.end(true);
    }
    return [
      {
        title:
          'three nodes restarted one after the other under load: acknowledged messages that a subscriber did not get',
        goal: '0',
        value: lost.toLocaleString('en'),
        isMet: lost === 0 && acked.length > 0,
        note: `of ${acked.length.toLocaleString('en')}, ${servers.length} subscribers`,
      },
      {
        title: 'meanwhile: the longest time without a message on a topic',
        goal: 'at most 1 s',
        value: `${(longestMs / 1_000).toFixed(2)} s`,
        isMet: longestMs <= 1_000,
        note: `${rollingTopics} topics, ${rollingPerSecond.toLocaleString('en')} messages a second`,
      },
    ];
  });
}

async function connected(node: RunningPeer): Promise<MqttClient> {
  const { host, port } = tcpOf(node);
  return await mqtt.connectAsync(`mqtt://${host}:${port}`, { protocolVersion: 5, reconnectPeriod: 0 });
}

/** With a session; `servers` may change. */
async function roaming(
  clientId: string,
  servers: { host: string; port: number; protocol: 'mqtt' }[],
  first: number,
): Promise<MqttClient> {
  const client = mqtt.connect({
    clientId,
    servers,
    protocol: 'mqtt',
    protocolVersion: 5,
    clean: false,
    properties: { sessionExpiryInterval: 600 },
    reconnectPeriod: 50,
    manualConnect: true,
  });
  (client as unknown as { _reconnectCount: number })._reconnectCount = first;
  const isConnected = new Promise<void>((resolve) => client.once('connect', () => resolve()));
  client.connect();
  await isConnected;
  return client;
}
