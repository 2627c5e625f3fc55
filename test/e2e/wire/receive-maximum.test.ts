/** Receive Maximum in both directions, across connections of one session (MQTT 5, 4.9). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { startBroker } from '../../support/broker.ts';
import { pingreqFrame, publishFrame, pubrelFrame, subscribeFrame } from '../../support/frames.ts';
import { openClient, openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

test('[MQTT-3.3.4-9] what is sent again after a reconnect keeps within the new Receive Maximum', async (t) => {
  const running = await startBroker(t);
  const terms = { clientId: 'r', cleanStart: false, properties: { sessionExpiryInterval: 100 } };
  const before = await openClient(t, 'tcp', running, terms);
  before.send(subscribeFrame('t', 1));
  await before.nextPacket();
  for (let index = 0; index < 50; index++) await running.broker.publish('t', `${index}`);
  await until('50 messages', () => before.packets.length === 50); // none is acknowledged
  before.destroy();
  await before.closed();
  const { client } = await openConnected(t, 'tcp', running, {
    ...terms,
    properties: { sessionExpiryInterval: 100, receiveMaximum: 10 },
  });
  client.send(pingreqFrame);
  await until('PINGRESP', () => client.packets.some(({ type }) => type === PacketType.pingresp));
  assert.equal(client.packets.filter(({ type }) => type === PacketType.publish).length, 10);
});

test('Receive Maximum starts anew with each connection (4.9)', async (t) => {
  const running = await startBroker(t, { limits: { receiveMaximum: 2 } });
  const packet = { clientId: 'c', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
  const first = await openClient(t, 'tcp', running, packet);
  for (const packetId of [1, 2]) first.send(publishFrame('t', '', { qos: 2, packetId }));
  await first.nextHexes(2);
  first.destroy();
  const second = await openClient(t, 'tcp', running, packet);
  second.send(pubrelFrame(1), pubrelFrame(2), publishFrame('t', '', { qos: 2, packetId: 3 }));
  assert.deepEqual(await second.nextHexes(3), ['70020001', '70020002', '5003000310']);
  second.destroy();
  const third = await openClient(t, 'tcp', running, packet);
  third.send(publishFrame('t', '', { qos: 2, packetId: 4 }), publishFrame('t', '', { qos: 2, packetId: 5 }));
  assert.deepEqual(await third.nextHexes(2), ['5003000410', '5003000510']);
});
