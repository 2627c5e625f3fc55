/** The first byte of a packet and its remaining length. */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.ts';
import { type Octets, octets, packet, string, text, u8, u16 } from '../support/octets.ts';
import { connect, pingreq, publish, pubrec, pubrel, subscribe, unsubscribe } from '../support/packets.ts';
import { hexOf } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '2.1 Structure of an MQTT Control Packet');

const malformedPacket = 0x81;
const protocolError = 0x82;

/** Packets of a client whose flags are reserved, each as it should be. */
const reservedFlags: Readonly<Record<string, Octets>> = {
  PUBACK: packet(0x40, '0001'),
  PUBREC: packet(0x50, '0001'),
  PUBREL: packet(0x62, '0001'),
  PUBCOMP: packet(0x70, '0001'),
  SUBSCRIBE: subscribe('5.0', [['t', 0]]),
  UNSUBSCRIBE: unsubscribe('5.0', ['t']),
  PINGREQ: pingreq,
  DISCONNECT: octets('e0 00'),
  AUTH: octets('f0 00'),
};

for (const [name, right] of Object.entries(reservedFlags)) {
  test(`[MQTT-2.1.3-1] any other flags of ${name} are a Malformed Packet`, async (context) => {
    const [first = 0] = right;
    for (let flags = 0; flags < 16; flags++) {
      if (flags === (first & 0x0f)) continue;
      const client = await context.connect();
      client.send(withFirstByte(right, (first & 0xf0) | flags));
      await client.ended(malformedPacket);
    }
  });
}

test('[MQTT-2.1.3-1] any flag of CONNECT is a Malformed Packet', async ({ open, name }) => {
  for (let flags = 1; flags < 16; flags++) {
    const client = await open();
    client.send(withFirstByte(connect('5.0', { clientId: name() }), 0x10 | flags));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-2.1.3-1] the flags in the packets of the server are those of the table', async (context) => {
  const topic = context.name();
  const client = await context.open();
  const headers: number[] = [];
  const exchange = async (bytes: Octets): Promise<void> => {
    client.send(bytes);
    headers.push((await client.next()).header);
  };
  await exchange(connect('5.0', { clientId: topic }));
  await exchange(subscribe('5.0', [[topic, 0]]));
  await exchange(publish('5.0', context.name('/q1'), '', { qos: 1, id: 1 }));
  await exchange(publish('5.0', context.name('/q2'), '', { qos: 2, id: 2 }));
  await exchange(pubrel(2));
  await exchange(pubrec(77)); // a message that there is not: PUBREL all the same
  await exchange(publish('5.0', topic));
  await exchange(unsubscribe('5.0', [topic]));
  await exchange(pingreq);
  assert.deepEqual(headers, [0x20, 0x90, 0x40, 0x50, 0x70, 0x62, 0x30, 0xb0, 0xd0]);
});

test('[MQTT-2.1.3-1] the packet type 0 is forbidden, whatever its flags', async (context) => {
  for (const bytes of ['00 00', '02 00', '0f 00', "00 03 0001 't'"]) {
    const client = await context.connect();
    client.send(bytes);
    await client.ended(malformedPacket, protocolError);
  }
});

test('[MQTT-2.1.3-1] packets that only a server sends are refused', async (context) => {
  const packets = ['20 03 000000', '90 04 0001 00 00', 'b0 04 0001 00 00', 'd0 00'];
  for (const bytes of packets) {
    const client = await context.connect();
    client.send(bytes);
    await client.ended(malformedPacket, protocolError);
  }
});

/** Bodies that are shorter or longer than what they say. */
const wrongLengths: Readonly<Record<string, Octets>> = {
  'a PUBLISH without a body': packet(0x30),
  'a PUBLISH that ends in the length of its topic': packet(0x30, '00'),
  'a PUBLISH whose topic is longer than the packet': packet(0x30, '0009', text('t'), '00'),
  'a PUBLISH that ends before its packet identifier': packet(0x32, string('t')),
  'a PUBLISH that ends in its packet identifier': packet(0x32, string('t'), '00'),
  'a PUBLISH that ends before its property length': packet(0x30, string('t')),
  'a PUBACK without a body': packet(0x40),
  'a PUBACK of one byte': packet(0x40, '00'),
  'a PUBREC of one byte': packet(0x50, '00'),
  'a PUBREL of one byte': packet(0x62, '00'),
  'a PUBCOMP of one byte': packet(0x70, '00'),
  'a PUBACK with bytes behind its properties': packet(0x40, '0001 00 00 ff'),
  'a SUBSCRIBE without a body': packet(0x82),
  'a SUBSCRIBE that ends before its property length': packet(0x82, '0001'),
  'a SUBSCRIBE that ends in a topic filter': packet(0x82, '0001 00 0002 61'),
  'a SUBSCRIBE that ends before its options': packet(0x82, '0001 00', string('t')),
  'a SUBSCRIBE whose second entry is cut off': packet(0x82, '0001 00', string('t'), '00', '0001'),
  'an UNSUBSCRIBE without a body': packet(0xa2),
  'an UNSUBSCRIBE that ends in a topic filter': packet(0xa2, '0001 00 0002 61'),
  'a PINGREQ with a body': octets('c0 01 00'),
  'a DISCONNECT with bytes behind its properties': packet(0xe0, '00 00 ff'),
};

for (const [name, bytes] of Object.entries(wrongLengths)) {
  test(`[MQTT-2.1.3-1] ${name} is a Malformed Packet (2.1.4)`, async (context) => {
    const client = await context.connect();
    client.send(bytes);
    await client.ended(malformedPacket);
  });
}

test('[MQTT-2.1.3-1] a packet may come in pieces, and several in one piece (2.1.4)', async (context) => {
  const topic = context.name();
  const client = await context.connect();
  await client.subscribe(topic);
  const bytes = publish('5.0', topic, 'x'.repeat(300));
  for (const byte of bytes) client.send(u8(byte));
  await client.expect(bytes);
  client.send(bytes, pingreq, bytes, bytes);
  const received = [];
  for (let count = 0; count < 4; count++) received.push(hexOf(await client.next()));
  assert.deepEqual(received.map((hex) => hex.slice(0, 2)).sort(), ['30', '30', '30', 'd0']);
});

test('[MQTT-2.1.3-1] what ends one connection does not touch another one', async (context) => {
  const bystanders: Client[] = [];
  const topic = context.name();
  for (let count = 0; count < 3; count++) bystanders.push(await context.connect());
  for (const bystander of bystanders) await bystander.subscribe(topic);
  for (const bytes of ['00 00', '30 01 00', packet(0x30, u16(9)), '36 03 0001 61']) {
    const client = await context.connect();
    client.send(bytes);
    await client.ended(malformedPacket, protocolError);
  }
  const publisher = await context.connect();
  await publisher.publish(topic, 'still here');
  for (const bystander of bystanders) assert.equal((await bystander.receive()).text, 'still here');
});

function withFirstByte(bytes: Octets, first: number): Octets {
  return octets(u8(first), bytes.subarray(1));
}
