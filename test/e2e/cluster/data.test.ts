/** Nodes with a data directory that are killed, one or all, and return with their data. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { createBroker } from '../../../core/broker.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import {
  BrokerCluster,
  type ClusterBroker,
  type RoamingSession,
} from '../../support/cluster/broker-cluster.ts';
import { NatsServer } from '../../support/cluster/nats-server.ts';
import { type Command, runCommand, startCommand } from '../../support/command.ts';
import { publishFrame } from '../../support/frames.ts';
import { MqttSession } from '../../support/mqtt-session.ts';
import { openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';
import { watchWorkers } from '../../support/workers.ts';

const topics = Array.from({ length: 12 }, (_, index) => `kept/${index}`);

async function allAnswered(publisher: RoamingSession): Promise<void> {
  await until('all are answered', () => publisher.unanswered.size === 0);
}

/** What is retained below `prefix`, as a new client on the broker gets it. */
async function retainedOn(
  cluster: BrokerCluster,
  broker: ClusterBroker,
  prefix: string,
  count: number,
): Promise<Record<string, string>> {
  const reader = await cluster.connected(broker);
  await reader.subscribe(`${prefix}/#`, 1);
  await until(`${count} retained messages on ${broker.name}`, () => reader.handed.length >= count);
  await reader.roundTrip();
  reader.disconnect();
  return Object.fromEntries(reader.handed.map(({ topic, text }) => [topic, text]));
}

/** A client with a will, and with a session for so long. */
async function connectMortal(
  t: TestContext,
  { ports }: ClusterBroker,
  clientId: string,
  willDelayInterval: number,
  sessionExpiryInterval = 3_600,
): Promise<boolean> {
  const { connack } = await openConnected(t, 'tcp', ports, {
    clientId,
    cleanStart: false,
    properties: { sessionExpiryInterval },
    will: {
      topic: `wills/${clientId}`,
      payload: Buffer.from(clientId),
      qos: 1,
      retain: false,
      properties: { willDelayInterval },
    },
  });
  return connack.sessionPresent;
}

async function connectMortals(t: TestContext, broker: ClusterBroker): Promise<void> {
  for (const [clientId, delaySeconds, expirySeconds] of [
    ['at once', 0, 3_600],
    ['later', 1, 3_600],
    ['without a session', 0, 0],
    ['back', 3_600, 3_600],
  ] as const)
    await connectMortal(t, broker, clientId, delaySeconds, expirySeconds);
}

/** Those that are due, once. */
async function assertWills(watcher: RoamingSession): Promise<void> {
  await until('the wills', () => watcher.handed.length >= 3);
  await watcher.roundTrip();
  assert.deepEqual(watcher.handed.map(({ text }) => text).sort(), ['at once', 'later', 'without a session']);
}

/** Each topic has all numbers once and in order. */
function assertWhole(session: RoamingSession, count: number): void {
  for (const topic of topics) {
    const numbers = session.handed.filter((each) => each.topic === topic).map(({ text }) => Number(text));
    const expected = Array.from({ length: count }, (_, index) => index);
    assert.deepEqual(numbers, expected, `${session.clientId}: ${topic}`);
  }
}

test('all nodes are killed: what was acknowledged is there again, and goes along to other nodes', async (t) => {
  const cluster = await BrokerCluster.start(t, 3, { hasData: true });
  const [a, b, c] = [cluster.broker(0), cluster.broker(1), cluster.broker(2)];
  const away = await Promise.all(cluster.brokers.map((broker) => cluster.connected(broker)));
  for (const [index, session] of away.entries()) {
    await session.subscribe('kept/+', index === 0 ? 1 : 2);
    session.disconnect();
    await until('it is gone', () => session.client?.isClosed === true);
  }
  let sent = 0;
  const publish = async (broker: ClusterBroker, count: number): Promise<void> => {
    const publisher = await cluster.connected(broker);
    for (let number = sent; number < sent + count; number++)
      for (const topic of topics) publisher.publish(topic, `${number}`, number % 2 === 0 ? 1 : 2, true);
    sent += count;
    await allAnswered(publisher);
    publisher.disconnect();
  };
  await publish(a, 10);
  await cluster.killAll(2); // with other numbers of workers
  await publish(b, 10);
  for (const broker of cluster.brokers) {
    const retained = await retainedOn(cluster, broker, 'kept', topics.length);
    assert.deepEqual(retained, Object.fromEntries(topics.map((topic) => [topic, `${sent - 1}`])));
  }
  // One comes back where it was, the others elsewhere.
  await away[0]?.connectTo(a);
  await away[1]?.connectTo(c);
  await away[2]?.connectTo(b);
  for (const session of away) {
    assert.ok(session.isSessionPresent, session.clientId);
    await until('all messages', () => session.handed.length >= sent * topics.length);
    await session.roundTrip();
    assertWhole(session, sent);
  }
});

test('a node that comes back: what others have had later counts, the rest is offered', async (t) => {
  const cluster = await BrokerCluster.start(t, 3, { hasData: true });
  const [a, b, c] = [cluster.broker(0), cluster.broker(1), cluster.broker(2)];
  const publisher = await cluster.connected(a);
  for (const kind of ['same', 'changed', 'cleared'])
    for (let index = 0; index < 12; index++) publisher.publish(`old/${kind}/${index}`, 'old', 1, true);
  await allAnswered(publisher);
  const same = await cluster.connected(c, 'only-on-c');
  await same.subscribe('old/changed/+', 1);
  await until('retained', () => same.handed.length === 12);
  same.disconnect();
  const moved = await cluster.connected(c, 'anew-on-a');
  await moved.subscribe('moved', 1);
  moved.disconnect();
  await until('it is away', () => moved.client?.isClosed === true);
  publisher.publish('moved', 'old', 1);
  await allAnswered(publisher);
  const watcher = await cluster.connected(b);
  await watcher.subscribe('wills/+', 1);
  await connectMortal(t, c, 'mortal', 0);
  cluster.remove(c);
  c.command.kill('SIGKILL');
  await c.command.exited();
  await cluster.settled();
  await moved.connectTo(a);
  assert.equal(moved.isSessionPresent, false);
  await moved.subscribe('moved/anew', 1);
  for (let index = 0; index < 12; index++) {
    publisher.publish(`old/changed/${index}`, 'new', 1, true);
    publisher.publish(`old/cleared/${index}`, '', 1, true);
  }
  await allAnswered(publisher);
  await cluster.again(c, 2);
  cluster.brokers.push(c);
  await cluster.settled();
  const expected: Record<string, string> = {};
  for (let index = 0; index < 12; index++) {
    expected[`old/same/${index}`] = 'old';
    expected[`old/changed/${index}`] = 'new';
  }
  for (const broker of cluster.brokers)
    assert.deepEqual(await retainedOn(cluster, broker, 'old', 24), expected, broker.name);
  // The client that has gone on elsewhere is not disturbed, and finds its later session on the node that is back.
  assert.ok(moved.client?.isClosed === false);
  await moved.connectTo(c);
  assert.ok(moved.isSessionPresent);
  publisher.publish('moved/anew', 'x', 1);
  publisher.publish('moved', 'x', 1);
  await until('of the later session', () => moved.handed.length > 0);
  await moved.roundTrip();
  assert.deepEqual(
    moved.handed.map(({ topic }) => topic),
    ['moved/anew'],
  );
  // Its will has been published, and is not again where its session goes.
  assert.ok(await connectMortal(t, b, 'mortal', 0));
  publisher.publish('wills/mortal', 'later', 1);
  await until('what follows the will', () => watcher.handed.some(({ text }) => text === 'later'));
  assert.deepEqual(
    watcher.handed.map(({ text }) => text),
    ['mortal', 'later'],
  );
  // And one that has stayed away is still there, from any node.
  await same.connectTo(b);
  assert.ok(same.isSessionPresent);
  assert.match(c.command.stdout + c.command.stderr, /a session from the disk ends/);
  const outdated = /messages_dropped_total\{reason="outdated"\} 1\n/;
  await until('the dropped message is counted', async () => outdated.test((await c.get('/metrics')).text));
});

test('data of one cluster is of no use to another one, nor to a broker alone', async (t) => {
  const cluster = await BrokerCluster.start(t, 1, { hasData: true });
  const a = cluster.broker(0);
  a.command.kill('SIGTERM');
  await a.command.exited();
  const args = ['--port', '0', '--data', cluster.dataOf(a.name)];
  const alone = await runCommand(args);
  assert.equal(alone.code, 2);
  assert.match(alone.stdout + alone.stderr, /belongs to a node of the cluster rallymq/);
  const nats = `nats://127.0.0.1:${cluster.nats.port}`;
  const other = ['--cluster', nats, '--cluster-name', 'other'];
  const renamed = await runCommand([...args, ...other, '--node-name', a.name]);
  assert.equal(renamed.code, 1);
  assert.match(renamed.stdout + renamed.stderr, /belongs to another cluster, rallymq: set the clusterName/);
  const first = startCommand(t, [...other, '--data', 'none', '--node-name', 'x']);
  await first.ready();
  const empty = ['--port', '0', '--data', cluster.dataOf('new'), '--node-name', 'z'];
  const mixed = await runCommand([...empty, ...other]);
  assert.equal(mixed.code, 1);
  assert.match(mixed.stdout + mixed.stderr, /have no data directories, as x, and this one has/);
  first.kill('SIGTERM');
  await first.exited();
  const elsewhere = await NatsServer.start(t);
  const sameName = ['--cluster', elsewhere.url];
  const second = startCommand(t, [...sameName, '--data', 'none', '--node-name', 'x']);
  await second.ready();
  const refused = await runCommand([...args, ...sameName, '--node-name', 'y']);
  assert.equal(refused.code, 1);
  assert.match(refused.stdout + refused.stderr, /belongs to another cluster rallymq: NATS is not the one/);
  second.kill('SIGTERM');
  await second.exited();
});

test('three replicas: a node is lost for good, and all that it has acknowledged is served by the others', async (t) => {
  const cluster = await BrokerCluster.start(t, 3, { hasData: true, replicas: 3 });
  const [a, b, c] = [cluster.broker(0), cluster.broker(1), cluster.broker(2)];
  // On the node that will be lost: one that is away, one that is connected, and one that is about to release its message.
  const away = await cluster.connected(c, 'away');
  await away.subscribe('kept/+', 2);
  away.disconnect();
  const there = await cluster.connected(c, 'there');
  await there.subscribe('kept/+', 1);
  const publisher = await cluster.connected(a);
  const expected = new Map(topics.map((topic): [string, string[]] => [topic, []]));
  let number = 0;
  const publish = async (count: number, retain = false): Promise<void> => {
    for (let round = 0; round < count; round++, number++)
      for (const topic of topics) publisher.publish(topic, `${number}`, number % 2 === 0 ? 1 : 2, retain);
    await allAnswered(publisher);
  };
  await publish(5, true);
  const halfway = await cluster.connected(c, 'halfway');
  halfway.answersUnknown = false;
  halfway.client?.send(publishFrame('kept/0', 'exactly once', { qos: 2, packetId: 7 }));
  await until('its PUBREC', () => halfway.pubrecs > 0);
  await until('what was published', () => there.handed.length === 5 * topics.length + 1);
  const watcher = await cluster.connected(b);
  await watcher.subscribe('wills/+', 1);
  await connectMortals(t, c);
  cluster.remove(c);
  c.command.kill('SIGKILL');
  await c.command.exited();
  // While nobody serves its sessions messages wait, or are refused; none is acknowledged that nobody has.
  await publish(5);
  await cluster.settled();
  await publish(5);
  for (let round = 0; round < number; round++)
    for (const topic of topics) {
      const isRefused = publisher.refused.some((each) => each.topic === topic && each.text === `${round}`);
      if (!isRefused) expected.get(topic)?.push(`${round}`);
    }
  const isQos1 = (session: RoamingSession): boolean => session === there;
  const check = (session: RoamingSession, what: string): void => {
    for (const topic of topics) {
      const refused = publisher.refused.filter((each) => each.topic === topic).map(({ text }) => text);
      const texts = session.handed
        .filter((each) => each.topic === topic && each.text !== 'exactly once')
        .map(({ text }) => text);
      const once = isQos1(session) ? texts.filter((text, index) => texts.indexOf(text) === index) : texts;
      assert.deepEqual(
        once.filter((text) => !refused.includes(text)),
        expected.get(topic),
        `${what}: ${topic}`,
      );
    }
    const exact = session.handed.filter(({ text }) => text === 'exactly once');
    // What was acknowledged with QoS 1 in the last second may come again.
    assert.ok(exact.length === 1 || (isQos1(session) && exact.length > 1), `${what}: exactly once`);
  };
  await away.connectTo(a);
  assert.ok(away.isSessionPresent, 'away');
  await there.connectTo(b);
  assert.ok(there.isSessionPresent, 'there');
  await halfway.connectTo(b);
  assert.ok(halfway.isSessionPresent, 'halfway');
  assert.ok(await connectMortal(t, a, 'back', 3_600));
  halfway.client?.send(publishFrame('kept/0', 'exactly once', { qos: 2, packetId: 7, dup: true }));
  await until('its PUBREC again', () => halfway.pubrecs > 1);
  for (const session of [away, there]) {
    await until(`all messages for ${session.clientId}`, () => {
      const texts = new Set(session.handed.map(({ topic, text }) => `${topic} ${text}`));
      return [...expected].every(([topic, all]) => all.every((text) => texts.has(`${topic} ${text}`)));
    });
    await session.roundTrip();
    check(session, session.clientId);
  }
  for (const broker of cluster.brokers)
    assert.deepEqual(
      await retainedOn(cluster, broker, 'kept', topics.length),
      Object.fromEntries(topics.map((topic) => [topic, '4'])),
    );
  // The node comes back with its disk: what was on it counts no more.
  await cluster.again(c);
  cluster.brokers.push(c);
  await cluster.settled();
  const before = away.handed.length;
  await away.connectTo(c);
  assert.ok(away.isSessionPresent);
  await publish(1);
  await until('the last ones', () => away.handed.length === before + topics.length);
  await away.roundTrip();
  assert.equal(away.handed.length, before + topics.length);
  await assertWills(watcher);
  assert.match(
    c.command.stdout + c.command.stderr,
    /other nodes have taken over what is in the data directory/,
  );
  await until('nothing is left of its old log', async () => (await keysOf(cluster.nats)).length === 1);
});

/** Of the cluster's bucket. */
async function keysOf({ url }: NatsServer): Promise<string[]> {
  const connection = await connect({ servers: url });
  const bucket = await new Kvm(connection).open('rally-rallymq');
  const keys: string[] = [];
  for await (const key of await bucket.keys()) keys.push(key);
  await connection.close();
  return keys;
}

interface ReplicasPlace {
  readonly nats: NatsServer;
  readonly folder: string;
  /** Of a node with this name and data in the folder. */
  nodeFlags(name: string): string[];
  /** With replicas. */
  readonly replicated: readonly string[];
}

/** One NATS server, a folder, and in it a configuration with replicas, which that server can keep. */
async function replicasPlace(t: TestContext): Promise<ReplicasPlace> {
  const nats = await NatsServer.start(t);
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-replicas-'));
  atEnd(t, () => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'config');
  await writeFile(config, JSON.stringify({ replicas: 3, limits: { logCopies: 1 } }));
  return {
    nats,
    folder,
    nodeFlags: (name) => ['--cluster', nats.url, '--node-name', name, '--data', join(folder, name)],
    replicated: ['--config', config],
  };
}

test('the replicas of a node may be turned on and off between starts, and it keeps what it has', async (t) => {
  const { nodeFlags, replicated } = await replicasPlace(t);
  for (const [start, flags] of [[], replicated, [], replicated].entries()) {
    const command = startCommand(t, [...nodeFlags('a'), ...flags]);
    const ports = await command.ready();
    const session = new MqttSession(t, ports, 'durable');
    await session.connect('tcp');
    assert.equal(session.isSessionPresent, start > 0, `at start ${start}`);
    await session.subscribe(`kept/${start}`, 1);
    session.disconnect();
    command.kill('SIGTERM');
    await command.exited();
  }
});

test('a node whose log is taken over while it starts begins with an empty one, and goes on', async (t) => {
  const { nats, nodeFlags, replicated } = await replicasPlace(t);
  const flags = [...nodeFlags('a'), ...replicated];
  const first = startCommand(t, flags);
  await first.ready();
  first.kill('SIGKILL');
  await first.exited();
  const connection = await connect({ servers: nats.url });
  atEnd(t, () => connection.close());
  // It asks where its log ends; before it has appended anything there, another one does so.
  let isTakenOver = false;
  connection.subscribe('$JS.API.STREAM.MSG.GET.*', {
    callback: (_, { subject }) => {
      const id = /\.rally-rallymq-log-(\w+)$/.exec(subject)?.[1];
      if (id === undefined || isTakenOver) return;
      isTakenOver = true;
      connection.publish(`rally.rallymq.log.${id}`, Buffer.alloc(32, 1));
    },
  });
  await connection.flush();
  const again = startCommand(t, flags);
  const ports = await again.ready();
  assert.ok(isTakenOver);
  assert.match(again.stdout + again.stderr, /the cluster has removed this node; it joins again/);
  const session = new MqttSession(t, ports, 'durable');
  await session.connect('tcp');
  await session.subscribe('kept/0', 1);
  session.publish('kept/0', 'stored', 1);
  await until('the message', () => session.handed.length === 1);
});

test('the copy of a log is deleted by hand: the node makes another one, and loses nothing', async (t) => {
  const { nats, nodeFlags, replicated } = await replicasPlace(t);
  const command = startCommand(t, [...nodeFlags('a'), ...replicated]);
  const ports = await command.ready();
  const session = new MqttSession(t, ports, 'durable');
  await session.connect('tcp');
  await session.subscribe('kept/+', 1);
  session.publish('kept/0', 'before', 1);
  await until('the first message', () => session.handed.length === 1);
  const connection = await connect({ servers: nats.url });
  atEnd(t, () => connection.close());
  const { streams } = await jetstreamManager(connection);
  const names = async (): Promise<string[]> => {
    const all: string[] = [];
    for await (const name of streams.names()) if (/-log-/.test(name)) all.push(name);
    return all;
  };
  const [stream = ''] = await names();
  await streams.delete(stream);
  session.publish('kept/1', 'after', 1);
  await until('the broker says so', () =>
    /it joins again as a new one/.test(command.stdout + command.stderr),
  );
  await until('it is there again', async () => {
    const answer = await fetch(`http://127.0.0.1:${ports.port}/readyz`).catch(() => undefined);
    return answer?.status === 200;
  });
  assert.deepEqual(await names(), [stream]);
  await session.connect('tcp');
  assert.ok(session.isSessionPresent);
  await until('both messages', () => new Set(session.handed.map(({ text }) => text)).size === 2);
});

test('what a program has subscribed to outlives the removal of its node from the cluster', async (t) => {
  const { nats, folder } = await replicasPlace(t);
  const connection = await connect({ servers: nats.url });
  atEnd(t, () => connection.close());
  let log = '';
  connection.subscribe('rally.rallymq.log.*', {
    callback: (_, { subject }) => {
      log = subject;
    },
  });
  await connection.flush();
  const { broker } = await startBroker(t, {
    cluster: [nats.url],
    nodeName: 'a',
    dataDirectory: join(folder, 'data'),
    replicas: 3,
    limits: { logCopies: 1 },
    logLevel: 'silent',
  });
  const taken: string[] = [];
  await broker.subscribe('score/+', ({ topic }) => void taken.push(topic));
  await broker.publish('score/1', '15-0', { retain: true });
  await until('its log', () => log !== '' && taken.length === 1);
  connection.publish(log, Buffer.alloc(32, 1)); // another node has taken it over
  const isServing = (): boolean => {
    try {
      return broker.statistics() !== undefined;
    } catch {
      return false;
    }
  };
  const publishing = setInterval(() => broker.publish('state', '', { retain: true }).catch(() => {}), 20);
  atEnd(t, () => clearInterval(publishing));
  await until('its removal', () => !isServing());
  clearInterval(publishing);
  await until('it has joined again', isServing, 30_000);
  await broker.publish('score/2', '30-0');
  await until('the message', () => taken.includes('score/2'));
});

test('a start that fails when its log is replicated already leaves no thread behind', async (t) => {
  const { nats, folder } = await replicasPlace(t);
  const workers = watchWorkers(t);
  const socket = join(folder, 'taken');
  await writeFile(socket, ''); // it is no socket
  const broker = createBroker({
    cluster: [nats.url],
    nodeName: 'a',
    port: 0,
    tcpPort: false,
    listeners: [{ socket }],
    dataDirectory: join(folder, 'data'),
    replicas: 3,
    limits: { logCopies: 1 },
    logLevel: 'silent',
  });
  await assert.rejects(broker.start(), { code: 'ADDRESS_IN_USE' });
  assert.equal(workers.all.length, 1);
  await until('its end', () => workers.all.every(({ threadId }) => threadId < 0), 10_000);
});

test('nodes with and without replicas in one cluster name each other', async (t) => {
  const { nodeFlags, replicated } = await replicasPlace(t);
  const run = async (name: string, ...flags: readonly string[]): Promise<Command> => {
    const command = startCommand(t, [...nodeFlags(name), ...flags]);
    await command.ready();
    return command;
  };
  const warnings = ({ stdout, stderr }: Command, pattern: RegExp): number =>
    (stdout + stderr).split('\n').filter((line) => pattern.test(line)).length;
  const a = await run('a', ...replicated);
  const b = await run('b');
  await until('a names b', () => warnings(a, /"nodes":"b","msg":"these nodes run without replicas/) === 1);
  await until(
    'b names a',
    () => warnings(b, /"nodes":"a","msg":"these nodes run with replicas, and this one without/) === 1,
  );
});

test('the beginning of the copy of a log is purged by hand: its node repeats it, and another one can take it over', async (t) => {
  const cluster = await BrokerCluster.start(t, 2, { hasData: true, replicas: 3 });
  const [a, b] = [cluster.broker(0), cluster.broker(1)];
  const session = await cluster.connected(a, 'durable');
  await session.subscribe('kept/+', 1);
  const connection = await connect({ servers: cluster.nats.url });
  atEnd(t, () => connection.close());
  const { streams } = await jetstreamManager(connection);
  const { stream } = JSON.parse(await readFile(join(cluster.dataOf(a.name), 'cluster.json'), 'utf8'));
  const name = `rally-rallymq-log-${stream}`;
  const { state } = await streams.info(name);
  assert.ok(state.last_seq > 2);
  await streams.purge(name, { seq: state.last_seq });
  await until(
    'it says so',
    () => /JetStream has lost the beginning/.test(a.command.stdout + a.command.stderr),
    20_000,
  );
  await until('it is repeated', async () => (await streams.info(name)).state.first_seq > state.last_seq);
  cluster.remove(a);
  a.command.kill('SIGKILL');
  await a.command.exited();
  await cluster.settled();
  await session.connectTo(b);
  assert.ok(session.isSessionPresent);
  session.publish('kept/1', 'after', 1);
  await until('its message', () => session.handed.length === 1);
});
