/**
 * Messages published and received by a host program of any speed: no worker ends, memory is bounded, everything
 * arrives in order.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Broker, HostMessage, QoS } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { bytesOf, publishFrame, publishOf, subscribeFrame, textOf } from '../../support/frames.ts';
import { openClient } from '../../support/raw-client.ts';
import { withTimeEnough } from '../../support/time-enough.ts';
import { until, within } from '../../support/wait.ts';
import { watchWorkers } from '../../support/workers.ts';

const MB = 1_000_000;

/** The most memory of the process while something goes on, beyond what it had before, in bytes. */
async function memoryPeak(work: Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  await work;
  clearInterval(timer);
  return most - before;
}

function numbered(number: number, size: number): Buffer {
  const payload = Buffer.alloc(size);
  payload.writeUInt32BE(number);
  return payload;
}

const numberOf = ({ payload }: Pick<HostMessage, 'payload'>): number => Buffer.from(payload).readUInt32BE();

/** 0, 1, 2 ... */
const upTo = (count: number): number[] => [...Array(count).keys()];

test('four messages of 500 kB in one turn, five times, to its own listener: no worker ends', async (t) => {
  const threads = watchWorkers(t);
  const { broker } = await startBroker(t);
  const seen: number[] = [];
  await broker.subscribe('a/b', (message) => void seen.push(numberOf(message)));
  for (let round = 0; round < 5; round++) {
    const published = [0, 1, 2, 3].map((index) =>
      broker.publish('a/b', numbered(round * 4 + index, 500_000)),
    );
    await within('the four', Promise.all(published));
  }
  await until('all', () => seen.length === 20);
  assert.deepEqual(seen, upTo(20));
  assert.equal(threads.all.length, 1);
});

for (const workers of [1, 4]) {
  test(`${workers} workers: 1 GB published in one turn takes no more memory than its payload`, async (t) => {
    const threads = watchWorkers(t);
    const running = await startBroker(t, { workers });
    const { broker } = running;
    const count = 1_000;
    const payload = new Uint8Array(MB).fill(7);
    await broker.publish('warm', payload);
    const publishAll = (): Promise<unknown> => {
      const published = upTo(count).map((index) => {
        const qos = (index % 3) as QoS;
        return broker.publish(`big/${index % 7}`, payload, { qos, properties: { contentType: `${index}` } });
      });
      return within('all', Promise.all(published), 60_000);
    };
    const peak = await memoryPeak(publishAll());
    t.diagnostic(`1 GB: ${Math.round(peak / MB)} MB more`);
    // Lanes have a bound of messages, not of bytes: a worker that does not get its turn lets some of it pile up.
    const part = workers === 1 ? 0.25 : 0.75;
    assert.ok(peak < part * count * MB, `${Math.round(peak / MB)} MB more`);

    // Once more with a listener, whose payloads are garbage of JavaScript: it lets some pile up.
    const lastOf = new Map<string, number>();
    let heard = 0;
    const listener = ({ topic, payload: { length }, properties }: HostMessage): void => {
      heard++;
      const number = Number(properties.contentType);
      assert.equal(length, MB);
      const last = lastOf.get(topic) ?? -1;
      assert.ok(number > last && number % 7 === Number(topic.slice(4)), `${topic}: ${number} behind ${last}`);
      lastOf.set(topic, number);
    };
    await broker.subscribe('big/+', listener, 2);
    const dropped = (): number => broker.statistics().droppedQos0 + broker.statistics().droppedQueueFull;
    const heardPeak = await memoryPeak(
      publishAll().then(() => until('the listener', () => heard + dropped() >= count)),
    );
    t.diagnostic(`heard: ${Math.round(heardPeak / MB)} MB more, ${JSON.stringify(counted(broker))}`);
    assert.ok(heardPeak < (part + 0.2) * count * MB, `${Math.round(heardPeak / MB)} MB more`);
    assert.ok(heard + dropped() === count && heard > 500, `${heard} heard, ${dropped()} dropped`);
    assert.equal(threads.all.length, workers);
  });
}

function counted(broker: Broker): object {
  const { droppedQos0, droppedQueueFull, publishReceived, publishSent } = broker.statistics();
  return { droppedQos0, droppedQueueFull, publishReceived, publishSent };
}

test('a client gets what is published in one turn, in order', async (t) => {
  const running = await startBroker(t, { workers: 2 });
  const client = await openClient(t, 'tcp', running);
  client.send(subscribeFrame('n/+', 0));
  await client.nextPacket();
  const published = upTo(20_000).map((index) =>
    running.broker.publish('n/1', `${index}`, { qos: (index % 3) as QoS }),
  );
  const numbers: number[] = [];
  while (numbers.length < published.length)
    numbers.push(Number(textOf(publishOf(await client.nextPacket()))));
  assert.deepEqual(numbers, upTo(published.length));
  await Promise.all(published);
});

test('a slow asynchronous listener: QoS 0 beyond its bound is dropped and counted, order is kept', async (t) => {
  const running = await startBroker(t);
  const { broker } = running;
  const seen: number[] = [];
  let atOnce = 0;
  let atOnceMax = 0;
  await broker.subscribe(
    'slow',
    async (message) => {
      seen.push(numberOf(message));
      atOnceMax = Math.max(atOnceMax, ++atOnce);
      await delay(20);
      atOnce--;
    },
    0,
  );
  const count = 100_000;
  const client = await openClient(t, 'tcp', running);
  const peak = await memoryPeak(
    (async () => {
      for (let sent = 0; sent < count; sent += 500) {
        client.send(
          ...upTo(500).map((index) => publishFrame('slow', numbered(sent + index, 1_000), { qos: 0 })),
        );
        await client.flushed();
      }
      await until('all', () => broker.statistics().publishReceived >= count);
      await until('the rest', () => seen.length + broker.statistics().droppedQos0 === count && atOnce === 0);
    })(),
  );
  t.diagnostic(`${seen.length} heard, ${atOnceMax} at once, ${Math.round(peak / MB)} MB more`);
  assert.ok(broker.statistics().droppedQos0 > 1_000);
  assert.ok(seen.length > 1_000);
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  assert.ok(atOnceMax <= (1_024 * 1_024) / 1_256 + 1_001, `${atOnceMax} at once`);
  assert.ok(peak < 100 * MB, `${Math.round(peak / MB)} MB more`);
});

for (const qos of [1, 2] as const) {
  test(`QoS ${qos}: a slow listener gets everything in order, and is asked for no more than the window`, async (t) => {
    const running = await startBroker(t, { limits: { inflightMax: 10 } });
    const { broker } = running;
    const seen: number[] = [];
    let atOnce = 0;
    let atOnceMax = 0;
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    await broker.subscribe(
      'slow',
      async (message) => {
        seen.push(numberOf(message));
        atOnceMax = Math.max(atOnceMax, ++atOnce);
        await gate;
        await delay(1 + (seen.length % 3)); // they settle in another order
        atOnce--;
      },
      qos,
    );
    const published = upTo(2_000).map((index) => broker.publish('slow', numbered(index, 1_000), { qos }));
    await within('all', Promise.all(published));
    assert.ok(broker.statistics().queued > 0, 'they wait in the session');
    open();
    await until('the rest', () => seen.length === published.length && atOnce === 0);
    assert.deepEqual(seen, upTo(published.length));
    assert.equal(atOnceMax, 10);
    await until('nothing waits', () => broker.statistics().queued === 0);
  });
}

test('listeners that publish and wait for the answer do not wait for each other', async (t) => {
  const { broker } = await startBroker(t, { limits: { hostWindowBytes: 1_024 } });
  let replies = 0;
  await broker.subscribe('ask', async ({ payload }) => {
    await broker.publish('reply', payload);
    const end = await broker.subscribe('other', () => {});
    await end();
  });
  await broker.subscribe('reply', () => void replies++);
  for (const qos of [0, 1, 2] as const) {
    replies = 0;
    const before = broker.statistics().droppedQos0;
    const published = upTo(300).map((index) => broker.publish('ask', numbered(index, 500), { qos }));
    await within('all', Promise.all(published));
    const unasked = (): number => broker.statistics().droppedQos0 - before;
    await until(`the replies to QoS ${qos}`, () => replies + unasked() >= 300);
  }
});

test('a worker that is started again in the middle: QoS 1 and 2 arrive, and publish() resolves', async (t) => {
  const threads = watchWorkers(t);
  const { broker } = await startBroker(t, { workers: 2 });
  const seen = new Map<number, number>();
  await broker.subscribe(
    'm',
    async (message) => {
      const number = numberOf(message);
      seen.set(number, (seen.get(number) ?? 0) + 1);
      await delay(1);
    },
    2,
  );
  const count = 600;
  const published = upTo(count).map((index) =>
    broker.publish('m', numbered(index, 10_000), { qos: index % 2 ? 1 : 2 }),
  );
  await until('the first', () => seen.size > 0);
  await threads.crash(0);
  await within('all', Promise.all(published));
  await until('all messages', () => seen.size === count);
  assert.deepEqual(
    [...seen].filter(([number, times]) => number % 2 === 0 && times > 1),
    [],
    'QoS 2 twice',
  );
  await broker.publish('m', numbered(count, 4));
  await until('the next', () => seen.has(count));
});

for (const workers of [1, 4]) {
  test(`${workers} workers: many retained messages are looked up at once, also while a worker ends`, async (t) => {
    const threads = watchWorkers(t);
    const { broker, port } = await startBroker(t, { workers });
    const count = 300;
    await Promise.all(
      upTo(count).map((index) => broker.publish(`kept/${index}`, `${index}`, { retain: true })),
    );
    const lookUp = async (topic: string): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/retained/${topic}`);
      return answer.status === 200 ? await answer.text() : `${answer.status}`;
    };
    const all = async (): Promise<void> => {
      const texts = await Promise.all(upTo(count + 1).map((index) => lookUp(`kept/${index}`)));
      assert.deepEqual(texts, [...upTo(count).map(String), '404']);
    };
    await all();
    await withTimeEnough(async (seconds, inTime) => {
      const properties = { messageExpiryInterval: seconds };
      await inTime(1, async () => {
        await broker.publish('kept/short', 'x', { retain: true, properties });
        assert.equal(await lookUp('kept/short'), 'x');
      });
      await delay(seconds * 1_000 + 600);
      assert.equal(await lookUp('kept/short'), '404');
    });
    assert.equal(broker.statistics().subscriptions, 0);
    await threads.crash(0);
    await all();
  });
}

test('whatever the program is refused, its connection stays', async (t) => {
  const threads = watchWorkers(t);
  const running = await startBroker(t, {
    checksPayloadFormat: true,
    wildcardSubscriptionAvailable: false,
    subscriptionIdentifiersAvailable: false,
    retainAvailable: false,
    limits: { maximumQoS: 0 },
  });
  const { broker } = running;
  const seen: string[] = [];
  await broker.subscribe('#', (message) => void seen.push(`${textOf(message)} ${message.qos}`), 2);
  const wrongText = bytesOf('ff');
  const isText = { properties: { payloadFormatIndicator: 1 } };
  await broker.publish('t', wrongText, { qos: 0, ...isText });
  await assert.rejects(broker.publish('t', wrongText, isText), { code: 'HOST_PUBLISH_REFUSED' });
  await assert.rejects(broker.publish('t', 'x', { properties: { responseTopic: '#' } }), {
    code: 'HOST_PUBLISH_INVALID',
  });
  await broker.publish('t', 'good', { qos: 2, retain: true });
  await until('the good one', () => seen.length > 0);
  assert.deepEqual(seen, ['good 2']);
  assert.equal(threads.all.length, 1);
});
