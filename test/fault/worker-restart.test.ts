/**
 * A worker that ends by its own error: the supervisor restarts it, and the sessions, subscriptions and retained
 * messages that it held still exist. Its thread is made to throw by a message that no control plane sends.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { startBroker } from '../support/broker.ts';
import { pingreqFrame, publishFrame, publishOf, subscribeFrame, textOf } from '../support/frames.ts';
import { assertAllInOrder, MqttSession } from '../support/mqtt-session.ts';
import { openClient, openConnected, type RawClient, transports } from '../support/raw-client.ts';
import { until, within } from '../support/wait.ts';
import { watchWorkers } from '../support/workers.ts';

for (const workers of [1, 3]) {
  test(`${workers} workers: connections of that worker end, the others stay, and new ones are taken`, async (t) => {
    const threads = watchWorkers(t);
    const running = await startBroker(t, { workers });
    for (let crashed = 0; crashed < workers; crashed++) {
      const clients: RawClient[] = [];
      for (let index = 0; index < 12; index++) {
        clients.push(await openClient(t, transports[index % 2] ?? 'tcp', running));
      }
      await threads.crash(crashed);
      const alive: RawClient[] = [];
      await until('its connections to end', () => running.broker.statistics().connections <= clients.length);
      for (const client of clients) {
        if (client.isClosed) continue;
        client.send(pingreqFrame);
        const answer = await client.nextHex().catch(() => undefined);
        if (answer === 'd000') alive.push(client);
      }
      if (workers === 1) assert.equal(alive.length, 0);
      for (const transport of transports) (await openClient(t, transport, running)).destroy();
      for (const client of alive) client.destroy();
      await until('no client', () => running.broker.statistics().connections === 0);
      await until('no session', () => running.broker.statistics().sessions === 0);
    }
  });

  test(`${workers} workers: retained messages and subscriptions of the program outlive every worker`, async (t) => {
    const threads = watchWorkers(t);
    const running = await startBroker(t, { workers });
    const { broker } = running;
    const seen: string[] = [];
    await broker.subscribe('live/+', (message) => void seen.push(textOf(message)));
    for (let index = 0; index < 30; index++)
      await broker.publish(`kept/${index}`, `${index}`, { retain: true });
    for (let crashed = 0; crashed < workers; crashed++) {
      await threads.crash(crashed);
      await broker.publish(`live/${crashed}`, `${crashed}`);
      await until('the live one', () => seen.includes(`${crashed}`));
      const client = await openClient(t, 'tcp', running);
      client.send(subscribeFrame('kept/#', 1));
      await client.nextPacket();
      const kept: string[] = [];
      while (kept.length < 30) kept.push(textOf(publishOf(await client.nextPacket())));
      assert.equal(new Set(kept).size, 30);
      client.destroy();
    }
    assert.deepEqual(
      seen.sort(),
      Array.from({ length: workers }, (_, index) => `${index}`),
    );
    await until('no session', () => broker.statistics().sessions === 0);
  });

  test(`${workers} workers: QoS 1 and 2 messages for persistent sessions are not lost`, async (t) => {
    const threads = watchWorkers(t);
    const running = await startBroker(t, { workers });
    const { broker } = running;
    const sessions = ([1, 1, 2, 2] as const).map((qos, index) => {
      return { qos, session: new MqttSession(t, running, `persistent-${index}`) };
    });
    for (const [index, { qos, session }] of sessions.entries()) {
      await session.connect(transports[index % 2] ?? 'tcp');
      await session.subscribe('news', qos);
    }
    let published = 0;
    const publishSome = async (): Promise<void> => {
      for (let count = 0; count < 40; count++) await broker.publish('news', `${published++}`, { qos: 2 });
    };
    for (let crashed = 0; crashed < workers; crashed++) {
      await publishSome();
      const during = publishSome();
      await threads.crash(crashed);
      await within('the publishes of the time between', during);
      await publishSome();
      for (const { session } of sessions) {
        if (session.client?.isClosed !== false) await session.connect('tcp');
        assert.ok(session.isSessionPresent || session.client?.isClosed === false);
      }
    }
    await publishSome();
    for (const { session } of sessions) {
      await until(
        `all at ${session.clientId}`,
        () => session.handed.at(-1)?.text === `${published - 1}`,
      ).catch(() => {});
      assertAllInOrder(session.handed, published, session.clientId);
    }
  });

  test(`${workers} workers: a client takes its session to another worker after the crash`, async (t) => {
    const threads = watchWorkers(t);
    const running = await startBroker(t, { workers });
    const properties = { sessionExpiryInterval: 600 };
    const packet = { clientId: 'wanderer', cleanStart: false, properties };
    const first = await openClient(t, 'tcp', running, packet);
    first.send(subscribeFrame('news', 1));
    await first.nextPacket();
    first.destroy();
    await until('it is away', () => running.broker.statistics().connections === 0);
    for (let crashed = 0; crashed < workers; crashed++) {
      await running.broker.publish('news', `before ${crashed}`);
      await threads.crash(crashed);
      await running.broker.publish('news', `after ${crashed}`);
      const { client, connack } = await openConnected(t, 'ws', running, packet);
      assert.ok(connack.sessionPresent);
      for (const expected of [`before ${crashed}`, `after ${crashed}`]) {
        const publish = publishOf(await client.nextPacket());
        assert.equal(textOf(publish), expected);
        client.send(Uint8Array.of(0x40, 2, (publish.packetId ?? 0) >> 8, (publish.packetId ?? 0) & 0xff));
      }
      client.send(publishFrame('other', '', { qos: 1 }));
      await client.nextPacket(); // so that the acknowledgements have been read
      client.destroy();
      await until('it is away', () => running.broker.statistics().connections === 0);
    }
  });
}

test('a worker that fails again and again ends the broker with an error event', async (t) => {
  const threads = watchWorkers(t);
  const { broker } = await startBroker(t, { workers: 2 });
  const failed = once(broker, 'error');
  for (let count = 0; count < 5; count++) await threads.crash(1);
  threads.all[1]?.postMessage(null);
  const [error] = await within('the error event', failed);
  assert.equal(error.code, 'WORKER_FAILED');
  await assert.rejects(() => broker.publish('t', 'x'), { code: 'NOT_RUNNING' });
});
