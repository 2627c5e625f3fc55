/** Nodes that are killed, paused or cut off from NATS, and NATS being killed: recovery needs no intervention. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BrokerCluster, type ClusterBroker } from '../../support/cluster/broker-cluster.ts';
import { connectFrame } from '../../support/frames.ts';
import { openConnected, RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const topics = Array.from({ length: 20 }, (_, index) => `alive/${index}`);

/** A message to each of many topics, so to all slots that matter, comes from the one node to the other, in time. */
async function assertServed(cluster: BrokerCluster, from: ClusterBroker, to: ClusterBroker): Promise<void> {
  const subscriber = await cluster.connected(to);
  await subscriber.subscribe('alive/+', 1);
  const publisher = await cluster.connected(from);
  for (const topic of topics) publisher.publish(topic, 'x', 1);
  await until(
    'a message of each topic',
    () => new Set(subscriber.handed.map(({ topic }) => topic)).size === topics.length,
  );
  await until('all are answered', () => publisher.unanswered.size === 0);
  subscriber.disconnect();
  publisher.disconnect();
}

async function assertAllGetIn(t: TestContext, broker: ClusterBroker, prefix: string): Promise<void> {
  for (let number = 0; number < 20; number++)
    await openConnected(t, 'tcp', broker.ports, { clientId: `${prefix}-${number}` });
}

test('a node that is killed: the others take its slots within five seconds, and it comes back as a new one', async (t) => {
  const cluster = await BrokerCluster.start(t, 3);
  const [a, b, c] = [cluster.broker(0), cluster.broker(1), cluster.broker(2)];
  await assertServed(cluster, a, b);
  const shared = await Promise.all(cluster.brokers.map((broker) => cluster.connected(broker)));
  for (const member of shared) await member.subscribe('$share/team/work', 1);
  const watcher = await cluster.connected(a);
  await watcher.subscribe('wills/#', 1);
  for (const [name, willDelayInterval] of [
    ['at once', 0],
    ['later', 1],
    ['back', 3_600],
  ] as const)
    await openConnected(t, 'tcp', c.ports, {
      clientId: name,
      properties: { sessionExpiryInterval: 3_600 },
      will: {
        topic: `wills/${name}`,
        payload: Buffer.from(name),
        qos: 1,
        retain: false,
        properties: { willDelayInterval },
      },
    });
  const killedAt = performance.now();
  cluster.remove(c);
  c.command.kill('SIGKILL');
  await c.command.exited();
  await cluster.settled();
  t.diagnostic(`the slots have owners ${Math.round(performance.now() - killedAt)} ms after the kill`);
  await openConnected(t, 'tcp', b.ports, { clientId: 'back' });
  await assertServed(cluster, a, b);
  await assertServed(cluster, b, a);
  await assertAllGetIn(t, a, 'after');
  await until('the wills', () => watcher.handed.length >= 2);
  const publisher = await cluster.connected(b);
  for (let number = 0; number < 20; number++) publisher.publish('work', `${number}`, 1);
  const handed = (): number => shared.slice(0, 2).reduce((sum, member) => sum + member.handed.length, 0);
  await until('all that is shared', () => handed() === 20);
  await cluster.again(c);
  cluster.brokers.push(c);
  await cluster.settled();
  await assertServed(cluster, c, a);
  await assertServed(cluster, b, c);
  assert.deepEqual(watcher.handed.map(({ text }) => text).sort(), ['at once', 'later']);
});

test('a node that stands still is taken out, and joins again by itself, however long NATS is away then', async (t) => {
  const cluster = await BrokerCluster.start(t, 3);
  const [a, b, c] = [cluster.broker(0), cluster.broker(1), cluster.broker(2)];
  const there = await openConnected(t, 'tcp', c.ports, { clientId: 'on-c' });
  c.command.kill('SIGSTOP');
  cluster.remove(c);
  await cluster.settled();
  await assertServed(cluster, a, b);
  await openConnected(t, 'tcp', a.ports, { clientId: 'on-c' }); // it is nobody's any more
  c.command.kill('SIGCONT');
  await until('it knows', () => c.command.stderr.includes('the cluster has removed this node'));
  c.proxy.cut(); // meanwhile it counts nothing, and has nothing to tell
  await there.client.closed();
  await until('it goes on trying', () => c.command.stderr.includes('and goes on trying'), 60_000);
  c.proxy.mend();
  cluster.brokers.push(c);
  await until('it has joined again', () => c.isReady().catch(() => false));
  await cluster.settled();
  await assertServed(cluster, c, b);
  await assertServed(cluster, a, c);
});

test('a node that is cut off for a moment loses nothing with QoS 1 and 2, and keeps the order', async (t) => {
  const cluster = await BrokerCluster.start(t, 2);
  const [a, b] = [cluster.broker(0), cluster.broker(1)];
  const subscriber = await cluster.connected(b);
  await subscriber.subscribe('news/#', 2);
  const publisher = await cluster.connected(a);
  const count = 2_000;
  for (let number = 0; number < count; number++) {
    publisher.publish(`news/${number % 4}`, `${number}`, number % 8 < 4 ? 1 : 2);
    if (number === 500) {
      b.proxy.cut();
      setTimeout(() => b.proxy.mend(), 1_000);
    }
    if (number % 50 === 0) await until('room for more', () => publisher.unanswered.size < 500);
  }
  await until('all messages', () => subscriber.handed.length >= count);
  await until('all are answered', () => publisher.unanswered.size === 0);
  for (let topic = 0; topic < 4; topic++) {
    const texts = subscriber.handed
      .filter((each) => each.topic === `news/${topic}`)
      .map(({ text }) => Number(text));
    assert.deepEqual(
      texts,
      Array.from({ length: count / 4 }, (_, number) => topic + 4 * number),
    );
  }
  assert.equal((await a.nodes()).nodes.length, 2);
});

test('a node that is cut off says so, lets nobody new in, keeps its clients until it may join again', async (t) => {
  const cluster = await BrokerCluster.start(t, 3);
  const [a, b, c] = [cluster.broker(0), cluster.broker(1), cluster.broker(2)];
  const there = await openConnected(t, 'tcp', c.ports, { clientId: 'on-c' });
  c.proxy.cut();
  await until('it is not ready', async () => !(await c.isReady()));
  const refused = await RawClient.open('tcp', c.ports);
  refused.send(connectFrame({ clientId: 'late' }));
  assert.equal((await refused.nextPacket()).body[1], 0x88);
  assert.ok(!there.client.isClosed);
  assert.ok(await a.isReady());
  cluster.remove(c);
  await cluster.settled();
  await assertServed(cluster, a, b);
  c.proxy.mend();
  await there.client.closed();
  cluster.brokers.push(c);
  await until('it has joined again', () => c.isReady().catch(() => false));
  await cluster.settled();
  await assertServed(cluster, b, c);
});

test('NATS that is killed and started again: nobody is taken out, and messages go on', async (t) => {
  const cluster = await BrokerCluster.start(t, 2);
  const [a, b] = [cluster.broker(0), cluster.broker(1)];
  const { client } = await openConnected(t, 'tcp', a.ports, { clientId: 'stays' });
  const { epoch } = await a.nodes();
  await cluster.nats.kill();
  await until('both know', async () => !(await a.isReady()) && !(await b.isReady()));
  await cluster.nats.run();
  await until('both are back', async () => (await a.isReady()) && (await b.isReady()));
  await assertServed(cluster, a, b);
  assert.equal((await b.nodes()).epoch, epoch);
  assert.ok(!client.isClosed);
});

test('JetStream is away and core NATS is not: what need not be stored goes on, and the rest waits', async (t) => {
  const cluster = await BrokerCluster.start(t, 2, { hasData: true, replicas: 3 });
  const [a, b] = [cluster.broker(0), cluster.broker(1)];
  const durable = await cluster.connected(b, 'durable');
  await durable.subscribe('kept/#', 1);
  const restart = async (flags?: readonly string[]): Promise<void> => {
    await cluster.nats.kill();
    await cluster.nats.run(flags);
    await until('both are back', async () => (await a.isReady()) && (await b.isReady()));
  };
  await restart([]);
  const { epoch } = await a.nodes();

  const live = { properties: { sessionExpiryInterval: 0 } };
  const subscriber = cluster.session(b);
  await subscriber.connect('tcp', live);
  await subscriber.subscribe('live/#', 1);
  const publisher = cluster.session(a);
  await publisher.connect('tcp', live);
  for (const topic of topics) for (const qos of [0, 1] as const) publisher.publish(`live/${topic}`, 'x', qos);
  await until('what is not stored', () => subscriber.handed.length === 2 * topics.length);
  await until('its PUBACKs', () => publisher.unanswered.size === 0);
  const { client: first } = await openConnected(t, 'tcp', a.ports, { clientId: 'goes on', ...live });
  await openConnected(t, 'tcp', b.ports, { clientId: 'goes on', ...live });
  await first.closed();

  publisher.publish('kept/1', 'at most once', 0);
  publisher.publish('kept/1', 'stored', 1);
  const newcomer = await RawClient.open('tcp', a.ports);
  newcomer.send(connectFrame({ clientId: 'new', properties: { sessionExpiryInterval: 3_600 } }));
  const connack = newcomer.nextPacket();
  let isLetIn = false;
  void connack.then(() => (isLetIn = true));
  await until('QoS 0', () => durable.handed.some(({ text }) => text === 'at most once'));
  await until('the age of what waits', async () => {
    const { text } = await a.get('/metrics');
    const found = /^rallymq_cluster_log_waiting_seconds ([\d.e-]+)$/m.exec(text);
    return Number(found?.[1]) > 1;
  });
  await until('it says why', async () =>
    (await a.get('/healthz')).text.includes('JetStream does not store the log of this node ('),
  );
  assert.equal(publisher.unanswered.size, 1);
  assert.ok(!isLetIn);
  assert.equal((await b.nodes()).epoch, epoch);

  await restart();
  await until('its PUBACK', () => publisher.unanswered.size === 0);
  assert.equal((await connack).body[1], 0);
  await until('the message', () => durable.handed.some(({ text }) => text === 'stored'));
});
