/** Attacks beyond any single bound: a client that does what it may, as much as it can. */
import assert from 'node:assert/strict';
import { encodeUnsubscribe } from '../../../core/wire/encode-subscribe.ts';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { pingreqFrame, publishFrame } from '../../support/frames.ts';
import { encodeFrame, opcode } from '../../support/websocket-link.ts';
import type { Attack } from '../attack.ts';
import { type Attacker, numbered } from '../attacker.ts';
import type { Target } from '../target.ts';

const MiB = 1_048_576;
const nothing = new Uint8Array();

export const furtherAttacks: readonly Attack[] = [
  {
    name: 'many-properties',
    bounds: [],
    run: async (target) => {
      const client = await target.connect();
      await client.subscribe(['p']);
      const userProperties: [string, string][] = Array.from({ length: 64 }, () => ['', '']);
      const batch = Array.from({ length: 200 }, () =>
        publishFrame('p', '', { properties: { userProperties } }),
      );
      await rounds(client, 100, batch);
      return '20,000 messages with 64 user properties each, in and out';
    },
  },
  {
    name: 'alias-churn',
    bounds: [],
    run: async (target) => {
      const client = await target.connect({ properties: { topicAliasMaximum: 65_535 } });
      await client.subscribe(['churn/#']);
      for (let round = 0; round < 100; round++) {
        const batch = numbered(400, (index) => `churn/${round}/${index}`).map((topic, index) =>
          publishFrame(topic, '', { properties: { topicAlias: (index % 64) + 1 } }),
        );
        await rounds(client, 1, batch);
      }
      return '40,000 topics through 64 aliases, in and out';
    },
  },
  {
    name: 'many-filters',
    bounds: [],
    accountBytes: 8 * MiB,
    run: async (target) => {
      const client = await target.connect();
      const filters = numbered(10_000, (index) => `site/+/device/${index}/#`);
      for (let round = 0; round < 5; round++) {
        await client.subscribe(filters);
        client.raw.send(
          encodeUnsubscribe({ packetId: client.nextPacketId(), topicFilters: filters, properties: {} }, 5),
        );
        await client.untilCount(PacketType.unsuback, round + 1);
      }
      return '10,000 filters with wildcards subscribed and unsubscribed, 5 times';
    },
  },
  {
    name: 'retained-expiry',
    bounds: [],
    accountBytes: 10 * MiB,
    run: async (target) => {
      const client = await target.connect();
      const properties = { messageExpiryInterval: 1 };
      for (let round = 0; round < 100; round++) {
        const batch = numbered(200, (index) => `expires/${round}/${index}`).map((topic) =>
          publishFrame(topic, 'x', { retain: true, properties }),
        );
        await rounds(client, 1, batch);
      }
      await target.untilCounted('that they expire', ({ retained }) => retained === 0);
      return '20,000 retained messages that expire after a second are gone then';
    },
  },
  {
    name: 'share-groups',
    bounds: [],
    accountBytes: 4 * MiB,
    run: async (target) => {
      const all = await target.connectMany(20);
      for (const [index, client] of all.entries())
        await client.subscribe(numbered(64, (group) => `$share/${index}-${group}/t`));
      const publisher = await target.connect();
      for (let round = 0; round < 50; round++) await publisher.publishAll(['t'], '');
      for (const client of all) await client.untilCount(PacketType.publish, 64 * 50);
      return '50 messages to a topic with 1,280 shared subscriptions';
    },
  },
  {
    name: 'will-storm',
    bounds: [],
    accountBytes: 8 * MiB,
    run: async (target) => {
      const will = {
        topic: 'will',
        payload: new Uint8Array(2_000),
        qos: 1,
        retain: false,
        properties: {},
      } as const;
      await target.connectMany(1_500, () => ({ will }));
      const watcher = await target.connect();
      await watcher.subscribe(['will']);
      const { publishSent: before } = await target.statistics();
      for (const client of await target.connectMany(200, () => ({ will }))) client.raw.destroy();
      await target.untilCounted('wills', ({ publishSent }) => publishSent >= before + 200);
      return '1,700 clients with wills of 2 KB: 200 lost at once, then all others';
    },
  },
  {
    name: 'held-identifiers',
    bounds: ['QoS 2 packet identifiers that the clients of a worker have not released'],
    options: { limits: { sessionExpiryIntervalMax: 60, packetIdsTotalBytesMax: 512 * 1_024 } },
    accountBytes: MiB,
    run: async (target) => {
      for (let index = 0; index < 100; index++) await holdIdentifiers(target, `held-${index}`, 4_000);
      const { sessions, sessionsCut } = await target.statistics();
      assert.ok(sessionsCut >= 20 && sessions <= 100 - sessionsCut + 2);
      for (let index = 0; index < 100; index++)
        await target.connect({ clientId: `held-${index}`, protocolVersion: 4, cleanStart: true });
      return `${sessionsCut} of 100 absent MQTT 3.1.1 sessions with 4,000 identifiers each ended`;
    },
  },
  {
    name: 'half-open-websockets',
    bounds: [],
    options: { limits: { connectTimeoutMs: 5_000 } },
    accountBytes: 4 * MiB,
    run: async (target) => {
      const all = await Promise.all(Array.from({ length: 300 }, () => target.open('ws')));
      for (const { raw } of all.slice(0, 100)) raw.sendRaw(Uint8Array.of(0x82)); // a frame that begins
      for (const { raw } of all.slice(100, 200))
        raw.sendRaw(Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0, 15, 0, 0)); // of 983 KB
      await Promise.all(all.map((client) => client.ended()));
      return '300 that send nothing or half a frame ended';
    },
  },
  {
    name: 'one-byte-fragments',
    bounds: [],
    run: async (target) => {
      const client = await target.connect({}, 'ws');
      await client.subscribe(['fragments']);
      const message = publishFrame('fragments', new Uint8Array(20_000));
      for (let round = 0; round < 5; round++) client.raw.sendRaw(fragments(message));
      await client.untilCount(PacketType.publish, 5);
      return '5 messages of 20 KB in one-byte frames arrive';
    },
  },
  {
    name: 'pings',
    bounds: ['work caused by the packets of a connection in a turn'],
    run: async (target) => {
      const client = await target.connect();
      await rounds(
        client,
        200,
        Array.from({ length: 1_000 }, () => pingreqFrame),
      );
      const webSocket = await target.connect({}, 'ws');
      const pings = Buffer.concat(Array.from({ length: 40_000 }, () => encodeFrame(opcode.ping, nothing)));
      for (let round = 0; round < 5; round++) {
        webSocket.raw.sendRaw(pings);
        await webSocket.raw.flushed();
      }
      await rounds(webSocket, 1, [pingreqFrame]);
      return '200,000 PINGREQs answered, and the last of as many WebSocket Pings';
    },
  },
  {
    name: 'empty-messages',
    bounds: [],
    run: async (target) => {
      const client = await target.connect();
      await client.subscribe(['0']);
      await rounds(
        client,
        200,
        Array.from({ length: 500 }, () => publishFrame('0', '')),
      );
      return '100,000 messages without a payload, in and out';
    },
  },
  {
    name: 'takeovers',
    bounds: [],
    options: { workers: 2, limits: { sessionExpiryIntervalMax: 60 } },
    accountBytes: 4 * MiB,
    run: async (target) => {
      const packet = { clientId: 'wanted', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
      const owner = await target.connect(packet);
      await owner.subscribe(numbered(2_000, (index) => `own/${index}/+`));
      const storm = async (): Promise<number> => {
        let accepted = 0;
        for (let round = 0; round < 50; round++)
          accepted += (await target.connect(packet)).count(PacketType.connack);
        return accepted;
      };
      const accepted = await Promise.all(Array.from({ length: 4 }, storm));
      await target.connect({ clientId: 'wanted', cleanStart: true });
      return `4 clients take a session with 2,000 subscriptions from each other, 200 times (${accepted.reduce((a, b) => a + b)} answered)`;
    },
  },
  {
    name: 'retained-again',
    bounds: [],
    accountBytes: 8 * MiB,
    run: async (target) => {
      const client = await target.connect();
      const topics = numbered(2_000, (index) => `again/${index}`);
      await client.publishAll(topics, 'x', true);
      for (let round = 1; round <= 30; round++) {
        await client.subscribe(['again/#']);
        await client.untilCount(PacketType.publish, round * topics.length);
      }
      await client.publishAll(topics, '', true);
      return '2,000 retained messages requested 30 times';
    },
  },
  {
    name: 'departures',
    bounds: ['time for JavaScript to handle the events of a turn'],
    accountBytes: 16 * MiB,
    run: async (target) => {
      const all = await target.connectMany(2_000);
      for (const client of all) client.sendSubscribe(['everybody']);
      await target.untilCounted('all SUBSCRIBEs', ({ subscriptions }) => subscriptions >= 2_000);
      const publisher = await target.connect();
      publisher.raw.send(
        ...Array.from({ length: 5 }, () => publishFrame('everybody', new Uint8Array(1_000))),
      );
      for (const { raw } of all) raw.destroy();
      return '2,000 subscribers disconnect during the delivery of a message';
    },
  },
];

/** Sends the packets so many times, each time waiting for an answer that stands behind them. */
async function rounds(client: Attacker, count: number, batch: readonly Uint8Array[]): Promise<void> {
  const pings = batch.filter((packet) => packet === pingreqFrame).length + 1;
  let expected = client.count(PacketType.pingresp);
  for (let round = 0; round < count; round++) {
    client.raw.send(...batch, pingreqFrame);
    expected += pings;
    await client.untilCount(PacketType.pingresp, expected);
  }
}

/** A session that is away, with PUBLISHes of QoS 2 that it has not released. */
async function holdIdentifiers(target: Target, clientId: string, count: number): Promise<void> {
  const client = await target.connect({ clientId, protocolVersion: 4, cleanStart: false });
  const batch = Array.from({ length: count }, (_, index) =>
    publishFrame('q', '', { qos: 2, packetId: index + 1 }, 4),
  );
  client.raw.send(...batch);
  await client.untilCount(PacketType.pubrec, count);
  client.raw.destroy();
}

/** Each byte of the message in a WebSocket frame of its own. */
function fragments(message: Uint8Array): Uint8Array {
  return Buffer.concat([...message].map((byte) => encodeFrame(opcode.binary, Uint8Array.of(byte))));
}
