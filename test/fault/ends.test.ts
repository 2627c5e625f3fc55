/**
 * How connections end, over real sockets: everything sent before counts, the will comes after it and before anything
 * the next connection sends, and an ended worker locks no client out.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReasonCode } from '../../core/wire/reason-code.ts';
import { type RunningBroker, startBroker } from '../support/broker.ts';
import {
  bytesOf,
  connectFrame,
  disconnectFrame,
  frame,
  publishFrame,
  publishOf,
  subscribeFrame,
  subscription,
  textOf,
} from '../support/frames.ts';
import { openClient, openConnected, RawClient, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { watchWorkers } from '../support/workers.ts';

const malformed = bytesOf('0f 00');

const willOn = (topic: string, payload: string, retain = false) =>
  ({ topic, payload: Buffer.from(payload), qos: 1, retain, properties: {} }) as const;

/** What the host program sees from now on, as "topic payload". */
async function watch({ broker }: RunningBroker, filter: string): Promise<string[]> {
  const seen: string[] = [];
  await broker.subscribe(filter, (message) => void seen.push(`${message.topic} ${textOf(message)}`));
  return seen;
}

for (const workers of [1, 4]) {
  for (const transport of transports) {
    test(`${workers} workers, ${transport}: CONNECT, PUBLISH, DISCONNECT and the end in one go`, async (t) => {
      const running = await startBroker(t, { workers });
      const seen = await watch(running, '#');
      const rounds = 60;
      for (let round = 0; round < rounds; round++) {
        const sensor = await RawClient.open(transport, running);
        t.after(() => sensor.destroy());
        sensor.send(
          connectFrame({ clientId: `sensor-${round}`, will: willOn('will', 'lost') }),
          publishFrame('data', `${round}`),
          disconnectFrame,
        );
        sensor.end();
        await sensor.closed();
      }
      await until('all messages', () => seen.length >= rounds);
      await until('no session', () => running.broker.statistics().sessions === 0);
      assert.deepEqual(
        seen.toSorted(),
        Array.from({ length: rounds }, (_, round) => `data ${round}`).toSorted(),
      );
    });
  }

  test(`${workers} workers: a DISCONNECT that was sent before the takeover is heard`, async (t) => {
    const running = await startBroker(t, { workers });
    const seen = await watch(running, 'will');
    for (let round = 0; round < 100; round++) {
      const packet = {
        clientId: `page-${round}`,
        cleanStart: false,
        properties: { sessionExpiryInterval: 60 },
      };
      const first = await openClient(t, 'tcp', running, { ...packet, will: willOn('will', 'gone') });
      const second = await RawClient.open('tcp', running);
      first.send(frame(0xe0, bytesOf('00 05 11 00000000'))); // Session Expiry Interval 0
      second.send(connectFrame({ ...packet, properties: {} }));
      const { body } = await second.nextPacket();
      assert.deepEqual([...body.subarray(0, 2)], [0, 0], 'a new session');
      first.destroy();
      second.destroy();
    }
    assert.deepEqual(seen, []);
  });

  test(`${workers} workers: the will of a connection that is taken over comes before the next one's messages`, async (t) => {
    const running = await startBroker(t, { workers });
    const seen = await watch(running, 'available');
    const rounds = 100;
    for (let round = 0; round < rounds; round++) {
      const device = await RawClient.open(transports[round % 2] ?? 'tcp', running);
      t.after(() => device.destroy());
      const will = willOn('available', `offline ${round}`, true);
      device.send(
        connectFrame({ clientId: 'device', will }),
        publishFrame('available', `online ${round}`, { qos: 1, packetId: 1 }),
      );
      await device.nextPacket();
      await device.nextPacket();
    }
    await until('the last one', () => seen.at(-1) === `available online ${rounds - 1}`);
    const expected = Array.from({ length: rounds }, (_, round) => [
      `available online ${round}`,
      `available offline ${round}`,
    ]).flat();
    assert.deepEqual(seen, expected.slice(0, -1));
  });

  test(`${workers} workers: a will does not overtake what its client has published`, async (t) => {
    const running = await startBroker(t, { workers });
    const seen = await watch(running, 'last/#');
    const rounds = 100;
    for (let round = 0; round < rounds; round++) {
      const device = await openClient(t, 'tcp', running, { will: willOn(`last/${round}`, 'offline') });
      device.send(publishFrame(`last/${round}`, 'online'), malformed);
      await device.closed();
    }
    await until('all wills', () => seen.length === 2 * rounds);
    for (let round = 0; round < rounds; round++) {
      const own = seen.filter((line) => line.startsWith(`last/${round} `));
      assert.deepEqual(own, [`last/${round} online`, `last/${round} offline`]);
    }
  });

  test(`${workers} workers: a client's own will is held back by No Local`, async (t) => {
    const running = await startBroker(t, { workers });
    const packet = { clientId: 'bridge', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const first = await openClient(t, 'tcp', running, { ...packet, will: willOn('state', 'offline') });
    first.send(
      subscribeFrame('', 1, { subscriptions: [{ ...subscription('state', 1), noLocal: true }] }),
      subscribeFrame('other', 1),
    );
    await first.nextPacket();
    await first.nextPacket();
    first.destroy();
    await until('it is away', () => running.broker.statistics().connections === 0);
    await running.broker.publish('other', 'the next');
    const second = await openClient(t, 'ws', running, packet);
    assert.equal(textOf(publishOf(await second.nextPacket())), 'the next');
  });

  test(`${workers} workers: many that are taken over at once all stay "online"`, async (t) => {
    const running = await startBroker(t, { workers });
    const devices = 400;
    const open = async (isFirst: boolean): Promise<void> => {
      const clients = await Promise.all(
        Array.from({ length: devices }, () => RawClient.open('tcp', running)),
      );
      for (const [index, client] of clients.entries()) {
        t.after(() => client.destroy());
        const will = { ...willOn(`mass/${index}`, 'offline', true), qos: 2 } as const;
        const online = publishFrame(`mass/${index}`, 'online', { qos: 1, packetId: 1, retain: true });
        client.send(connectFrame({ clientId: `device-${index}`, will }), ...(isFirst ? [] : [online]));
      }
      for (const client of clients) await client.nextPacket();
      if (!isFirst) for (const client of clients) await client.nextPacket();
    };
    await open(true);
    await open(false);
    const kept = await watch(running, 'mass/+');
    await until('all retained messages', () => kept.length === devices);
    assert.equal(kept.filter((line) => line.endsWith('online')).length, devices);
  });

  test(`${workers} workers: no client identifier is locked out by workers that end in a storm`, async (t) => {
    const threads = watchWorkers(t);
    const running = await startBroker(t, { workers });
    const packet = (clientId: string) => ({
      clientId,
      cleanStart: false,
      properties: { sessionExpiryInterval: 600 },
    });
    for (let crashed = 0; crashed < 3; crashed++) {
      const storm = await Promise.all(Array.from({ length: 150 }, () => RawClient.open('tcp', running)));
      for (const [index, client] of storm.entries()) client.send(connectFrame(packet(`roam-${index}`)));
      await threads.crash(0);
      for (const client of storm) client.destroy();
    }
    for (let index = 0; index < 150; index++) {
      const { client, connack } = await openConnected(t, 'tcp', running, packet(`roam-${index}`));
      assert.equal(connack.reasonCode, ReasonCode.success);
      client.send(disconnectFrame);
      await client.closed();
    }
  });

  test(`${workers} workers: the wills of clients that are lost with their worker go out, each once`, async (t) => {
    const threads = watchWorkers(t);
    const running = await startBroker(t, { workers });
    const seen = await watch(running, 'wills/#');
    const clients = 100;
    for (let index = 0; index < clients; index++) {
      const delayed = { ...willOn(`wills/${index}`, 'lost'), properties: { willDelayInterval: 1 } };
      await openClient(t, 'tcp', running, {
        clientId: `client-${index}`,
        will: index % 2 === 0 ? willOn(`wills/${index}`, 'lost') : delayed,
        properties: { sessionExpiryInterval: index % 3 },
      });
    }
    for (let crashed = 0; crashed < workers; crashed++) await threads.crash(crashed);
    await until('all wills', () => seen.length >= clients);
    await until('no session', () => running.broker.statistics().sessions === 0);
    assert.equal(new Set(seen).size, clients);
    assert.equal(seen.length, clients);
  });
}
