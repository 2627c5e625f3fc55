/**
 * MQTT 3.1, protocol level 3, has no numbered statements. What 3.1.1 says of other protocol names, that they
 * are handled by another specification or not at all, is where it enters: a server may refuse it.
 */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.ts';
import { octets, packet, string } from '../support/octets.ts';
import { pubcomp, publish, pubrec, pubrel, subscribe } from '../support/packets.ts';
import { type Context, section } from '../support/section.ts';

const test = section('3.1.1', '3.1.2 MQTT 3.1 beside it');

/** A client of MQTT 3.1; undefined where the server has no such protocol, and says so with code 1. */
async function connect31({ open }: Context, clientId: string, flags = '02'): Promise<Client | undefined> {
  const client = await open();
  client.send(packet(0x10, string('MQIsdp'), '03', flags, '0000', string(clientId)));
  const { code } = await client.nextConnack();
  if (code === 0) return client;
  assert.equal(code, 1);
  await client.closed();
  return undefined;
}

test('[MQTT-3.1.2-1] MQTT 3.1 is spoken with those who ask for it, or refused', async (context) => {
  const topic = context.name('/t');
  const client = await connect31(context, context.name());
  if (client === undefined) return;
  client.send(subscribe('3.1.1', [[topic, 2]], { id: 1 }));
  await client.expect('90 03 0001 02');
  client.send(publish('3.1.1', topic, 'x', { qos: 0 }));
  await client.expect(publish('3.1.1', topic, 'x', { qos: 0 }));
  await client.publish(topic, 'y', { qos: 2 });
  const { id, text, qos } = await client.nextPublish();
  assert.deepEqual([text, qos], ['y', 2]);
  client.send(pubrec(id));
  await client.expect(pubrel(id));
  client.send(pubcomp(id));
  client.send(octets('a2', Uint8Array.of(4 + topic.length), '0002', string(topic)));
  await client.expect('b0 02 0002');
  client.send('e0 00');
  await client.closed();
});

test('[MQTT-3.1.2-1] the CONNACK of MQTT 3.1 has no session present', async (context) => {
  const clientId = context.name();
  for (const _ of ['begins', 'goes on']) {
    const client = await connect31(context, clientId, '00');
    if (client === undefined) return;
    assert.equal(client.connack.sessionPresent, false);
    await client.disconnect();
  }
  await (await connect31(context, clientId))?.disconnect();
});

test('[MQTT-3.1.2-1] the protocol name of one version with the level of the other is neither', async ({
  open,
  name,
}) => {
  for (const [protocol, level] of [
    ['MQIsdp', '04'],
    ['MQIsdp', '05'],
    ['MQIsd', '03'],
  ] as const) {
    const client = await open();
    client.send(packet(0x10, string(protocol), level, '02 0000', string(name())), 'c0 00');
    const answer = await client.nextUnlessClosed();
    assert.ok(answer === undefined || answer.body[1] !== 0, `${protocol} ${level} was accepted`);
    await client.closed();
  }
});
