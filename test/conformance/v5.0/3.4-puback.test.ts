/** PUBACK: the answer to a QoS 1 message, in both directions. */
import assert from 'node:assert/strict';
import { assertFits } from '../support/fitting.ts';
import { octets, packet, properties, string, u16, userProperty } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.4 PUBACK');

const why = octets('1f', string('because'));

test('[MQTT-3.4.2-1] a message with a subscriber gets PUBACK with Success', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe(name());
  for (const id of [1, 256, 65_535]) {
    client.send(publish('5.0', name(), 'm', { qos: 1, id }));
    await client.receive();
    const { id: answered, codes } = await client.nextAcknowledgement(packetType.puback);
    assert.equal(answered, id);
    assert.deepEqual(codes, [0]);
  }
});

test('[MQTT-3.4.2-1] a message without a subscriber gets Success or No matching subscribers', async ({
  connect,
  name,
}) => {
  const client = await connect();
  client.send(publish('5.0', name(), 'm', { qos: 1, id: 7 }));
  const { id, codes } = await client.nextAcknowledgement(packetType.puback);
  assert.equal(id, 7);
  assert.ok(codes[0] === 0 || codes[0] === 0x10, `reason code ${codes[0]}`);
});

// With a Receive Maximum of 1 the next message shows that the one before counts as acknowledged.
const receiveMaximumOne = '21 0001';

const forms = [
  ['of two bytes', ''],
  ['with Success', '00'],
  ['with Success and no properties', '00 00'],
  ['with No matching subscribers', '10'],
  ['with Unspecified error', '80'],
  ['with Implementation specific error', '83'],
  ['with Not authorized', '87'],
  ['with Topic Name invalid', '90'],
  ['with Packet identifier in use', '91'],
  ['with Quota exceeded', '97'],
  ['with Payload format invalid', '99'],
  ['with a reason string', octets('00', properties(why))],
  [
    'with a reason string and user properties',
    octets('80', properties(userProperty('k', '1'), why, userProperty('k', '2'))),
  ],
] as const;

for (const [form, rest] of forms) {
  test(`[MQTT-3.4.2-1] a PUBACK ${form} acknowledges the message`, async ({ connect, name }) => {
    const publisher = await connect();
    const client = await connect({ properties: receiveMaximumOne });
    await client.subscribe(name(), 1);
    for (const text of ['first', 'second']) await publisher.publish(name(), text, { qos: 1 });
    const first = await client.nextPublish();
    assert.equal(first.text, 'first');
    await client.ping();
    client.send(packet(0x40, u16(first.id), rest));
    assert.equal((await client.nextPublish()).text, 'second');
  });
}

refused(
  test,
  '[MQTT-4.13.1-1]',
  [0x01, 0x11, 0x81, 0x82, 0x92, 0xff].map((code) => [
    `a PUBACK with the reason code 0x${code.toString(16)}, which is none of PUBACK,`,
    packet(0x40, u16(1), Uint8Array.of(code)),
    malformed,
    protocolError,
  ]),
);

refused(test, '[MQTT-4.13.1-1]', [
  ['a PUBACK with a flag', '41 02 0001', malformed],
  ['a PUBACK without a packet identifier', '40 00', malformed],
  ['a PUBACK with half a packet identifier', '40 01 00', malformed],
  ['a PUBACK for packet identifier 0', '40 02 0000', malformed, protocolError],
  ['a PUBACK whose properties are longer than the packet', '40 04 0001 00 05', malformed],
  ['a PUBACK whose properties are shorter than what follows', '40 05 0001 00 00 00', malformed],
  ['a PUBACK with a property of PUBLISH', '40 06 0001 00 02 01 00', malformed, protocolError],
  ['a PUBACK with an unknown property', '40 06 0001 00 02 7f 00', malformed, protocolError],
  ['a PUBACK with two reason strings', packet(0x40, '0001 00', properties(why, why)), protocolError],
  ['a PUBACK whose reason string is not UTF-8', '40 09 0001 00 05 1f 0002 c328', malformed],
  ['a PUBACK whose user property is cut off', '40 08 0001 00 04 26 0001 61', malformed],
]);

test('[MQTT-3.4.2-2] [MQTT-3.4.2-3] a PUBACK says no more than the client takes', async (context) => {
  await assertFits(context, async (client) => {
    client.send(publish('5.0', context.name('/nobody'), 'm', { qos: 1, id: 9 }));
    return await client.next();
  });
});
