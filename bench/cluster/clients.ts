/** What clients notice of a cluster: when they connect, move to another node, and when nodes are lost or restarted. */
import { setTimeout as delay } from 'node:timers/promises';
import mqtt, { type MqttClient } from 'mqtt';
import type { LoadResult } from '../load/generator.ts';
import { LoginClient } from '../logins/login-client.ts';
import type { RunningPeer } from '../peers/peer.ts';
import { rallymq } from '../peers/rallymq.ts';
import type { ClusterFigure } from '../results.ts';
import { quantileOf, shownSpread, spreadOf } from '../statistics.ts';
import { play, type Sizes, withCluster } from './loads.ts';
import { tcpOf } from './nodes.ts';

/** Half of the client identifiers have their directory on the other node. */
export async function measureConnects(generator: string, sizes: Sizes): Promise<ClusterFigure[]> {
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

/** A client that is connected to one node connects to the other. */
export async function measureTakeover(_: string, { takeovers }: Sizes): Promise<ClusterFigure[]> {
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
export async function measureKilled(_: string, { kills }: Sizes): Promise<ClusterFigure[]> {
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

const rollingTopics = 64;
const rollingPerSecond = 1_000;

/**
 * Three nodes are stopped with SIGTERM and restarted, one after another, while clients publish and subscribe
 * with QoS 1; disconnected clients go to the next node.
 */
export async function measureRolling(): Promise<ClusterFigure[]> {
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
