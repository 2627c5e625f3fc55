/** PUBREC: the first answer to a QoS 2 message, in both directions. */
import assert from 'node:assert/strict';
import { assertFits } from '../support/fitting.ts';
import { octets, packet, properties, string, u16, userProperty } from '../support/octets.ts';
import { pubcomp, publish, pubrel } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.5 PUBREC');

const why = octets('1f', string('because'));
const receiveMaximumOne = '21 0001';

test('[MQTT-3.5.2-1] a message with a subscriber gets PUBREC with Success', async ({ connect, name }) => {
  const subscriber = await connect();
  const client = await connect();
  await subscriber.subscribe(name());
  for (const id of [1, 256, 65_535]) {
    client.send(publish('5.0', name(), 'm', { qos: 2, id }));
    const { id: answered, codes } = await client.nextAcknowledgement(packetType.pubrec);
    assert.equal(answered, id);
    assert.deepEqual(codes, [0]);
  }
});

test('[MQTT-3.5.2-1] a message without a subscriber gets Success or No matching subscribers', async ({
  connect,
  name,
}) => {
  const client = await connect();
  client.send(publish('5.0', name(), 'm', { qos: 2, id: 7 }));
  const { id, codes } = await client.nextAcknowledgement(packetType.pubrec);
  assert.equal(id, 7);
  assert.ok(codes[0] === 0 || codes[0] === 0x10, `reason code ${codes[0]}`);
  client.send(pubrel(7));
  assert.deepEqual((await client.nextAcknowledgement(packetType.pubcomp)).codes, [0]);
});

const successes = [
  ['of two bytes', ''],
  ['with Success', '00'],
  ['with Success and no properties', '00 00'],
  ['with No matching subscribers', '10'],
  [
    'with a reason string and user properties',
    octets('00', properties(userProperty('k', '1'), why, userProperty('k', '2'))),
  ],
] as const;

for (const [form, rest] of successes) {
  test(`[MQTT-3.5.2-1] a PUBREC ${form} is answered with PUBREL`, async ({ connect, name }) => {
    const publisher = await connect();
    const client = await connect();
    await client.subscribe(name(), 2);
    await publisher.publish(name(), 'm', { qos: 2 });
    const { id } = await client.nextPublish();
    client.send(packet(0x50, u16(id), rest));
    const { id: released, codes } = await client.nextAcknowledgement(packetType.pubrel);
    assert.equal(released, id);
    assert.deepEqual(codes, [0]);
    client.send(pubcomp(id));
    await client.ping();
  });
}

for (const code of [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]) {
  test(`[MQTT-3.5.2-1] a PUBREC with 0x${code.toString(16)} ends the exchange: no PUBREL, and room for the next message`, async ({
    connect,
    name,
  }) => {
    const publisher = await connect();
    const client = await connect({ properties: receiveMaximumOne });
    await client.subscribe(name(), 2);
    for (const text of ['first', 'second']) await publisher.publish(name(), text, { qos: 2 });
    const first = await client.nextPublish();
    assert.equal(first.text, 'first');
    await client.ping();
    client.send(packet(0x50, u16(first.id), Uint8Array.of(code)));
    assert.equal((await client.nextPublish()).text, 'second');
  });
}

refused(
  test,
  '[MQTT-4.13.1-1]',
  [0x01, 0x11, 0x81, 0x82, 0x92, 0xff].map((code) => [
    `a PUBREC with the reason code 0x${code.toString(16)}, which is none of PUBREC,`,
    packet(0x50, u16(1), Uint8Array.of(code)),
    malformed,
    protocolError,
  ]),
);

refused(test, '[MQTT-4.13.1-1]', [
  ['a PUBREC with a flag', '52 02 0001', malformed],
  ['a PUBREC without a packet identifier', '50 00', malformed],
  ['a PUBREC for packet identifier 0', '50 02 0000', malformed, protocolError],
  ['a PUBREC whose properties are longer than the packet', '50 04 0001 00 05', malformed],
  ['a PUBREC with a property of PUBLISH', '50 06 0001 00 02 01 00', malformed, protocolError],
  ['a PUBREC with two reason strings', packet(0x50, '0001 00', properties(why, why)), protocolError],
]);

test('[MQTT-3.5.2-2] [MQTT-3.5.2-3] a PUBREC says no more than the client takes', async (context) => {
  await assertFits(context, async (client) => {
    client.send(publish('5.0', context.name('/nobody'), 'm', { qos: 2, id: 9 }));
    return await client.next();
  });
});
