/**
 * Requirements for every client in every version: one function per feature. The brokers of a run are shared, so every
 * scenario has its own topics and client identifiers.
 *
 * "Nothing arrives" is shown by a later message that does arrive, on the same topic if possible, since order is
 * guaranteed only within a topic.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { QoS } from '../../../core/wire/packets.ts';
import { type RunningBroker, startBroker } from '../broker.ts';
import { until, within } from '../wait.ts';
import type { ClientKind, ConnectOptions, TestClient } from './test-client.ts';

export interface Stage {
  readonly test: TestContext;
  readonly broker: RunningBroker;
  readonly kind: ClientKind;
  /** Prefix of the topics and client identifiers of this scenario. */
  readonly own: string;
}

export type Scenarios = Readonly<Record<string, (stage: Stage) => Promise<void>>>;

export const qualities: readonly QoS[] = [0, 1, 2];

/** Runs the scenarios with one kind of client, on its own broker: sequentially or concurrently. */
export async function play(
  test: TestContext,
  kind: ClientKind,
  workers: number,
  scenarios: Scenarios,
  concurrency: 'one by one' | 'all at once' = 'one by one',
): Promise<void> {
  const broker = await startBroker(test, { workers });
  const running: Promise<void>[] = [];
  for (const [title, scenario] of Object.entries(scenarios)) {
    const played = test.test(title, async (subtest) => {
      await scenario({ test: subtest, broker, kind, own: `t${randomUUID().slice(0, 8)}` });
    });
    if (concurrency === 'one by one') await played;
    else running.push(played);
  }
  await Promise.all(running);
}

/** Runs the scenarios that depend on the workers of the clients, several times. */
export async function playAcrossWorkers(
  test: TestContext,
  kind: ClientKind,
  scenarios: Scenarios,
): Promise<void> {
  const workers = 4;
  const rounds = 4;
  const repeated: Record<string, Scenarios[string]> = {};
  for (const [title, scenario] of Object.entries(scenarios)) {
    repeated[title] = async (stage) => {
      for (let round = 0; round < rounds; round++) await scenario({ ...stage, own: `${stage.own}-${round}` });
    };
  }
  await play(test, kind, workers, repeated);
}

export function connect(
  { test, broker, kind, own }: Stage,
  name: string,
  options: Partial<ConnectOptions> = {},
): Promise<TestClient> {
  // MQTT 3.1 allows 23 characters for a client identifier.
  return kind.connect(test, broker, { clientId: `${own}-${name}`, ...options });
}

/** A session that outlives its connection, in any version. */
export function connectPersistent(
  stage: Stage,
  name: string,
  options: Partial<ConnectOptions> = {},
): Promise<TestClient> {
  const expiry = stage.kind.version === 5 ? { sessionExpirySeconds: 3_600 } : {};
  return connect(stage, name, { cleanStart: false, ...expiry, ...options });
}

export async function untilReceived(client: TestClient, count: number): Promise<void> {
  await until(`${count} messages`, () => client.received.length >= count).catch((error: unknown) => {
    throw new Error(`received ${JSON.stringify(texts(client))}`, { cause: error });
  });
}

export function texts(client: TestClient): string[] {
  return client.received.map(({ payload }) => payload.toString());
}

/** Resolves when the broker has noticed that a client's connection is over. */
function disconnected({ broker: { broker } }: Stage, clientId: string): Promise<void> {
  const isGone = new Promise<void>((resolve) => {
    broker.on('clientDisconnected', function onDisconnected(client) {
      if (client.clientId !== clientId) return;
      broker.off('clientDisconnected', onDisconnected);
      resolve();
    });
  });
  return within(`the broker to notice that ${clientId} has gone`, isGone);
}

/** Leaves, or breaks, and waits until the broker has noticed. */
export async function leave(
  stage: Stage,
  client: TestClient,
  name: string,
  how: 'disconnect' | 'drop',
): Promise<void> {
  const isGone = disconnected(stage, `${stage.own}-${name}`);
  await client[how]();
  await isGone;
}

/** MQTT 3.1 does not report it in its CONNACK. */
function assertSessionPresent({ kind }: Stage, { isSessionPresent }: TestClient): void {
  if (kind.version > 3) assert.equal(isSessionPresent, true);
}

export const scenarios: Scenarios = {
  'QoS 0, 1 and 2: a message comes with the lower one of both sides': async (stage) => {
    const subscriber = await connect(stage, 'sub');
    const publisher = await connect(stage, 'pub');
    const expected: [string, QoS][] = [];
    for (const granted of qualities) {
      assert.equal(await subscriber.subscribe(`${stage.own}/${granted}`, granted), granted);
      for (const qos of qualities) {
        const payload = `${qos} to ${granted}`;
        await publisher.publish(`${stage.own}/${granted}`, payload, { qos });
        expected.push([payload, qos < granted ? qos : granted]);
        await untilReceived(subscriber, expected.length);
      }
    }
    assert.deepEqual(
      subscriber.received.map(({ payload, qos }) => [payload.toString(), qos]),
      expected,
    );
    assert.ok(subscriber.received.every(({ retain }) => !retain));
  },

  wildcards: async (stage) => {
    const { own } = stage;
    const filters = {
      '+/b/c': [`${own}/a/b/c`],
      'a/#': [`${own}/a`, `${own}/a/`, `${own}/a/b`, `${own}/a/b/c`],
      'a/+': [`${own}/a/`, `${own}/a/b`],
      '#': [own, `${own}/a`, `${own}/a/`, `${own}/a/b`, `${own}/a/b/c`, `${own}/d/b`],
    };
    const topics = filters['#'];
    const publisher = await connect(stage, 'pub');
    for (const [filter, expected] of Object.entries(filters)) {
      const subscriber = await connect(stage, `sub${filter.length}${filter.charCodeAt(0)}`);
      await subscriber.subscribe(`${own}/${filter}`, 1);
      await subscriber.subscribe(`${own}/last/of/all/levels`, 1);
      for (const topic of topics) await publisher.publish(topic, 'm', { qos: 1 });
      await untilReceived(subscriber, expected.length);
      await publisher.publish(`${own}/last/of/all/levels`, 'last', { qos: 1 });
      await untilReceived(subscriber, expected.length + 1);
      const received = subscriber.received.filter(({ payload }) => payload.toString() === 'm');
      assert.deepEqual(received.map(({ topic }) => topic).sort(), [...expected].sort(), filter);
    }
  },

  'after UNSUBSCRIBE nothing more comes': async (stage) => {
    const { own } = stage;
    const subscriber = await connect(stage, 'sub');
    const publisher = await connect(stage, 'pub');
    await subscriber.subscribe(`${own}/a`, 1);
    await subscriber.subscribe(`${own}/b`, 1);
    await publisher.publish(`${own}/a`, 'before', { qos: 1 });
    await untilReceived(subscriber, 1);
    await subscriber.unsubscribe(`${own}/a`);
    await publisher.publish(`${own}/a`, 'after', { qos: 1 });
    await publisher.publish(`${own}/b`, 'other', { qos: 1 });
    await untilReceived(subscriber, 2);
    assert.deepEqual(texts(subscriber), ['before', 'other']);
  },

  'retained: set, replaced, cleared': async (stage) => {
    const topic = `${stage.own}/score`;
    const publisher = await connect(stage, 'pub');
    const live = await connect(stage, 'live');
    await live.subscribe(topic, 1);
    const retainedFor = async (name: string): Promise<string[]> => {
      const late = await connect(stage, name);
      await late.subscribe(topic, 1);
      await publisher.publish(topic, `live to ${name}`, { qos: 1 });
      await until('the live message', () => texts(late).includes(`live to ${name}`));
      return late.received.map(({ payload, retain }) => `${payload}${retain ? ', retained' : ''}`);
    };
    await publisher.publish(topic, '15-0', { qos: 1, retain: true });
    assert.deepEqual(await retainedFor('s1'), ['15-0, retained', 'live to s1']);
    await publisher.publish(topic, '30-0', { qos: 2, retain: true });
    assert.deepEqual(await retainedFor('s2'), ['30-0, retained', 'live to s2']);
    await publisher.publish(topic, '', { qos: 0, retain: true });
    await untilReceived(live, 5);
    assert.deepEqual(await retainedFor('s3'), ['live to s3']);
    await untilReceived(live, 6);
    assert.deepEqual(texts(live), ['15-0', 'live to s1', '30-0', 'live to s2', '', 'live to s3']);
    assert.ok(live.received.every(({ retain }) => !retain));
  },

  'retained messages come for a wildcard, each once': async (stage) => {
    const publisher = await connect(stage, 'pub');
    const topics = Array.from({ length: 20 }, (_, index) => `${stage.own}/court/${index}`);
    for (const topic of topics) await publisher.publish(topic, topic, { qos: 1, retain: true });
    const late = await connect(stage, 'late');
    await late.subscribe(`${stage.own}/court/+`, 1);
    await untilReceived(late, topics.length);
    await publisher.publish(topics[0] ?? '', 'live', { qos: 1 });
    await untilReceived(late, topics.length + 1);
    assert.deepEqual(texts(late).sort(), [...topics, 'live'].sort());
    for (const topic of topics) await publisher.publish(topic, '', { qos: 1, retain: true });
  },

  'will: sent when the connection breaks': async (stage) => {
    const topic = `${stage.own}/gone`;
    const watcher = await connect(stage, 'watch');
    await watcher.subscribe(topic, 2);
    for (const [index, qos] of qualities.entries()) {
      const client = await connect(stage, `will${qos}`, { will: { topic, payload: `will ${qos}`, qos } });
      await client.drop();
      await untilReceived(watcher, index + 1);
    }
    assert.deepEqual(
      watcher.received.map(({ payload, qos, retain }) => [payload.toString(), qos, retain]),
      qualities.map((qos) => [`will ${qos}`, qos, false]),
    );
  },

  'will: not sent after a DISCONNECT': async (stage) => {
    const topic = `${stage.own}/gone`;
    const watcher = await connect(stage, 'watch');
    await watcher.subscribe(topic, 1);
    const client = await connect(stage, 'will', { will: { topic, payload: 'will' } });
    await leave(stage, client, 'will', 'disconnect');
    // A will would be published the same way, and earlier.
    await stage.broker.broker.publish(topic, 'last');
    await untilReceived(watcher, 1);
    assert.deepEqual(texts(watcher), ['last']);
  },

  'will: retained': async (stage) => {
    const topic = `${stage.own}/status`;
    const watcher = await connect(stage, 'watch');
    await watcher.subscribe(topic, 1);
    const will = { topic, payload: 'offline', qos: 1, retain: true } as const;
    const client = await connect(stage, 'will', { will });
    await client.drop();
    await untilReceived(watcher, 1);
    const late = await connect(stage, 'late');
    await late.subscribe(topic, 1);
    await untilReceived(late, 1);
    assert.deepEqual(
      late.received.map(({ payload, retain }) => [payload.toString(), retain]),
      [['offline', true]],
    );
    await late.publish(topic, '', { qos: 1, retain: true });
  },

  '256 KiB there and back': async (stage) => {
    const client = await connect(stage, 'big');
    const payload = randomBytes(256 * 1_024);
    await client.subscribe(`${stage.own}/big`, 2);
    for (const qos of qualities) await client.publish(`${stage.own}/big`, payload, { qos });
    await untilReceived(client, 3);
    assert.deepEqual(
      client.received.map((message) => [message.qos, message.payload.equals(payload)]),
      [
        [0, true],
        [1, true],
        [2, true],
      ],
    );
  },
};

export const sessionScenarios: Scenarios = {
  'a retained message comes before what was published on its topic after it': async (stage) => {
    const publisher = await connect(stage, 'pub');
    for (let round = 0; round < 10; round++) {
      const topic = `${stage.own}/score/${round}`;
      await publisher.publish(topic, 'first', { qos: 1, retain: true });
      const late = await connect(stage, `late${round}`);
      await late.subscribe(topic, 1);
      await publisher.publish(topic, 'second', { qos: 1 });
      await untilReceived(late, 2);
      assert.deepEqual(texts(late), ['first', 'second']);
      await publisher.publish(topic, '', { qos: 1, retain: true });
    }
  },

  'persistent session: what was published meanwhile comes in order, once': async (stage) => {
    const topic = `${stage.own}/news`;
    const publisher = await connect(stage, 'pub');
    const before = await connectPersistent(stage, 'sub');
    assert.equal(before.isSessionPresent, false);
    await before.subscribe(topic, 2);
    await publisher.publish(topic, 'live', { qos: 1 });
    await untilReceived(before, 1);
    await leave(stage, before, 'sub', 'disconnect');
    const away = Array.from({ length: 60 }, (_, index) => `${index}`);
    for (const [index, payload] of away.entries()) {
      await publisher.publish(topic, payload, { qos: index % 2 === 0 ? 1 : 2 });
    }
    const after = await connectPersistent(stage, 'sub');
    assertSessionPresent(stage, after);
    await untilReceived(after, away.length);
    await publisher.publish(topic, 'live again', { qos: 1 });
    await untilReceived(after, away.length + 1);
    assert.equal(after.received.length, away.length + 1);
    // Between the two the client may choose: a program may get a QoS 2 message only after the PUBREL.
    for (const qos of [1, 2]) {
      const expected = away.filter((_, index) => (index % 2 === 0 ? 1 : 2) === qos);
      const ofQos = after.received.filter((message) => message.qos === qos);
      assert.deepEqual(
        ofQos.map(({ payload }) => payload.toString()),
        qos === 1 ? [...expected, 'live again'] : expected,
      );
    }
  },

  'persistent session: survives a broken connection': async (stage) => {
    const topic = `${stage.own}/news`;
    const publisher = await connect(stage, 'pub');
    const before = await connectPersistent(stage, 'sub');
    await before.subscribe(topic, 1);
    await leave(stage, before, 'sub', 'drop');
    await publisher.publish(topic, 'meanwhile', { qos: 1 });
    const after = await connectPersistent(stage, 'sub');
    assertSessionPresent(stage, after);
    await publisher.publish(topic, 'again', { qos: 1 });
    await untilReceived(after, 2);
    assert.deepEqual(texts(after), ['meanwhile', 'again']);
  },

  'a clean start drops the session': async (stage) => {
    const topic = `${stage.own}/news`;
    const publisher = await connect(stage, 'pub');
    const before = await connectPersistent(stage, 'sub');
    await before.subscribe(topic, 1);
    await leave(stage, before, 'sub', 'disconnect');
    await publisher.publish(topic, 'lost', { qos: 1 });
    const clean = await connectPersistent(stage, 'sub', { cleanStart: true });
    assert.equal(clean.isSessionPresent, false);
    await publisher.publish(topic, 'not subscribed', { qos: 1 });
    await clean.subscribe(topic, 1);
    await publisher.publish(topic, 'subscribed', { qos: 1 });
    await untilReceived(clean, 1);
    assert.deepEqual(texts(clean), ['subscribed']);
  },

  'takeover: a second connection with the same client identifier ends the first': async (stage) => {
    const topic = `${stage.own}/news`;
    const publisher = await connect(stage, 'pub');
    const first = await connectPersistent(stage, 'same');
    await first.subscribe(topic, 1);
    const second = await connectPersistent(stage, 'same');
    const reasonCode = await within('the end of the first connection', first.closed);
    if (stage.kind.tellsDisconnectReason) assert.equal(reasonCode, 0x8e);
    assertSessionPresent(stage, second);
    await publisher.publish(topic, 'to the second', { qos: 1 });
    await untilReceived(second, 1);
    assert.deepEqual([texts(first), texts(second)], [[], ['to the second']]);
  },

  'takeover: while messages flow, each comes once and in order': async (stage) => {
    const topic = `${stage.own}/news`;
    const publisher = await connect(stage, 'pub');
    const countMin = 60;
    let count = 0;
    let isTakenOver = false;
    const connections = [await connectPersistent(stage, 'same')];
    await connections[0]?.subscribe(topic, 2);
    const flow = (async () => {
      while (count < countMin || !isTakenOver) await publisher.publish(topic, `${count++}`, { qos: 2 });
    })();
    for (let round = 1; round <= 2; round++) {
      const before = connections.at(-1);
      await until('a message', () => (before?.received.length ?? 0) > 0);
      connections.push(await connectPersistent(stage, 'same'));
      await before?.closed;
    }
    isTakenOver = true;
    await flow;
    const all = (): number[] => connections.flatMap(texts).map(Number);
    await until('the last message', () => all().includes(count - 1));
    // A message whose PUBREC was lost with the connection arrives twice: the library forgets its state, as a new object
    // that knows nothing of the first. No message is missing or overtaken.
    const distinct = [...new Set(all())];
    assert.deepEqual(
      distinct,
      Array.from({ length: count }, (_, index) => index),
    );
    for (const connection of connections) {
      const own = texts(connection).map(Number);
      assert.deepEqual(
        own,
        [...new Set(own)].sort((a, b) => a - b),
      );
    }
  },
};
