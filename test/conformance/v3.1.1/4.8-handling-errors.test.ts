/** Section 4.8: a violation of the protocol ends the connection, and nobody else's. */
import assert from 'node:assert/strict';
import { octets, packet, string } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '4.8 Handling errors');

const violations = {
  'a second CONNECT': packet(0x10, string('MQTT'), '04 02 0000', string('second')),
  'CONNACK from a client': octets('20 02 00 00'),
  'SUBACK from a client': octets('90 03 0001 00'),
  'UNSUBACK from a client': octets('b0 02 0001'),
  'PINGRESP from a client': octets('d0 00'),
  'the packet type 0': octets('00 00'),
  'the packet type 15': octets('f0 00'),
  'a remaining length of five bytes': octets('30 ff ff ff ff 01'),
  'a remaining length of five bytes, of nothing': octets('c0 80 80 80 80 00'),
  'a PINGREQ with a body': octets('c0 01 00'),
  'a DISCONNECT with a body': octets('e0 01 00'),
  'a PUBACK of one byte': octets('40 01 00'),
  'a PUBACK of three bytes': octets('40 03 0001 00'),
  'a PUBREL of four bytes': octets('62 04 0001 0000'),
  'a PUBLISH whose topic name is longer than itself': octets("30 04 0009 'ab'"),
};

for (const [name, bytes] of Object.entries(violations)) {
  test(`[MQTT-4.8.0-1] ${name} ends the connection, and no other one`, async ({ connect }) => {
    const bystander = await connect();
    const client = await connect();
    client.send(bytes, 'c0 00');
    await client.closed();
    await bystander.ping();
  });
}

test('[MQTT-4.8.0-1] what comes behind a violation has no effect', async ({ connect, name }) => {
  const topic = name('/t');
  const watcher = await connect();
  await watcher.subscribe(topic, 1);
  const client = await connect();
  client.send(
    publish('3.1.1', topic, 'before', { qos: 1 }),
    octets('00 00'),
    publish('3.1.1', topic, 'behind', { qos: 1 }),
  );
  await client.raw.closed();
  const publisher = await connect();
  await publisher.publish(topic, 'marker', { qos: 1 });
  const texts: string[] = [];
  while (texts.at(-1) !== 'marker') texts.push((await watcher.receive()).text);
  assert.ok(!texts.includes('behind'), `${texts}`);
});
