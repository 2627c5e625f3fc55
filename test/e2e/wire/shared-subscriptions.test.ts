/** Shared subscriptions over real sockets and workers (MQTT 5, 4.8.2). Random actions of members: test/native. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketType } from '../../../core/wire/packet-type.ts';
import type { ConnectPacket } from '../../../core/wire/packets.ts';
import { startBroker } from '../../support/broker.ts';
import {
  pubackFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  subscription,
  textOf,
} from '../../support/frames.ts';
import { openClient, openConnected, type RawClient, transports } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const messages = 400;

function publishesOf(client: RawClient) {
  return client.packets.filter(({ type }) => type === PacketType.publish).map((packet) => publishOf(packet));
}

for (const transport of transports) {
  for (const protocolVersion of [4, 5] as const) {
    test(`${transport}, version ${protocolVersion}: 4 workers and 8 members share the work about equally, nothing is lost or doubled`, async (t) => {
      const running = await startBroker(t, { workers: 4 });
      const members: RawClient[] = [];
      for (let index = 0; index < 8; index++) {
        const member = await openClient(t, transport, running, { protocolVersion, clientId: `m${index}` });
        member.send(subscribeFrame('$share/workers/jobs/+', 1, {}, protocolVersion));
        await member.nextPacket();
        members.push(member);
      }
      assert.equal(running.broker.statistics().sharedSubscriptions, 8);
      const publisher = await openClient(t, transport, running, { clientId: 'p' });
      for (let index = 0; index < messages; index++)
        publisher.send(publishFrame(`jobs/${index % 7}`, `${index}`));
      await until(
        'all messages',
        () => members.reduce((sum, { packets }) => sum + packets.length, 0) === messages,
      );
      const counts = members.map(({ packets }) => packets.length);
      for (const count of counts) assert.ok(count > messages / 16 && count < messages / 4, `${counts}`);
    });
  }
}

test('the CONNACK does not say that shared subscriptions are missing (3.2.2.3.13)', async (t) => {
  const { connack } = await openConnected(t, 'tcp', await startBroker(t));
  assert.equal(connack.properties.sharedSubscriptionAvailable ?? 1, 1);
});

test('[MQTT-3.8.3-4] no local on a shared subscription ends the connection with 0x82', async (t) => {
  const client = await openClient(t, 'ws', await startBroker(t));
  client.send(subscribeFrame('', 0, { subscriptions: [{ ...subscription('$share/g/t'), noLocal: true }] }));
  const goodbye = await client.nextPacket();
  assert.deepEqual([goodbye.type, goodbye.body[0]], [PacketType.disconnect, 0x82]);
});

test('[MQTT-4.8.2-4] QoS 2 waits for its member; QoS 1 of a member whose session ends goes to another', async (t) => {
  const running = await startBroker(t, { workers: 2 });
  const lasting: Partial<ConnectPacket> = {
    clientId: 'l',
    cleanStart: false,
    properties: { sessionExpiryInterval: 60 },
  };
  const leaver = await openClient(t, 'tcp', running, lasting);
  leaver.send(subscribeFrame('$share/g/t', 2));
  await leaver.nextPacket();
  await running.broker.publish('t', 'one', { qos: 1 });
  await running.broker.publish('t', 'two', { qos: 2 });
  await until('both messages', () => leaver.packets.length === 2);
  const heir = await openClient(t, 'tcp', running, { clientId: 'h' });
  heir.send(subscribeFrame('$share/g/t', 2));
  await heir.nextPacket();
  leaver.destroy();
  await until('what was handed over', () => heir.packets.length === 1);
  const [handed] = publishesOf(heir);
  assert.ok(handed !== undefined && textOf(handed) === 'one' && !handed.dup);
  heir.send(pubackFrame(handed.packetId ?? 0));
  const back = await openClient(t, 'tcp', running, lasting);
  await until('the QoS 2 message again', () => back.packets.length === 1);
  const [again] = publishesOf(back);
  assert.ok(again !== undefined && textOf(again) === 'two' && again.dup);
});
