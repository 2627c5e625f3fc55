import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { startBroker } from '../../support/broker.ts';
import { pingreqFrame, subscribeFrame } from '../../support/frames.ts';
import { openClient, openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

test('[MQTT-3.3.4-9] what is sent again after a reconnect keeps within the new Receive Maximum', async (context) => {
  const running = await startBroker(context);
  const terms = { clientId: 'r', cleanStart: false, properties: { sessionExpiryInterval: 100 } };
  const before = await openClient(context, 'tcp', running, terms);
  before.send(subscribeFrame('t', 1));
  await before.nextPacket();
  for (let index = 0; index < 50; index++) await running.broker.publish('t', `${index}`);
  await until('50 messages', () => before.packets.length === 50); // none is acknowledged
  before.destroy();
  await before.closed();
  const { client } = await openConnected(context, 'tcp', running, {
    ...terms,
    properties: { sessionExpiryInterval: 100, receiveMaximum: 10 },
  });
  client.send(pingreqFrame);
  await until('PINGRESP', () => client.packets.some(({ type }) => type === PacketType.pingresp));
  assert.equal(client.packets.filter(({ type }) => type === PacketType.publish).length, 10);
});
