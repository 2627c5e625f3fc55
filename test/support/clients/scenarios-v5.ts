/** Requirements for every client that supports MQTT 5. */
import assert from 'node:assert/strict';
import { until } from '../wait.ts';
import {
  connect,
  connectPersistent,
  leave,
  type Scenarios,
  type Stage,
  texts,
  untilReceived,
} from './scenarios.ts';
import type { TestClient } from './test-client.ts';

const properties = {
  payloadFormatIndicator: true,
  contentType: 'application/json',
  responseTopic: 'answers/here',
  correlationData: Buffer.from([0, 1, 2, 0xff]),
  userProperties: [
    ['z', '1'],
    ['z', '2'],
    ['a', 'ä€😀'],
    ['', ''],
  ],
} as const;

export const scenariosV5: Scenarios = {
  'properties arrive as they were sent, user properties in order': async (stage) => {
    const topic = `${stage.own}/p`;
    const subscriber = await connect(stage, 'sub');
    await subscriber.subscribe(topic, 2);
    const publisher = await connect(stage, 'pub');
    await publisher.publish(topic, 'live', { qos: 1, properties });
    await publisher.publish(topic, 'retained', { qos: 2, retain: true, properties });
    await untilReceived(subscriber, 2);
    const late = await connect(stage, 'late');
    await late.subscribe(topic, 2);
    await untilReceived(late, 1);
    for (const message of [...subscriber.received, ...late.received]) {
      assert.deepEqual(message.properties, properties);
    }
    await publisher.publish(topic, '', { qos: 1, retain: true });
  },

  'subscription identifiers tell which subscriptions matched': async (stage) => {
    const topic = `${stage.own}/a/b`;
    const client = await connect(stage, 'sub');
    await client.subscribe(`${stage.own}/a/+`, 1, { subscriptionIdentifier: 1 });
    await client.subscribe(`${stage.own}/#`, 0, { subscriptionIdentifier: 268_435_455 });
    await client.subscribe(`${stage.own}/+/b`, 0);
    await client.publish(topic, 'm', { qos: 1 });
    await untilReceived(client, 1);
    await client.subscribe(`${stage.own}/a/+`, 1, { subscriptionIdentifier: 77 });
    await client.publish(topic, 'last', { qos: 1 });
    await until('the last message', () => texts(client).includes('last'));
    const identifiersOf = (text: string): number[] =>
      client.received
        .filter(({ payload }) => payload.toString() === text)
        .flatMap((message) => message.properties.subscriptionIdentifiers ?? [])
        .sort((a, b) => a - b);
    assert.deepEqual(identifiersOf('m'), [1, 268_435_455]);
    assert.deepEqual(identifiersOf('last'), [77, 268_435_455]);
  },

  'no local: the own messages do not come': async (stage) => {
    const topic = `${stage.own}/n`;
    const client = await connect(stage, 'sub');
    const other = await connect(stage, 'other');
    await client.subscribe(topic, 1, { noLocal: true });
    await client.publish(topic, 'own', { qos: 1 });
    await other.publish(topic, 'other', { qos: 1 });
    await untilReceived(client, 1);
    assert.deepEqual(texts(client), ['other']);
  },

  'retain as published, and retain handling': async (stage) => {
    const topic = `${stage.own}/r`;
    const client = await connect(stage, 'sub');
    await client.publish(topic, 'kept', { qos: 1, retain: true });
    await client.subscribe(topic, 1, { retainAsPublished: true, retainHandling: 1 });
    await untilReceived(client, 1);
    await client.subscribe(topic, 1, { retainAsPublished: true, retainHandling: 1 });
    await client.subscribe(topic, 1, { retainAsPublished: true, retainHandling: 2 });
    await client.publish(topic, 'flagged', { qos: 1, retain: true });
    await client.publish(topic, 'plain', { qos: 1 });
    await untilReceived(client, 3);
    assert.deepEqual(
      client.received.map(({ payload, retain }) => [payload.toString(), retain]),
      [
        ['kept', true],
        ['flagged', true],
        ['plain', false],
      ],
    );
    await client.publish(topic, '', { qos: 1, retain: true });
  },
};

/** These wait for a second or more; they run concurrently. */
export const timedScenariosV5: Scenarios = {
  'message expiry is counted down, and what has expired does not come': async (stage) => {
    const topic = `${stage.own}/e`;
    const publisher = await connect(stage, 'pub');
    const before = await connectPersistent(stage, 'sub');
    await before.subscribe(topic, 1);
    await before.subscribe(`${stage.own}/last`, 1);
    await leave(stage, before, 'sub', 'disconnect');
    const earliestMs = performance.now();
    await publisher.publish(topic, 'long', { qos: 1, properties: { messageExpirySeconds: 100 } });
    await publisher.publish(topic, 'short', { qos: 1, properties: { messageExpirySeconds: 1 } });
    await publisher.publish(topic, 'for ever', { qos: 1 });
    const latestMs = performance.now();
    await until('a second and more', () => performance.now() - latestMs > 1_100);
    const after = await connectPersistent(stage, 'sub');
    await untilReceived(after, 2);
    assert.deepEqual(texts(after), ['long', 'for ever']);
    const [long, forEver] = after.received;
    const left = long?.properties.messageExpirySeconds ?? 0;
    const elapsedMaxSeconds = Math.ceil((performance.now() - earliestMs) / 1_000);
    assert.ok(left <= 99 && left >= 100 - elapsedMaxSeconds, `${left} s are left`);
    assert.equal(forEver?.properties.messageExpirySeconds, undefined);
  },

  'a retained message that has expired does not come': async (stage) => {
    const publisher = await connect(stage, 'pub');
    const publish = (name: string, messageExpirySeconds: number): Promise<void> =>
      publisher.publish(`${stage.own}/${name}`, name, {
        qos: 1,
        retain: true,
        properties: { messageExpirySeconds },
      });
    await publish('short', 1);
    await publish('long', 100);
    const publishedMs = performance.now();
    await until('a second and more', () => performance.now() - publishedMs > 1_100);
    const late = await connect(stage, 'late');
    await late.subscribe(`${stage.own}/+`, 1);
    await untilReceived(late, 1);
    await publish('live', 100);
    await untilReceived(late, 2);
    assert.deepEqual(texts(late), ['long', 'live']);
    assert.ok((late.received[0]?.properties.messageExpirySeconds ?? 100) <= 99);
  },

  'a session ends when its expiry interval is over': async (stage) => {
    const connectBriefly = (sessionExpirySeconds: number): Promise<TestClient> =>
      connect(stage, 'brief', { cleanStart: false, sessionExpirySeconds });
    await leave(stage, await connectBriefly(1), 'brief', 'drop');
    const leftMs = performance.now();
    await until('the session is over', () => performance.now() - leftMs > 1_100);
    const second = await connectBriefly(100);
    assert.equal(second.isSessionPresent, false);
    await leave(stage, second, 'brief', 'drop');
    const third = await connectBriefly(0);
    assert.equal(third.isSessionPresent, true);
    await leave(stage, third, 'brief', 'drop');
    const fourth = await connectBriefly(0);
    assert.equal(fourth.isSessionPresent, false);
  },

  'a will waits for its delay': async (stage) => {
    const { topic, watcher } = await watchWill(stage);
    const will = { topic, payload: 'delayed', qos: 1, delaySeconds: 1 } as const;
    const client = await connect(stage, 'will', { will, sessionExpirySeconds: 100 });
    const droppedMs = performance.now();
    await leave(stage, client, 'will', 'drop');
    await untilReceived(watcher, 1);
    assert.ok(performance.now() - droppedMs >= 990, 'it did not wait');
    assert.deepEqual(texts(watcher), ['delayed']);
  },

  'a will is not sent when the client comes back within the delay': async (stage) => {
    const { topic, watcher } = await watchWill(stage);
    const will = { topic, payload: 'delayed', qos: 1, delaySeconds: 1 } as const;
    const client = await connect(stage, 'will', { will, sessionExpirySeconds: 100 });
    await leave(stage, client, 'will', 'drop');
    const droppedMs = performance.now();
    await connect(stage, 'will', { cleanStart: false, sessionExpirySeconds: 100 });
    await until('the delay is over', () => performance.now() - droppedMs > 1_200);
    await stage.broker.broker.publish(topic, 'last');
    await untilReceived(watcher, 1);
    assert.deepEqual(texts(watcher), ['last']);
  },
};

async function watchWill(stage: Stage): Promise<{ topic: string; watcher: TestClient }> {
  const topic = `${stage.own}/gone`;
  const watcher = await connect(stage, 'watch');
  await watcher.subscribe(topic, 1);
  return { topic, watcher };
}
