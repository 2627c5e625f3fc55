/**
 * A subscriber that stops reading uses up only its own bounded outbox and queue; messages it does not get are counted.
 * A publisher that never reads its acknowledgements fills only its own.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PacketType } from '../../core/wire/packet-type.ts';
import { startBroker } from '../support/broker.ts';
import {
  connectFrame,
  pubackFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../support/frames.ts';
import { openClient, type RawClient, type TransportName, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const payloadBytes = 10_000;
const batch = 20;

/** What the kernel may hold of one connection, on both sides, with what it adds to the bytes. */
const kernelBytes = 2 * (kernelBytesMax('tcp_rmem') + kernelBytesMax('tcp_wmem'));

function kernelBytesMax(name: 'tcp_rmem' | 'tcp_wmem'): number {
  return Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2]);
}

/** A number, filled up to the size of a payload. */
function numbered(number: number): Uint8Array {
  return new TextEncoder().encode(`${number}`.padEnd(payloadBytes));
}

async function openSubscriber(...args: [...Parameters<typeof openClient>, qos: 0 | 1]): Promise<RawClient> {
  const [test, transport, ports, packet, qos] = args;
  const client = await openClient(test, transport, ports, packet);
  client.send(subscribeFrame('news', qos));
  await client.nextPacket();
  return client;
}

/** Notes the numbers that come, acknowledges if told, and calls for nothing else. */
function collect(client: RawClient, acknowledges = false): number[] {
  const numbers: number[] = [];
  client.onPacket((packet) => {
    if (packet.type !== PacketType.publish) return;
    const publish = publishOf(packet);
    numbers.push(Number(textOf(publish)));
    if (acknowledges && publish.qos > 0) client.send(pubackFrame(publish.packetId ?? 0));
  });
  return numbers;
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0));
}

for (const transport of transports) {
  for (const workers of [1, 4]) {
    test(`${transport}, ${workers} workers, QoS 0: who stops reading misses some, the other nothing`, async (t) => {
      const running = await startBroker(t, { workers });
      const frozen = await openSubscriber(t, transport, running, {}, 0);
      const healthy = collect(await openSubscriber(t, transport, running, {}, 0));
      const publisher = await openClient(t, transport, running);
      frozen.pause();
      const dropped = (): number => running.broker.statistics().droppedQos0;
      await publishUntil(running.broker, publisher, healthy, 0, () => dropped() > 500);
      assert.deepEqual(healthy, sequence(healthy.length));
      assert.ok(
        healthy.length * payloadBytes < kernelBytes + (500 + batch) * payloadBytes + 4_000_000,
        'it was held back',
      );
      const numbers = collect(frozen);
      frozen.resume();
      await until('what was held for it', () => numbers.length === healthy.length - dropped());
      assert.ok(isRising(numbers), 'in order');
      assert.deepEqual(numbers.slice(0, 50), sequence(50), 'the oldest were kept');
      // It takes part again.
      publisher.send(publishFrame('news', numbered(healthy.length)));
      await until('the next one', () => numbers.at(-1) === healthy.length - 1 && numbers.length > 50);
      assert.equal(running.broker.statistics().queued, 0);
    });

    test(`${transport}, ${workers} workers, QoS 1: what does not fit into the queue is dropped and counted, the rest comes in order`, async (t) => {
      const sessionQueueMessagesMax = 300;
      const running = await startBroker(t, { workers, limits: { sessionQueueMessagesMax } });
      const properties = { sessionExpiryInterval: 60 };
      const frozen = await openSubscriber(t, transport, running, { clientId: 'frozen', properties }, 1);
      const healthy = collect(await openSubscriber(t, transport, running, {}, 1), true);
      const publisher = await openClient(t, transport, running);
      frozen.pause();
      let queuedMax = 0;
      const dropped = (): number => running.broker.statistics().droppedQueueFull;
      await publishUntil(running.broker, publisher, healthy, 1, () => {
        queuedMax = Math.max(queuedMax, running.broker.statistics().queued);
        return dropped() > 200;
      });
      assert.deepEqual(healthy, sequence(healthy.length));
      // The other one may have some in its queue at times.
      assert.ok(queuedMax <= sessionQueueMessagesMax + batch, `${queuedMax} queued`);
      const numbers = collect(frozen, true);
      frozen.resume();
      await until('all that was kept', () => numbers.length === healthy.length - dropped());
      assert.ok(isRising(numbers), 'in order, none twice');
      await until('an empty queue', () => running.broker.statistics().queued === 0);
      publisher.send(publishFrame('news', numbered(healthy.length), { qos: 1 }));
      await until('the next one', () => numbers.at(-1) === healthy.length - 1);
    });
  }

  test(`${transport}, QoS 1: who stops reading and is cut off gets the rest when it comes back`, async (t) => {
    const running = await startBroker(t, { workers: 2 });
    const packet = { clientId: 'frozen', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const frozen = await openSubscriber(t, transport, running, packet, 1);
    const healthy = collect(await openSubscriber(t, transport, running, {}, 1), true);
    const publisher = await openClient(t, transport, running);
    frozen.pause();
    await publishUntil(running.broker, publisher, healthy, 1, () => running.broker.statistics().queued > 200);
    frozen.destroy();
    const back = await openClient(t, transport, running, packet);
    const numbers = collect(back, true);
    await until('all', () => new Set(numbers).size === healthy.length);
    assert.deepEqual(numbers, sequence(healthy.length), 'in order, none twice on this connection');
    assert.equal(running.broker.statistics().droppedQueueFull, 0);
  });

  test(`${transport}: a publisher that never reads its PUBACKs is cut off, and no one else notices`, async (t) => {
    const limits = { maximumPacketSizeBytes: 65_536, outboxBytesMax: 65_536 };
    const running = await startBroker(t, { limits });
    const bystander = await openClient(t, transport, running);
    const deaf = await openClient(t, transport, running, { protocolVersion: 4 });
    const before = running.broker.statistics();
    deaf.pause();
    const flood = Buffer.concat(
      Array.from({ length: 5_000 }, (_, index) => publishFrame('t', '', { qos: 1, packetId: index + 1 }, 4)),
    );
    const isCutOff = () => running.broker.statistics().connections < before.connections;
    for (let round = 0; round < 1_000 && !isCutOff(); round++) {
      deaf.send(flood);
      await until('room to send more', () => deaf.unsentBytes < 4 * flood.length || isCutOff());
      bystander.send(publishFrame('other', '', { qos: 1 }));
      assert.equal((await bystander.nextPacket()).type, PacketType.puback);
    }
    await until('the end of its connection', isCutOff);
    const { bytesSent } = running.broker.statistics();
    assert.ok(bytesSent - before.bytesSent < kernelBytes, `${bytesSent} bytes taken for it`);
  });

  test(`${transport}: a client that sends PINGREQs and reads nothing is cut off`, async (t) => {
    const limits = { maximumPacketSizeBytes: 65_536, outboxBytesMax: 65_536 };
    const running = await startBroker(t, { limits });
    const deaf = await openClient(t, transport, running);
    const before = running.broker.statistics();
    deaf.pause();
    const pings = Buffer.alloc(60_000);
    for (let at = 0; at < pings.length; at += 2) pings[at] = 0xc0;
    const isCutOff = () => running.broker.statistics().connections < before.connections;
    for (let round = 0; round < 1_000 && !isCutOff(); round++) {
      deaf.send(pings);
      await until('room to send more', () => deaf.unsentBytes < 4 * pings.length || isCutOff());
    }
    await until('the end of its connection', isCutOff);
  });
}

test('many frozen subscribers at once', async (t) => {
  const running = await startBroker(t, { workers: 2 });
  const healthy = collect(await openSubscriber(t, 'tcp', running, {}, 0));
  for (let index = 0; index < 10; index++) {
    const transport: TransportName = index % 2 === 0 ? 'tcp' : 'ws';
    (await openSubscriber(t, transport, running, {}, 0)).pause();
  }
  const publisher = await openClient(t, 'tcp', running);
  await publishUntil(
    running.broker,
    publisher,
    healthy,
    0,
    () => running.broker.statistics().droppedQos0 > 2_000,
  );
  assert.deepEqual(healthy, sequence(healthy.length));
});

test('a client that never reads its CONNACK', async (t) => {
  const running = await startBroker(t);
  const { RawClient: Client } = await import('../support/raw-client.ts');
  for (let index = 0; index < 20; index++) {
    const client = await Client.overTcp(running.tcpPort);
    t.after(() => client.destroy());
    client.pause();
    client.send(connectFrame(), subscribeFrame('news'));
  }
  const healthy = collect(await openSubscriber(t, 'tcp', running, {}, 0));
  const publisher = await openClient(t, 'tcp', running);
  publisher.send(publishFrame('news', numbered(0)));
  await until('it', () => healthy.length === 1);
});

/** Publishes numbers in batches, each when the healthy subscriber has the one before, until it is enough. */
async function publishUntil(
  broker: Awaited<ReturnType<typeof startBroker>>['broker'],
  publisher: RawClient,
  healthy: readonly number[],
  qos: 0 | 1,
  isEnough: () => boolean,
): Promise<void> {
  let published = 0;
  while (!isEnough()) {
    assert.ok(published < 20_000, `nothing happened: ${JSON.stringify(broker.statistics())}`);
    for (let index = 0; index < batch; index++) {
      const packetId = (published % 60_000) + 1;
      publisher.send(publishFrame('news', numbered(published++), { qos, packetId }));
    }
    await until('the batch at the healthy subscriber', () => healthy.length === published);
    if (qos === 1) await until('its PUBACKs', () => publisher.packets.length === published);
  }
}

function sequence(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}
