/** Messages waiting for clients that do not read, do not acknowledge or are disconnected. */
import assert from 'node:assert/strict';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { pingreqFrame, publishFrame } from '../../support/frames.ts';
import type { Attack } from '../attack.ts';
import { type Attacker, repeated } from '../attacker.ts';
import type { Target } from '../target.ts';

const KiB = 1_024;
const MiB = 1_024 * KiB;
/** Small packets, so that queues may be small. */
const smallPackets = { maximumPacketSizeBytes: 64 * KiB } as const;

export const outgoingAttacks: readonly Attack[] = [
  {
    name: 'outbox-bytes',
    bounds: ["bytes that a connection's socket has not accepted"],
    options: { limits: { ...smallPackets, outboxBytesMax: 256 * KiB } },
    accountBytes: 256 * KiB,
    run: async (target) => {
      await frozen(target, 1);
      const dropped = await flood(target, 50_000);
      return `QoS 0 for a frozen reader is dropped (${dropped})`;
    },
  },
  {
    name: 'outbox-messages',
    bounds: ['messages that it has not accepted'],
    options: { limits: { outboxMessagesMax: 10 } },
    accountBytes: MiB,
    run: async (target) => {
      await frozen(target, 1);
      const dropped = await flood(target, 20_000);
      return `QoS 0 for a frozen reader is dropped (${dropped})`;
    },
  },
  {
    name: 'answers',
    bounds: ['acknowledgements and other packets to a client'],
    options: { limits: { ...smallPackets, outboxBytesMax: 64 * KiB } },
    accountBytes: 10 * 256 * KiB,
    run: async (target) => {
      const all = await target.connectMany(10);
      const { connectionsClosed: before } = await target.statistics();
      const pings = new Uint8Array(MiB);
      for (let index = 0; index < pings.length; index += 2) pings[index] = pingreqFrame[0] ?? 0;
      for (const { raw } of all) {
        raw.pause();
        for (let more = 0; more < 32; more++) raw.send(pings);
      }
      await target.untilCounted('that they end', ({ connectionsClosed }) => connectionsClosed >= before + 10);
      return '10 clients that read no answers ended with 0x97';
    },
  },
  {
    name: 'outboxes-of-all',
    bounds: ['all outboxes of a worker'],
    options: { limits: { outboxTotalBytesMax: 16 * MiB } },
    accountBytes: 16 * MiB,
    run: async (target) => {
      await frozen(target, 40);
      const publisher = await target.connect();
      const payload = new Uint8Array(20_000);
      for (let cut = 0, sent = 0; cut === 0; sent++) {
        assert.ok(sent < 200, 'nobody is cut');
        await publisher.publishAll(repeated('fill', 20), payload);
        cut = (await target.statistics()).connectionsCut;
      }
      return 'of 40 frozen readers, the one that holds most for longest is cut';
    },
  },
  {
    name: 'inflight',
    bounds: ['QoS 1 and 2 messages that a client has not acknowledged'],
    options: { limits: { inflightMax: 10 } },
    run: async (target) => {
      const reader = await target.connect();
      await reader.subscribe(['t'], 1);
      const publisher = await target.connect();
      await publisher.publishAll(repeated('t', 100), '');
      reader.raw.send(pingreqFrame);
      await reader.untilCount(PacketType.pingresp, 1);
      assert.equal(reader.count(PacketType.publish), 10);
      return '10 of 100 are sent';
    },
  },
  {
    name: 'queue-messages',
    bounds: ['queued messages of a session'],
    options: { limits: { sessionQueueMessagesMax: 100, sessionExpiryIntervalMax: 30 } },
    run: async (target) => {
      await away(target, 1);
      await (await target.connect()).publishAll(repeated('fill', 150), '');
      const { droppedQueueFull } = await target.statistics();
      assert.equal(droppedQueueFull, 50);
      await comeBack(target, 1);
      return '50 of 150 dropped';
    },
  },
  {
    name: 'queue-bytes',
    bounds: [
      "bytes of a session's queued and unacknowledged messages, with subscription identifiers and entries",
    ],
    options: { limits: { ...smallPackets, sessionQueueBytesMax: MiB, sessionExpiryIntervalMax: 30 } },
    accountBytes: 2 * MiB,
    run: async (target) => {
      const silent = await target.connect();
      await silent.subscribe(['fill'], 1);
      await away(target, 1);
      await (await target.connect()).publishAll(repeated('fill', 200), new Uint8Array(20_000));
      const { droppedQueueFull } = await target.statistics();
      assert.ok(droppedQueueFull >= 140);
      await comeBack(target, 1);
      return `${droppedQueueFull} of 200 with 20 KB for an absent session dropped`;
    },
  },
  {
    name: 'queues-of-all',
    bounds: ['windows and queues of all sessions of a worker'],
    options: {
      limits: {
        ...smallPackets,
        sessionQueueBytesMax: 4 * MiB,
        sessionsTotalBytesMax: 16 * MiB,
        sessionExpiryIntervalMax: 60,
      },
    },
    accountBytes: 16 * MiB,
    run: async (target) => {
      await away(target, 20, (index) => `own/${index}`);
      const publisher = await target.connect();
      for (let index = 0; index < 20; index++)
        await publisher.publishAll(repeated(`own/${index}`, 200), new Uint8Array(10_000));
      const { droppedTotalFull } = await target.statistics();
      assert.ok(droppedTotalFull > 0);
      await comeBack(target, 20);
      return `${droppedTotalFull} of 4,000 with 10 KB for 20 sessions dropped, from those that hold most`;
    },
  },
];

/** Clients that subscribe to `fill` and read nothing. */
async function frozen(target: Target, count: number): Promise<readonly Attacker[]> {
  const all = await target.connectMany(count);
  for (const client of all) {
    await client.subscribe(['fill']);
    client.raw.pause();
  }
  return all;
}

/** Publishes QoS 0 to `fill` until some are dropped; gives how many. */
async function flood(target: Target, payloadBytes: number): Promise<number> {
  const publisher = await target.connect();
  const payload = new Uint8Array(payloadBytes);
  for (let sent = 0; sent < 4_000; sent += 50) {
    publisher.raw.send(...Array.from({ length: 50 }, () => publishFrame('fill', payload)));
    await publisher.publishAll(['behind'], '');
    const { droppedQos0 } = await target.statistics();
    if (droppedQos0 > 0) return droppedQos0;
  }
  return assert.fail('nothing is dropped');
}

const clientIdOf = (index: number): string => `away-${index}`;

/** Sessions that outlive their clients, subscribed with QoS 1. */
async function away(
  target: Target,
  count: number,
  filterOf: (index: number) => string = () => 'fill',
): Promise<void> {
  for (let index = 0; index < count; index++) {
    const client = await target.connect({
      clientId: clientIdOf(index),
      properties: { sessionExpiryInterval: 60 },
    });
    await client.subscribe([filterOf(index)], 1);
    client.raw.send(Uint8Array.of(0xe0, 0));
    await client.ended();
  }
}
/** They end. */
async function comeBack(target: Target, count: number): Promise<void> {
  for (let index = 0; index < count; index++)
    await target.connect({ clientId: clientIdOf(index), cleanStart: true });
}
