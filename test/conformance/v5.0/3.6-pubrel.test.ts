/** PUBREL: the sender of a QoS 2 message gives its packet identifier back, in both directions. */
import assert from 'node:assert/strict';
import { assertFits } from '../support/fitting.ts';
import { octets, packet, properties, string, u16, userProperty } from '../support/octets.ts';
import { publish, pubrec } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.6 PUBREL');

const why = octets('1f', string('because'));
const allFlags = Array.from({ length: 16 }, (_, flags) => flags);

refused(
  test,
  '[MQTT-3.6.1-1]',
  allFlags
    .filter((flags) => flags !== 2)
    .map((flags) => [`a PUBREL with the flags ${flags}`, packet(0x60 | flags, u16(1)), malformed]),
);

test('[MQTT-3.6.2-1] PUBREC for a message under way is answered with PUBREL and Success', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe(name(), 2);
  await publisher.publish(name(), 'm', { qos: 2 });
  const { id } = await client.nextPublish();
  for (const attempt of ['first', 'again']) {
    client.send(pubrec(id));
    const { id: released, codes } = await client.nextAcknowledgement(packetType.pubrel);
    assert.deepEqual([released, codes], [id, [0]], attempt);
  }
});

test('[MQTT-3.6.2-1] PUBREC for an unknown packet identifier is answered with Packet Identifier not found, if at all', async ({
  connect,
  target,
}) => {
  const client = await connect();
  client.send(pubrec(77), 'c0 00');
  const answer = await client.next();
  // Some drop it: a PUBREC is not an error during recovery.
  if (!target.isOurs && answer.type === packetType.pingresp) return;
  assert.equal(answer.type, packetType.pubrel);
  assert.ok([0x00, 0x92].includes(answer.body[2] ?? 0));
  if (target.isOurs) assert.equal(answer.body[2], 0x92);
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
  test(`[MQTT-3.6.2-1] a PUBREL ${form} is answered with PUBCOMP`, async ({ connect, name }) => {
    const client = await connect();
    client.send(publish('5.0', name(), 'm', { qos: 2, id: 5 }));
    await client.nextAcknowledgement(packetType.pubrec);
    client.send(packet(0x62, u16(5), rest));
    const { id, codes } = await client.nextAcknowledgement(packetType.pubcomp);
    assert.deepEqual([id, codes], [5, [0]]);
  });
}

refused(
  test,
  '[MQTT-4.13.1-1]',
  [0x01, 0x10, 0x80, 0x91, 0xff].map((code) => [
    `a PUBREL with the reason code 0x${code.toString(16)}, which is none of PUBREL,`,
    packet(0x62, u16(1), Uint8Array.of(code)),
    malformed,
    protocolError,
  ]),
);

refused(test, '[MQTT-4.13.1-1]', [
  ['a PUBREL without a packet identifier', '62 00', malformed],
  ['a PUBREL for packet identifier 0', '62 02 0000', malformed, protocolError],
  ['a PUBREL whose properties are longer than the packet', '62 04 0001 00 05', malformed],
  ['a PUBREL with a property of PUBLISH', '62 06 0001 00 02 01 00', malformed, protocolError],
  ['a PUBREL with two reason strings', packet(0x62, '0001 00', properties(why, why)), protocolError],
]);

test('[MQTT-3.6.2-2] [MQTT-3.6.2-3] a PUBREL says no more than the client takes', async (context) => {
  await assertFits(context, async (client) => {
    client.send(pubrec(77), 'c0 00');
    const answer = await client.next();
    return answer.type === packetType.pubrel ? answer : undefined;
  });
});
