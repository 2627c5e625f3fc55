/** Section 2.2: the fixed header. */
import assert from 'node:assert/strict';
import { octets, packet, string } from '../support/octets.ts';
import { pubrec, pubrel } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '2.2 Fixed header');

/** Packets with a first byte that is right, and their bodies. */
const reserved = {
  PUBACK: [0x40, '0001'],
  PUBREC: [0x50, '0001'],
  PUBREL: [0x62, '0001'],
  PUBCOMP: [0x70, '0001'],
  SUBSCRIBE: [0x82, "0001 0001 'a' 00"],
  UNSUBSCRIBE: [0xa2, "0001 0001 'a'"],
  PINGREQ: [0xc0, ''],
  DISCONNECT: [0xe0, ''],
} as const;

for (const [name, [header, body]] of Object.entries(reserved)) {
  test(`[MQTT-2.2.2-2] ${name} with other flags than its own ends the connection`, async ({ connect }) => {
    for (let flags = 0; flags < 16; flags++) {
      if (flags === (header & 0x0f)) continue;
      const client = await connect();
      // What comes behind it would be answered.
      client.send(packet((header & 0xf0) | flags, body), 'c0 00');
      await client.closed();
    }
  });
}

test('[MQTT-2.2.2-2] CONNECT with flags ends the connection', async ({ open, name }) => {
  for (let flags = 1; flags < 16; flags++) {
    const client = await open();
    client.send(packet(0x10 | flags, string('MQTT'), '04 02 0000', string(name())));
    await client.closed();
  }
});

test('[MQTT-2.2.2-1] the packets of the server have the flags of the table', async ({ open, name }) => {
  const client = await open();
  const headerOfNext = async (): Promise<number> => (await client.next()).header;
  client.send(packet(0x10, string('MQTT'), '04 02 0000', string(name())));
  assert.equal(await headerOfNext(), 0x20, 'CONNACK');
  client.send(packet(0x82, '0001', string(name('/t')), '02'));
  assert.equal(await headerOfNext(), 0x90, 'SUBACK');
  client.send(packet(0x32, string(name('/other')), '0001'));
  assert.equal(await headerOfNext(), 0x40, 'PUBACK');
  client.send('c0 00');
  assert.equal(await headerOfNext(), 0xd0, 'PINGRESP');
  client.send(packet(0x34, string(name('/other')), '0001'));
  assert.equal(await headerOfNext(), 0x50, 'PUBREC');
  client.send(pubrel(1));
  assert.equal(await headerOfNext(), 0x70, 'PUBCOMP');
  await client.publish(name('/t'), '', { qos: 2 });
  const { id } = await client.nextPublish();
  client.send(pubrec(id));
  assert.equal(await headerOfNext(), 0x62, 'PUBREL');
  client.send(packet(0xa2, '0002', string(name('/t'))));
  assert.equal(await headerOfNext(), packetType.unsuback << 4, 'UNSUBACK');
});

test('[MQTT-2.2.2-2] packet types that are reserved end the connection', async ({ connect }) => {
  for (const header of [0x00, 0x0f, 0xf0, 0xff]) {
    const client = await connect();
    client.send(octets(Uint8Array.of(header, 0)), 'c0 00');
    await client.closed();
  }
});
