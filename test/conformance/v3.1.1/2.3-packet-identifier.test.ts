/** Section 2.3: packet identifiers. */
import assert from 'node:assert/strict';
import { packet, string } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel, subscribe, unsubscribe } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '2.3 Packet identifier');

test('[MQTT-2.3.1-1] the packet identifier 0 ends the connection', async ({ connect, name }) => {
  const topic = name('/t');
  for (const bytes of [
    packet(0x82, '0000', string(topic), '00'),
    packet(0xa2, '0000', string(topic)),
    packet(0x32, string(topic), '0000'),
    packet(0x34, string(topic), '0000'),
  ]) {
    const client = await connect();
    client.send(bytes);
    await client.closed();
  }
});

test('[MQTT-2.3.1-1] a packet without room for its packet identifier ends the connection', async ({
  connect,
}) => {
  for (const bytes of ['82 00', '82 01 00', 'a2 01 00', "32 03 0001 'a'", "34 04 0001 'a' 00", '40 01 00']) {
    const client = await connect();
    client.send(bytes);
    await client.closed();
  }
});

test('[MQTT-2.3.1-4] the packet identifiers of a server are not 0, and each is in use once', async ({
  connect,
  name,
}) => {
  const subscriber = await connect();
  const publisher = await connect();
  const topic = name('/t');
  assert.deepEqual(await subscriber.subscribe(topic, 2), [2]);
  const inUse = new Set<number>();
  // Some servers stop at 20 messages in flight.
  for (let round = 0; round < 15; round++) {
    await publisher.publish(topic, 'x', { qos: round % 2 === 0 ? 1 : 2 });
    const { id } = await subscriber.nextPublish();
    assert.notEqual(id, 0);
    assert.ok(!inUse.has(id), `${id} is in use`);
    inUse.add(id);
  }
});

test('[MQTT-2.3.1-4] a server sends a message again with the packet identifier it had', async ({
  connect,
  name,
}) => {
  const clientId = name('c');
  const before = await connect({ clientId, clean: false });
  const topic = name('/t');
  await before.subscribe(topic, 2);
  const publisher = await connect();
  for (const [qos, payload] of [
    [1, 'a'],
    [2, 'b'],
    [1, 'c'],
  ] as const) {
    await publisher.publish(topic, payload, { qos });
  }
  const identifiers = new Map<string, number>();
  for (let count = 0; count < 3; count++) {
    const message = await before.nextPublish();
    identifiers.set(message.text, message.id);
  }
  await before.drop();
  const again = await connect({ clientId, clean: false });
  for (let count = 0; count < 3; count++) {
    const message = await again.nextPublish();
    assert.equal(message.id, identifiers.get(message.text));
  }
});

test('[MQTT-2.3.1-5] a PUBLISH of QoS 0 has no packet identifier, either way', async ({ connect, name }) => {
  const client = await connect();
  const topic = name('/t');
  assert.deepEqual(await client.subscribe(topic, 2), [2]);
  client.send(packet(0x30, string(topic), '0001 ff'));
  await client.expect(packet(0x30, string(topic), '0001 ff'));
});

test('[MQTT-2.3.1-6] PUBACK, PUBREC, PUBREL and PUBCOMP have the packet identifier of their PUBLISH', async ({
  connect,
  name,
}) => {
  const client = await connect();
  const topic = name('/t');
  for (const id of [1, 2, 255, 256, 32_768, 65_535]) {
    client.send(publish('3.1.1', topic, 'x', { qos: 1, id }));
    await client.expect(puback(id));
    client.send(publish('3.1.1', topic, 'x', { qos: 2, id }));
    await client.expect(pubrec(id));
    client.send(pubrel(id));
    await client.expect(pubcomp(id));
  }
  await client.subscribe(topic, 2);
  await client.publish(topic, 'x', { qos: 2 });
  const { id } = await client.nextPublish();
  client.send(pubrec(id));
  await client.expect(pubrel(id));
  client.send(pubcomp(id));
  await client.ping();
});

test('[MQTT-2.3.1-7] SUBACK and UNSUBACK have the packet identifier of what they answer', async ({
  connect,
  name,
}) => {
  const client = await connect();
  for (const id of [1, 2, 255, 256, 32_768, 65_535]) {
    client.send(subscribe('3.1.1', [[name('/t'), 0]], { id }));
    assert.equal((await client.nextAcknowledgement(packetType.suback)).id, id);
    client.send(unsubscribe('3.1.1', [name('/t')], { id }));
    assert.equal((await client.nextAcknowledgement(packetType.unsuback)).id, id);
  }
});
