/** The contents of one packet, and what a client may send without waiting. */
import assert from 'node:assert/strict';
import { PacketType } from '../../../core/wire/packet-type.ts';
import type { ConnectPacket, PublishPacket } from '../../../core/wire/packets.ts';
import { connectFrame, pingreqFrame, publishFrame } from '../../support/frames.ts';
import { until } from '../../support/wait.ts';
import type { Attack } from '../attack.ts';
import { numbered, repeated } from '../attacker.ts';
import type { Target } from '../target.ts';

const MiB = 1_048_576;
const userProperties = (count: number): [string, string][] => Array.from({ length: count }, () => ['', '']);
const levels = (count: number): string => Array.from({ length: count }, () => 'x').join('/');

export const packetAttacks: readonly Attack[] = [
  {
    name: 'large-connect',
    bounds: ['the first packet, before CONNECT is accepted'],
    run: async (target) => {
      const reason = await refusal(target, { clientId: 'large', password: new Uint8Array(40_000) });
      assert.equal(reason, 0x95);
      return 'a CONNECT of 40 KB ends with 0x95';
    },
  },
  {
    name: 'names',
    bounds: ['a client identifier', 'a user name, a password'],
    run: async (target) => {
      assert.equal(await refusal(target, { clientId: 'x'.repeat(257) }), 0x85);
      assert.equal(await refusal(target, { clientId: 'a', username: 'x'.repeat(1_025) }), 0x86);
      assert.equal(await refusal(target, { clientId: 'a', password: new Uint8Array(16_385) }), 0x86);
      return '0x85, 0x86 and 0x86';
    },
  },
  {
    name: 'user-properties',
    bounds: ['user properties of a packet'],
    run: async (target) => {
      assert.equal(await refusal(target, { properties: { userProperties: userProperties(65) } }), 0x97);
      const client = await target.connect();
      const properties = { userProperties: userProperties(65) };
      client.raw.send(publishFrame('many', '', { qos: 1, properties }));
      await until('PUBACK', () => client.refusals.length > 0);
      assert.deepEqual(client.refusals, [0x97]);
      return '65 in CONNECT and in PUBLISH: 0x97';
    },
  },
  {
    name: 'filters-of-packet',
    bounds: ['topic filters of a SUBSCRIBE or UNSUBSCRIBE'],
    options: { limits: { filtersPerPacketMax: 100 } },
    run: async (target) => {
      const client = await target.connect();
      client.sendSubscribe(numbered(101, (index) => `f/${index}`));
      assert.equal(await client.ended(), 0x97);
      return '101 filters: the connection ends with 0x97';
    },
  },
  {
    name: 'large-packet',
    bounds: ['a packet from a client'],
    options: { limits: { maximumPacketSizeBytes: 10_000 } },
    run: async (target) => {
      const client = await target.connect();
      client.raw.send(publishFrame('large', new Uint8Array(20_000)));
      assert.equal(await client.ended(), 0x95);
      return '20 KB: the connection ends with 0x95';
    },
  },
  {
    name: 'levels',
    bounds: ['levels of a topic'],
    run: async (target) => {
      const client = await target.connect();
      assert.deepEqual(await client.subscribe([levels(129)]), [0x8f]);
      client.raw.send(publishFrame(levels(129), ''));
      assert.equal(await client.ended(), 0x90);
      return '129 levels: 0x8F for the filter, 0x90 for the topic';
    },
  },
  {
    name: 'receive-maximum',
    bounds: ['QoS 1 and 2 messages of an MQTT 5 client that the broker has not acknowledged'],
    options: { limits: { receiveMaximum: 100 } },
    run: async (target) => {
      const client = await target.connect();
      for (let id = 1; id <= 101; id++) client.raw.send(publishFrame('x', '', { qos: 2, packetId: id }));
      assert.equal(await client.ended(), 0x93);
      return '101 without PUBREL: the connection ends with 0x93';
    },
  },
  {
    name: 'maximum-qos',
    bounds: ['QoS of a client'],
    options: { limits: { maximumQoS: 1 } },
    run: async (target) => {
      const client = await target.connect();
      assert.deepEqual(await client.subscribe(['x'], 2), [1]);
      client.raw.send(publishFrame('x', '', { qos: 2 }));
      assert.equal(await client.ended(), 0x9b);
      return 'SUBSCRIBE with QoS 2 is granted 1; a PUBLISH with QoS 2 ends the connection with 0x9B';
    },
  },
  {
    name: 'alias-numbers',
    bounds: ['topic aliases of a client'],
    run: async (target) => {
      const client = await target.connect();
      client.raw.send(aliased('topic', 65));
      assert.equal(await client.ended(), 0x94);
      return 'the 65th: 0x94';
    },
  },
  {
    name: 'alias-bytes',
    bounds: ['their bytes'],
    run: async (target) => {
      const client = await target.connect();
      for (let alias = 1; alias <= 20; alias++) client.raw.send(aliased('x'.repeat(1_000), alias));
      assert.equal(await client.ended(), 0x97);
      return '20 of 1,000 bytes: 0x97';
    },
  },
  {
    name: 'aliases-of-all',
    bounds: ['bytes of all topic aliases of a worker'],
    options: { limits: { topicAliasesTotalBytesMax: 2 * MiB } },
    accountBytes: 2 * MiB,
    run: async (target) => {
      const clients = await target.connectMany(200);
      const aliases = numbered(15, (index) => 'x'.repeat(1_000) + index).map((topic, index) =>
        aliased(topic, index + 1),
      );
      for (const { raw } of clients) raw.send(...aliases);
      await target.untilCounted('a cut', ({ connectionsCut }) => connectionsCut > 0);
      await target.untilCounted('all packets', ({ publishReceived }) => publishReceived >= 140 * 15);
      return `${(await target.statistics()).connectionsCut} of 200 connections with 15 KB each cut`;
    },
  },
  {
    name: 'unfinished-packets',
    bounds: ['incomplete packets and waiting frames of all connections of a worker'],
    options: { limits: { inputTotalBytesMax: 16 * MiB } },
    accountBytes: 16 * MiB,
    run: async (target) => {
      const clients = await target.connectMany(40);
      const most = publishFrame('large', new Uint8Array(900_000)).subarray(0, 899_000);
      for (const { raw } of clients) raw.send(most);
      await target.untilCounted('some cuts', ({ connectionsCut }) => connectionsCut >= 20);
      return `${(await target.statistics()).connectionsCut} of 40 connections with 900 KB each cut`;
    },
  },
  {
    name: 'early-packets',
    bounds: ['bytes waiting while a connection is paused or held'],
    host: 'authenticates',
    options: { limits: { connectTimeoutMs: 8_000 } },
    accountBytes: 10 * 4 * MiB,
    run: async (target) => {
      const clients = await Promise.all(Array.from({ length: 10 }, () => target.open()));
      const flood = new Uint8Array(16 * MiB);
      for (let index = 0; index < flood.length; index += 2) flood[index] = pingreqFrame[0] ?? 0;
      for (const [index, { raw }] of clients.entries())
        raw.send(connectFrame({ clientId: `unknown-${index}` }), flood);
      for (const client of clients) assert.equal(await client.ended(), 0x89);
      return '10 clients with 16 MB behind a pending CONNECT are not read';
    },
  },
  {
    name: 'lanes',
    bounds: ['records in a lane'],
    options: { workers: 2, limits: { laneRecords: 1_024 } },
    accountBytes: 16 * MiB,
    run: async (target) => {
      const clients = await target.connectMany(4);
      const topics = numbered(50, (index) => `lane/${index}`);
      for (const client of clients) await client.subscribe(topics);
      const flood = async (index: number): Promise<void> => {
        const client = clients[index];
        for (let round = 0; round < 40; round++)
          await client?.publishAll(
            topics.flatMap((topic) => [...repeated(topic, 4)]),
            'x',
          );
      };
      await Promise.all(clients.map((_, index) => flood(index)));
      const { publishReceived } = await target.statistics();
      assert.ok(publishReceived >= 4 * 40 * 200);
      return `${publishReceived} messages of 4 clients acknowledged through lanes of 1,024`;
    },
  },
];

/** The reason code of the CONNACK. */
async function refusal(target: Target, packet: Partial<ConnectPacket>): Promise<number | undefined> {
  const client = await target.connect(packet);
  return client.count(PacketType.connack) > 0 ? client.connack.reasonCode : undefined;
}

function aliased(topic: string, topicAlias: number): Uint8Array {
  const packet: Partial<PublishPacket> = { properties: { topicAlias } };
  return publishFrame(topic, '', packet);
}
