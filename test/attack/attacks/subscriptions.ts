/** The subscriptions of sessions, and their retained messages. */
import assert from 'node:assert/strict';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { publishFrame, publishOf } from '../../support/frames.ts';
import { until } from '../../support/wait.ts';
import type { Attack } from '../attack.ts';
import { numbered } from '../attacker.ts';

const KiB = 1_024;
const MiB = 1_024 * KiB;
const quotaExceeded = 0x97;

export const subscriptionAttacks: readonly Attack[] = [
  {
    name: 'subscriptions',
    bounds: ['subscriptions of a session'],
    options: { limits: { subscriptionsPerSessionMax: 500, sharedSubscriptionsPerSessionMax: 50 } },
    run: async (target) => {
      const many = await target.connect();
      assert.equal(refusedOf(await many.subscribe(numbered(600, (index) => `f/${index}`))), 100);
      const shared = await target.connect();
      assert.equal(refusedOf(await shared.subscribe(numbered(60, (index) => `$share/${index}/t`))), 10);
      return 'the last 100 of 600, and 10 of 60 shared ones, refused with 0x97';
    },
  },
  {
    name: 'subscription-bytes',
    bounds: ['their bytes, with filters and nodes of the tree'],
    options: { limits: { subscriptionBytesPerSessionMax: MiB } },
    accountBytes: MiB,
    run: async (target) => {
      const client = await target.connect();
      const refused = refusedOf(await client.subscribe(numbered(15, (index) => 'x'.repeat(60_000) + index)));
      const later = refusedOf(await client.subscribe(numbered(15, (index) => 'y'.repeat(60_000) + index)));
      assert.ok(refused + later > 10);
      return `${refused + later} of 30 with 60 KB each refused with 0x97`;
    },
  },
  {
    name: 'subscriptions-of-all',
    bounds: ['bytes of all subscriptions and filters, on all workers'],
    options: { limits: { subscriptionsTotalBytesMax: 32 * MiB } },
    accountBytes: 32 * MiB,
    run: async (target) => {
      let refused = 0;
      let asked = 0;
      for (let index = 0; index < 40; index++) {
        const client = await target.connect();
        for (let more = 0; more < 10; more++) {
          const filters = numbered(700, (number) => `${index}/+/${more}/${'x'.repeat(60)}/${number}`);
          refused += refusedOf(await client.subscribe(filters));
          asked += filters.length;
        }
      }
      assert.ok(refused > 0 && refused < asked);
      return `${refused} of ${asked} of 40 sessions refused with 0x97`;
    },
  },
  {
    name: 'branches',
    bounds: ['nodes of the filter tree that one topic can reach'],
    accountBytes: 4 * MiB,
    run: async (target) => {
      const mixed = numbered(1 << 12, (shape) =>
        numbered(12, (level) => ((shape >> level) & 1 ? '+' : 'a')).join('/'),
      );
      let refused = 0;
      for (let index = 0; index < 20; index++)
        refused += refusedOf(await (await target.connect()).subscribe(mixed));
      const stranger = await target.connect();
      assert.deepEqual(
        await stranger.subscribe(['sensors/+/temp', '+/+/state/#', 'a/b/c/d/e/f/g/+']),
        [0, 0, 0],
      );
      assert.ok(refused > 19 * mixed.length);
      return `${refused} of ${20 * mixed.length} refused with 0x97; sensors/+/temp never is`;
    },
  },
  {
    name: 'retained-messages',
    bounds: ['retained messages, in equal parts for the shards'],
    options: { limits: { retainedBytesMax: 16 * MiB, retainedMessagesMax: 20_000 } },
    accountBytes: 16 * MiB,
    run: async (target) => {
      const client = await target.connect();
      const deep = (index: number): string => `${numbered(120, () => `${index}`).join('/')}`;
      await client.publishAll(numbered(4_000, deep), new Uint8Array(6_000), true);
      const byBytes = client.refusals.length;
      assert.ok(byBytes > 0 && client.refusals.every((code) => code === quotaExceeded));
      await client.publishAll(numbered(4_000, deep), '', true);
      await client.publishAll(
        numbered(20_100, (index) => `r/${index}`),
        'x',
        true,
      );
      const byNumber = client.refusals.length - byBytes;
      assert.equal(byNumber, 100);
      await client.publishAll(
        numbered(20_100, (index) => `r/${index}`),
        '',
        true,
      );
      return `${byBytes} of 4,000 with 6 KB refused with 0x97, and 100 of 20,100 short ones`;
    },
  },
  {
    name: 'retained-waits',
    bounds: [
      'retained messages waiting in a session for its new subscriptions',
      'filters of a session whose retained messages wait in a shard',
    ],
    accountBytes: 40 * MiB,
    run: async (target) => {
      const publisher = await target.connect();
      const topics = numbered(2_000, (index) => `r/${index}`);
      await publisher.publishAll(topics, new Uint8Array(2_000), true);
      const readers = await target.connectMany(20);
      for (const reader of readers) {
        await reader.subscribe(['none']);
        reader.raw.pause();
        for (let more = 0; more < 100; more++) reader.sendSubscribe([`r/#`, `+/${more}`]);
      }
      await target.untilCounted('all SUBSCRIBEs', ({ subscriptions }) => subscriptions >= 20 * 102);
      await publisher.publishAll(topics, '', true);
      return '20 clients that read nothing request 4 MB of retained messages 100 times';
    },
  },
  {
    name: 'outgoing-aliases',
    bounds: ['topic aliases towards a client'],
    run: async (target) => {
      const reader = await target.connect({ properties: { topicAliasMaximum: 65_535 } });
      const aliases = new Set<number>();
      reader.onPublish = (packet) => aliases.add(publishOf(packet).properties.topicAlias ?? 0);
      await reader.subscribe(['t/#']);
      const publisher = await target.connect();
      const topics = numbered(300, (index) => `t/topic/${index}`);
      await publisher.publishAll([...topics, ...topics], '');
      await reader.untilCount(PacketType.publish, 600);
      aliases.delete(0);
      assert.equal(aliases.size, 64);
      return '64 of 300 topics get an alias';
    },
  },
  {
    name: 'host-window',
    bounds: ['bytes in transit between the host program and its worker, in either direction'],
    host: 'listensSlowly',
    options: { limits: { hostWindowBytes: 256 * KiB, sessionQueueBytesMax: 8 * MiB } },
    accountBytes: 8 * MiB + 512 * KiB,
    run: async (target) => {
      const client = await target.connect();
      for (let round = 0; round < 20; round++) {
        for (let index = 0; index < 20; index++)
          client.raw.send(
            publishFrame('host/x', new Uint8Array(50_000), { qos: 1, packetId: client.nextPacketId() }),
          );
        await client.untilCount(PacketType.puback, 20 * (round + 1));
      }
      await until('what the host program hears', async () => (await target.heardBytes()) > 0);
      const heard = await target.heardBytes();
      assert.ok(heard <= MiB, `${heard} bytes`);
      target.letHostGoOn();
      return `${Math.round(heard / KiB)} KB of 20 MB are passed to a host program that has processed none`;
    },
  },
];

function refusedOf(granted: readonly number[]): number {
  return granted.filter((code) => code === quotaExceeded).length;
}
