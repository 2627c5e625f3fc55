/**
 * Persistent sessions whose clients reconnect to any worker, again and again, while messages are published: nothing is
 * lost, nothing is out of order, and with QoS 2 nothing arrives twice, in both directions. `RALLYMQ_TEST_SEED` replays
 * one seed.
 */
import { test } from 'node:test';
import { startBroker } from '../support/broker.ts';
import { assertAllInOrder, MqttSession } from '../support/mqtt-session.ts';
import { Random, replayOf, seeds } from '../support/random.ts';
import { transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const [seed = 0] = seeds(1);

const messages = 3_000;

for (const qos of [1, 2] as const) {
  for (const workers of [1, 4]) {
    test(`${workers} workers, QoS ${qos}: subscribers that roam`, async (t) => {
      const running = await startBroker(t, { workers });
      const random = new Random(seed + qos);
      const sessions = Array.from(
        { length: 3 },
        (_, index) => new MqttSession(t, running, `roamer-${index}`),
      );
      for (const session of sessions) {
        await session.connect(random.pick(transports));
        await session.subscribe('news/+', qos);
      }
      const publisher = new MqttSession(t, running, 'publisher');
      await publisher.connect('tcp');
      let published = 0;
      const publishSome = (count: number): void => {
        for (; count > 0 && published < messages; count--)
          publisher.publish('news/one', `${published++}`, qos);
      };
      while (published < messages) {
        publishSome(1 + random.below(60));
        const session = random.pick(sessions);
        // Gone without a word, with one, or not at all: the next connection takes over.
        const farewell = random.below(3);
        if (farewell === 0) session.client?.destroy();
        if (farewell === 1) session.disconnect();
        publishSome(random.below(30));
        await session.connect(random.pick(transports));
        publishSome(random.below(30));
        if (random.below(2) === 0) await until('the PUBACKs', () => publisher.unanswered.size < 500);
      }
      const replay = replayOf(seed);
      for (const session of sessions) {
        const hasLast = () => session.handed.some(({ text }) => text === `${messages - 1}`);
        await until(`the last message at ${session.clientId}; ${replay}`, hasLast).catch(() => {});
        assertAllInOrder(session.handed, messages, `${session.clientId}; ${replay}`);
      }
      await until('empty queues', () => running.broker.statistics().queued === 0);
    });

    test(`${workers} workers, QoS ${qos}: publishers that roam`, async (t) => {
      const running = await startBroker(t, { workers });
      const random = new Random(seed + 100 + qos);
      const subscriber = new MqttSession(t, running, 'subscriber');
      await subscriber.connect('tcp');
      await subscriber.subscribe('news/#', qos);
      const publisher = new MqttSession(t, running, 'roamer');
      await publisher.connect('ws');
      for (let published = 0; published < messages; ) {
        for (let count = random.below(40); count > 0 && published < messages; count--) {
          publisher.publish(`news/${published % 7}`, `${published++}`, qos);
        }
        if (random.below(3) === 0) await until('some answers', () => publisher.unanswered.size < 20);
        else await publisher.client?.flushed();
        if (random.below(2) === 0) publisher.client?.destroy();
        await publisher.connect(random.pick(transports));
        await until('answers', () => publisher.unanswered.size < 500);
      }
      await until('all answers', () => publisher.unanswered.size === 0);
      const replay = replayOf(seed);
      const count = () => new Set(subscriber.handed.map(({ text }) => text)).size;
      await until(`all messages; ${replay}`, () => count() === messages);
      if (qos === 2) await until('each once', () => subscriber.handed.length === messages);
    });
  }
}
