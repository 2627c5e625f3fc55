/** PUBCOMP: the end of a QoS 2 exchange, in both directions. */
import assert from 'node:assert/strict';
import { assertFits } from '../support/fitting.ts';
import { octets, packet, properties, string, u16, userProperty } from '../support/octets.ts';
import { publish, pubrec, pubrel } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.7 PUBCOMP');

const why = octets('1f', string('because'));

test('[MQTT-3.7.2-1] PUBREL for a message under way is answered with PUBCOMP and Success', async ({
  connect,
  name,
}) => {
  const client = await connect();
  client.send(publish('5.0', name(), 'm', { qos: 2, id: 65_535 }));
  await client.nextAcknowledgement(packetType.pubrec);
  client.send(pubrel(65_535));
  const { id, codes } = await client.nextAcknowledgement(packetType.pubcomp);
  assert.deepEqual([id, codes], [65_535, [0]]);
});

test('[MQTT-3.7.2-1] PUBREL for an unknown packet identifier is answered with PUBCOMP that says so', async ({
  connect,
  target,
}) => {
  const client = await connect();
  client.send(pubrel(77));
  const { id, codes } = await client.nextAcknowledgement(packetType.pubcomp);
  assert.equal(id, 77);
  // Success is what 3.1.1 has, and some keep to it.
  assert.ok(codes[0] === 0x92 || (codes[0] === 0 && !target.isOurs), `reason code ${codes[0]}`);
});

const forms = [
  ['of two bytes', ''],
  ['with Success', '00'],
  ['with Success and no properties', '00 00'],
  ['with Packet Identifier not found', '92'],
  [
    'with a reason string and user properties',
    octets('00', properties(userProperty('k', '1'), why, userProperty('k', '2'))),
  ],
] as const;

for (const [form, rest] of forms) {
  test(`[MQTT-3.7.2-1] a PUBCOMP ${form} makes room for the next message`, async ({ connect, name }) => {
    const publisher = await connect();
    const client = await connect({ properties: '21 0001' });
    await client.subscribe(name(), 2);
    for (const text of ['first', 'second']) await publisher.publish(name(), text, { qos: 2 });
    const { id } = await client.nextPublish();
    client.send(pubrec(id));
    await client.nextAcknowledgement(packetType.pubrel);
    await client.ping();
    client.send(packet(0x70, u16(id), rest));
    assert.equal((await client.nextPublish()).text, 'second');
  });
}

refused(
  test,
  '[MQTT-4.13.1-1]',
  [0x01, 0x10, 0x80, 0x91, 0xff].map((code) => [
    `a PUBCOMP with the reason code 0x${code.toString(16)}, which is none of PUBCOMP,`,
    packet(0x70, u16(1), Uint8Array.of(code)),
    malformed,
    protocolError,
  ]),
);

refused(test, '[MQTT-4.13.1-1]', [
  ['a PUBCOMP with a flag', '72 02 0001', malformed],
  ['a PUBCOMP without a packet identifier', '70 00', malformed],
  ['a PUBCOMP for packet identifier 0', '70 02 0000', malformed, protocolError],
  ['a PUBCOMP whose properties are longer than the packet', '70 04 0001 00 05', malformed],
  ['a PUBCOMP with a property of PUBLISH', '70 06 0001 00 02 01 00', malformed, protocolError],
  ['a PUBCOMP with two reason strings', packet(0x70, '0001 00', properties(why, why)), protocolError],
]);

test('[MQTT-3.7.2-2] [MQTT-3.7.2-3] a PUBCOMP says no more than the client takes', async (context) => {
  await assertFits(context, async (client) => {
    client.send(pubrel(77));
    return await client.next();
  });
});
