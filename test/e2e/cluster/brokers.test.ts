/** Three brokers over a real nats-server: clients of one see the same as clients of the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { startBroker } from '../../support/broker.ts';
import { BrokerCluster, type RoamingSession } from '../../support/cluster/broker-cluster.ts';
import { connectFrame, pubackFrame, publishFrame, publishOf, subscribeFrame } from '../../support/frames.ts';
import { assertAllInOrder } from '../../support/mqtt-session.ts';
import { Random, replayOf, seeds } from '../../support/random.ts';
import { openConnected, RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const [seed = 0] = seeds(1);

for (const workers of [1, 2]) {
  test(`subscribers on three nodes of ${workers} see one order per topic, with QoS 0, 1 and 2`, async (t) => {
    const cluster = await BrokerCluster.start(t, 3, { workers });
    const topics = Array.from({ length: 12 }, (_, index) => `news/${index}/today`);
    const subscribers: RoamingSession[] = [];
    for (const broker of cluster.brokers)
      for (const [filter, qos] of [
        ['news/+/today', 2],
        ['news/#', 1],
        ['#', 0],
      ] as const) {
        const session = await cluster.connected(broker);
        await session.subscribe(filter, qos);
        subscribers.push(session);
      }
    const exact = await cluster.connected(cluster.broker(1));
    await exact.subscribe('news/3/today', 1);
    const publishers = await Promise.all(cluster.brokers.map((broker) => cluster.connected(broker)));
    const count = 40;
    for (let number = 0; number < count; number++)
      for (const [index, publisher] of publishers.entries())
        for (const topic of topics)
          publisher.publish(topic, `${index}:${number}`, ((number + index) % 3) as 0 | 1 | 2);
    const total = topics.length * publishers.length * count;
    await until('all messages', () => subscribers.every(({ handed }) => handed.length >= total));
    await until('all are answered', () => publishers.every(({ unanswered }) => unanswered.size === 0));
    await until('the exact one', () => exact.handed.length >= total / topics.length);
    const orders = (session: RoamingSession, topic: string): string =>
      session.handed
        .filter((each) => each.topic === topic)
        .map(({ text }) => text)
        .join(' ');
    for (const topic of topics) {
      const [first, ...others] = subscribers.map((session) => orders(session, topic));
      for (const other of others) assert.equal(other, first, topic);
      const numbers = first?.split(' ').filter((text) => text.startsWith('0:'));
      assert.deepEqual(
        numbers,
        Array.from({ length: count }, (_, number) => `0:${number}`),
        topic,
      );
    }
    assert.equal(orders(exact, 'news/3/today'), orders(subscribers[0] ?? exact, 'news/3/today'));
  });
}

test('what is retained on one node is found on the others, and is there when a node has left in order', async (t) => {
  const cluster = await BrokerCluster.start(t, 3);
  const publisher = await cluster.connected(cluster.broker(0));
  for (let number = 0; number < 300; number++) publisher.publish(`kept/${number}`, `${number}`, 1, true);
  await until('all are answered', () => publisher.unanswered.size === 0);
  const texts = ({ handed }: RoamingSession): number[] =>
    handed.map(({ text }) => Number(text)).sort((a, b) => a - b);
  const all = Array.from({ length: 300 }, (_, number) => number);
  for (const broker of cluster.brokers) {
    const reader = await cluster.connected(broker);
    await reader.subscribe('kept/+', 1);
    await until('what is retained', () => reader.handed.length >= 300);
    assert.deepEqual(texts(reader), all);
    const one = await cluster.connected(broker);
    await one.subscribe('kept/17', 1);
    await until('one of it', () => one.handed.length === 1);
  }
  const leaving = cluster.broker(2);
  cluster.remove(leaving);
  leaving.command.kill('SIGTERM');
  assert.equal((await leaving.command.exited()).code, 0);
  await cluster.settled();
  const reader = await cluster.connected(cluster.broker(1));
  await reader.subscribe('kept/#', 1);
  await until('what is retained still', () => reader.handed.length >= 300);
  assert.deepEqual(texts(reader), all);
});

test('a node leaves in order: a subscriber of another node, slow so far, gets all that was retained there', async (t) => {
  const cluster = await BrokerCluster.start(t, 2);
  const publisher = await cluster.connected(cluster.broker(0));
  const count = 1_500; // more than a subscription gets at once
  for (let number = 0; number < count; number++) {
    publisher.publish(`kept/${number}`, `${number}`, 1, true);
    if (number % 250 === 249) await until('all are answered', () => publisher.unanswered.size === 0);
  }
  const { client } = await openConnected(t, 'tcp', cluster.broker(0).ports, {
    clientId: 'slow',
    properties: { receiveMaximum: 10 },
  });
  const topics = new Set<string>();
  const held: number[] = [];
  let isSlow = true;
  client.onPacket((packet) => {
    if (packet.type !== PacketType.publish) return;
    const { topic, packetId = 0 } = publishOf(packet);
    topics.add(topic);
    if (isSlow) held.push(packetId);
    else client.send(pubackFrame(packetId));
  });
  client.send(subscribeFrame('kept/+', 1));
  await until('the first ones', () => held.length === 10);
  const leaving = cluster.broker(1);
  cluster.remove(leaving);
  leaving.command.kill('SIGTERM');
  await until('it has no slots', async () => {
    const { nodes } = await cluster.broker(0).nodes();
    return nodes.every(({ name, slots }) => name !== leaving.name || slots === 0);
  });
  await delay(700); // it would be gone by now if it did not wait
  isSlow = false;
  for (const packetId of held) client.send(pubackFrame(packetId));
  await until('all that is retained', () => topics.size === count);
  assert.equal((await leaving.command.exited()).code, 0);
});

test('members of a share on three nodes get each message once', async (t) => {
  const cluster = await BrokerCluster.start(t, 3);
  const members = await Promise.all(
    cluster.brokers.flatMap((broker) => [0, 1].map(() => cluster.connected(broker))),
  );
  for (const member of members) await member.subscribe('$share/team/work/#', 1);
  const publisher = await cluster.connected(cluster.broker(0));
  const count = 600;
  for (let number = 0; number < count; number++) publisher.publish(`work/${number % 20}`, `${number}`, 1);
  const handed = (): number => members.reduce((sum, member) => sum + member.handed.length, 0);
  await until('all messages', () => handed() >= count);
  await publisher.roundTrip();
  const texts = members.flatMap((member) => member.handed.map(({ text }) => Number(text)));
  assert.deepEqual(
    texts.sort((a, b) => a - b),
    Array.from({ length: count }, (_, number) => number),
  );
  for (const member of members) assert.ok(member.handed.length > 0, `${member.clientId} has had nothing`);
});

for (const qos of [1, 2] as const) {
  test(`sessions that roam between nodes lose nothing, with QoS ${qos}`, async (t) => {
    const cluster = await BrokerCluster.start(t, 3);
    const random = new Random(seed + qos);
    const sessions = await Promise.all(
      [0, 1].map((index) => cluster.connected(random.pick(cluster.brokers), `roamer-${index}`)),
    );
    for (const session of sessions) await session.subscribe('news/+', qos);
    const publisher = await cluster.connected(cluster.broker(0), 'publisher');
    const count = 600;
    let published = 0;
    const publishSome = (most: number): void => {
      for (let left = most; left > 0 && published < count; left--)
        publisher.publish('news/one', `${published++}`, qos);
    };
    while (published < count) {
      publishSome(1 + random.below(40));
      const session = random.pick(qos === 2 ? [...sessions, publisher] : sessions); // who sends QoS 1 again doubles it
      const farewell = random.below(3);
      if (farewell === 0) session.client?.destroy();
      if (farewell === 1) session.disconnect();
      if (session !== publisher) publishSome(random.below(20));
      await session.connectTo(random.pick(cluster.brokers));
      assert.ok(session.isSessionPresent, `${session.clientId} has lost its session; ${replayOf(seed)}`);
      publishSome(random.below(20));
    }
    for (const session of sessions) {
      const hasLast = (): boolean => session.handed.some(({ text }) => text === `${count - 1}`);
      await until(`the last message at ${session.clientId}; ${replayOf(seed)}`, hasLast).catch(() => {});
      assertAllInOrder(session.handed, count, `${session.clientId}; ${replayOf(seed)}`);
    }
  });
}

test('a client identifier is connected once in the cluster, and a clean start begins anew', async (t) => {
  const cluster = await BrokerCluster.start(t, 3);
  const earlier = await openConnected(t, 'tcp', cluster.broker(0).ports, {
    clientId: 'one',
    cleanStart: true,
  });
  const later = await openConnected(t, 'tcp', cluster.broker(1).ports, { clientId: 'one', cleanStart: true });
  assert.equal(await earlier.client.nextHex(), 'e0018e'); // session taken over
  await earlier.client.closed();
  assert.ok(!later.connack.sessionPresent);
  const session = await cluster.connected(cluster.broker(0), 'two');
  await session.subscribe('a', 1);
  session.disconnect();
  const anew = await openConnected(t, 'tcp', cluster.broker(2).ports, {
    clientId: 'two',
    cleanStart: true,
    properties: { sessionExpiryInterval: 3_600 },
  });
  assert.ok(!anew.connack.sessionPresent);
});

test('a will goes out once to all nodes', async (t) => {
  const cluster = await BrokerCluster.start(t, 3);
  const watchers = await Promise.all(cluster.brokers.map((broker) => cluster.connected(broker)));
  for (const watcher of watchers) await watcher.subscribe('wills/#', 1);
  for (const [index, broker] of cluster.brokers.entries()) {
    const will = {
      topic: `wills/${index}`,
      payload: Buffer.from(`${index}`),
      qos: 1,
      retain: false,
      properties: {},
    } as const;
    const { client } = await openConnected(t, 'tcp', broker.ports, { clientId: `mortal-${index}`, will });
    client.destroy();
  }
  await until('all wills', () => watchers.every(({ handed }) => handed.length >= 3));
  await delay(200);
  for (const { handed } of watchers) assert.deepEqual(handed.map(({ text }) => text).sort(), ['0', '1', '2']);
});

test('a ban by the API of one node holds on all, and each tells of the others', async (t) => {
  const cluster = await BrokerCluster.start(t, 2);
  const [a, b] = [cluster.broker(0), cluster.broker(1)];
  const { client } = await openConnected(t, 'tcp', b.ports, { clientId: 'unwanted' });
  assert.equal(
    await a.send('POST', '/api/v1/banned', { as: 'clientid', who: 'unwanted', reason: 'noise' }),
    200,
  );
  await client.closed();
  const again = await RawClient.open('tcp', b.ports);
  again.send(connectFrame({ clientId: 'unwanted' }));
  assert.equal((await again.nextPacket()).body[1], 0x8a);
  const { nodes, isReached } = await b.nodes();
  assert.deepEqual([nodes.map(({ name }) => name), isReached], [['node-0', 'node-1'], true]);
  const { text } = await b.get('/metrics');
  assert.match(text, /rallymq_cluster_nodes 2/);
  await until('what the lanes have carried', async () =>
    /rallymq_cluster_lane_frames_sent_total\{node="node-0"\} [1-9]/.test((await b.get('/metrics')).text),
  );
  const watcher = await cluster.connected(a);
  await watcher.subscribe('$SYS/#', 0);
  const topics = (): string[] => watcher.handed.map(({ topic }) => topic);
  await until('what both tell of themselves', () =>
    ['$SYS/nodes/node-0/uptime', '$SYS/nodes/node-1/uptime'].every((topic) => topics().includes(topic)),
  );
  assert.ok(!topics().some((topic) => topic.startsWith('$SYS/broker/')));
});

test('a node that joins hears of the bans that are in force', async (t) => {
  const cluster = await BrokerCluster.start(t, 2);
  for (const who of ['unwanted', 'unloved'])
    assert.equal(await cluster.broker(0).send('POST', '/api/v1/banned', { as: 'clientid', who }), 200);
  assert.equal(await cluster.broker(0).send('DELETE', '/api/v1/banned/clientid/unloved'), 204);
  const c = await cluster.add('node-2');
  await until('the bans', async () => {
    const { data } = JSON.parse((await c.get('/api/v1/banned')).text) as { data: { who: string }[] };
    return data.map(({ who }) => who).join() === 'unwanted';
  });
});

test('a node that joins while the oldest one is lost hears of the bans from the next one', async (t) => {
  const cluster = await BrokerCluster.start(t, 2);
  const oldest = cluster.broker(0);
  assert.equal(await oldest.send('POST', '/api/v1/banned', { as: 'clientid', who: 'unwanted' }), 200);
  const bansOf = async (broker: typeof oldest): Promise<string> => {
    const { data } = JSON.parse((await broker.get('/api/v1/banned')).text) as { data: { who: string }[] };
    return data.map(({ who }) => who).join();
  };
  const next = cluster.broker(1);
  await until('the ban', async () => (await bansOf(next)) === 'unwanted');
  cluster.remove(oldest);
  oldest.command.kill('SIGKILL');
  const c = await cluster.add('node-2');
  await until('the ban there', async () => (await bansOf(c)) === 'unwanted');
});

test('a node that joins hears of the log level that an operator has set', async (t) => {
  const cluster = await BrokerCluster.start(t, 1);
  const asked = { level: 'debug' };
  assert.equal(await cluster.broker(0).send('PUT', '/api/v1/log-level', asked), 200);
  const b = await cluster.add('node-1');
  await until('the level', async () => {
    const { options } = JSON.parse((await b.get('/api/v1/config')).text) as {
      options: { logLevel?: unknown };
    };
    return JSON.stringify(options.logLevel).includes('debug');
  });
});

test('a ban that only another node has is lifted through any node', async (t) => {
  const cluster = await BrokerCluster.start(t, 1);
  const a = cluster.broker(0);
  const { broker } = await startBroker(t, {
    cluster: [cluster.nats.url],
    nodeName: 'other',
    logLevel: 'silent',
  });
  broker.bans.add({ kind: 'clientId', value: 'its-own' });
  assert.equal(await a.send('DELETE', '/api/v1/banned/clientid/its-own'), 204);
  assert.deepEqual(broker.bans.list(), []);
  assert.equal(await a.send('DELETE', '/api/v1/banned/clientid/its-own'), 404);
});

test('a ban that a node cannot add stays in its log, and it hears of the next ones', async (t) => {
  const cluster = await BrokerCluster.start(t, 1);
  const a = cluster.broker(0);
  const options = { cluster: [cluster.nats.url], nodeName: 'full', limits: { bansMax: 1 } } as const;
  const { broker } = await startBroker(t, { ...options, logLevel: 'silent' });
  broker.bans.add({ kind: 'clientId', value: 'known' });
  const nats = t.mock.method(console, 'log'); // where its client says that a connection has broken
  for (const who of ['one-too-many', 'known'])
    assert.equal(await a.send('POST', '/api/v1/banned', { as: 'clientid', who }), 200);
  assert.equal(await a.send('DELETE', '/api/v1/banned/clientid/known'), 204);
  await until('the news', () => broker.bans.list().length === 0);
  assert.deepEqual(
    nats.mock.calls.map((call) => call.arguments),
    [],
  );
});

test('what is asked of one node about clients of another, and the log level for all', async (t) => {
  const cluster = await BrokerCluster.start(t, 2);
  const [a, b] = [cluster.broker(0), cluster.broker(1)];
  const { client } = await openConnected(t, 'tcp', b.ports, { clientId: 'there' });
  const found = await a.get('/api/v1/clients/there');
  assert.deepEqual([found.status, (JSON.parse(found.text) as { node: string }).node], [200, 'node-1']);
  assert.match((await a.get('/api/v1/clients?node=node-1')).text, /"clientid":"there"/);
  assert.doesNotMatch((await a.get('/api/v1/clients')).text, /"clientid":"there"/);
  assert.equal(await a.send('PUT', '/api/v1/log-level', { level: 'debug' }), 200);
  await until('the other node has it, too', async () => {
    await openConnected(t, 'tcp', b.ports, { clientId: 'seen' });
    return /"clientId":"seen".*"msg":"connected"/.test(b.command.stdout + b.command.stderr);
  });
  // A trace is of all nodes, wherever it was started.
  assert.equal(await a.send('POST', '/api/v1/traces', { topic: 'traced/+', payload_bytes: 10 }), 200);
  const [trace] = (JSON.parse((await a.get('/api/v1/traces')).text) as { data: { id: string }[] }).data;
  const log = async (): Promise<string> => (await a.get(`/api/v1/traces/${trace?.id}/log`)).text;
  await until('what a client of the other node publishes is in it', async () => {
    client.send(publishFrame('traced/there', 'hello'));
    return (await log()).includes('"node":"node-1","event":"published","clientid":"there"');
  });
  assert.match(await log(), /"topic":"traced\/there".*"payload":"hello"/);
  assert.equal((await b.get('/api/v1/traces')).text, '{"data":[]}\n');
  assert.equal(await b.send('DELETE', `/api/v1/traces/${trace?.id}`), 404);
  assert.equal(await a.send('DELETE', `/api/v1/traces/${trace?.id}`), 204);
  assert.equal(await a.send('DELETE', '/api/v1/clients/there'), 204);
  await client.closed();
  const status = async (): Promise<number> => (await a.get('/api/v1/clients/there')).status;
  await until('no node knows it', async () => (await status()) === 404);
  assert.match((await a.get('/api/v1/clients/there/events')).text, /administrativeAction.*"node":"node-1"/);
});
