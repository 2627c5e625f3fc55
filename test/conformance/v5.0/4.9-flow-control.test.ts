/** Receive Maximum: how much may be under way, in both directions. */
import assert from 'node:assert/strict';
import { octets, packet, u16, u32 } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import { packetType, singleValueOf } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '4.9 Flow Control');

const receiveMaximum = (count: number): Uint8Array => octets('21', u16(count));

for (const maximum of [1, 2, 10]) {
  test(`[MQTT-4.9.0-1] [MQTT-4.9.0-2] with a Receive Maximum of ${maximum} so many messages are under way and no more`, async ({
    connect,
    name,
  }) => {
    const publisher = await connect();
    const client = await connect({ properties: receiveMaximum(maximum) });
    await client.subscribe(name(), 2);
    for (let index = 0; index < maximum + 3; index++) {
      await publisher.publish(name(), `${index}`, { qos: index % 2 === 0 ? 2 : 1 });
    }
    const messages = [];
    while (messages.length < maximum) messages.push(await client.nextPublish());
    assert.deepEqual(
      messages.map(({ text }) => text),
      Array.from({ length: maximum }, (_, index) => `${index}`),
    );
    await client.ping();
    // Each that is complete makes room for one.
    const [first] = messages;
    assert.ok(first !== undefined && first.qos === 2);
    client.send(pubrec(first.id));
    await client.nextAcknowledgement(packetType.pubrel);
    await client.ping();
    client.send(pubcomp(first.id));
    assert.equal((await client.nextPublish()).text, `${maximum}`);
    await client.ping();
  });
}

test('[MQTT-4.9.0-2] PUBACK, PUBCOMP and a PUBREC with 0x80 or more make room, whatever their reason code', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect({ properties: receiveMaximum(1) });
  await client.subscribe(name(), 2);
  for (const [text, qos] of [
    ['a', 1],
    ['b', 2],
    ['c', 2],
    ['d', 1],
    ['e', 1],
  ] as const) {
    await publisher.publish(name(), text, { qos });
  }
  const next = async (text: string): Promise<number> => {
    const message = await client.nextPublish();
    assert.equal(message.text, text);
    await client.ping();
    return message.id;
  };
  client.send(packet(0x40, u16(await next('a')), '83'));
  client.send(packet(0x50, u16(await next('b')), '97'));
  const c = await next('c');
  client.send(pubrec(c));
  await client.nextAcknowledgement(packetType.pubrel);
  client.send(packet(0x70, u16(c), '92'));
  client.send(puback(await next('d')));
  await next('e');
});

test('[MQTT-4.9.0-2] an answer that is for nothing makes no room', async ({ connect, name }) => {
  const publisher = await connect();
  const client = await connect({ properties: receiveMaximum(1) });
  await client.subscribe(name(), 1);
  for (const text of ['a', 'b', 'c']) await publisher.publish(name(), text, { qos: 1 });
  const { id } = await client.nextPublish();
  client.send(puback(id));
  const b = await client.nextPublish();
  client.send(puback(id), puback(id));
  if (id !== b.id) await client.ping();
});

test('[MQTT-4.9.0-1] the quota begins anew with each connection', async ({ connect, name }) => {
  const publisher = await connect();
  const session = { clientId: name('s'), properties: octets('11', u32(60), receiveMaximum(2)) };
  const first = await connect(session);
  await first.subscribe(name(), 1);
  for (const text of ['a', 'b', 'c', 'd']) await publisher.publish(name(), text, { qos: 1 });
  for (const text of ['a', 'b']) assert.equal((await first.nextPublish()).text, text);
  await first.drop();
  const three = { clientId: name('s'), properties: octets('11', u32(60), receiveMaximum(3)), clean: false };
  const second = await connect(three);
  for (const text of ['a', 'b', 'c']) assert.equal((await second.nextPublish()).text, text);
  await second.ping();
  await second.drop();
  const third = await connect({ ...three, properties: octets('11', u32(60), receiveMaximum(1)) });
  assert.equal((await third.nextPublish()).text, 'a');
  await third.ping();
});

test('[MQTT-4.9.0-3] with no quota left everything else goes on', async ({ connect, name }) => {
  const publisher = await connect();
  const client = await connect({ properties: receiveMaximum(1) });
  await client.subscribe(name(), 2);
  for (const text of ['a', 'b']) await publisher.publish(name(), text, { qos: 2 });
  const { id } = await client.nextPublish();
  await client.ping();
  assert.deepEqual(await client.subscribe(name('/x'), 1), [1]);
  assert.deepEqual((await client.unsubscribe(name('/x'))).codes, [0]);
  await client.publish(name('/y'), 'm', { qos: 1 });
  await client.publish(name('/y'), 'm', { qos: 2 });
  client.send(pubrec(id));
  assert.equal((await client.nextAcknowledgement(packetType.pubrel)).id, id);
  client.send(pubrec(id));
  assert.equal((await client.nextAcknowledgement(packetType.pubrel)).id, id);
});

test('[MQTT-4.9.0-3] the server goes on answering a client whose own quota is used up', async ({
  connect,
  name,
}) => {
  const client = await connect();
  const maximum = singleValueOf(client.connack.properties, 0x21) ?? 65_535;
  const used = Math.min(Number(maximum), 20);
  for (let id = 1; id <= used; id++) {
    client.send(publish('5.0', name(), 'm', { qos: 2, id }));
    await client.nextAcknowledgement(packetType.pubrec);
  }
  await client.ping();
  assert.deepEqual(await client.subscribe(name('/x'), 1), [1]);
  client.send(publish('5.0', name('/x'), 'QoS 0'));
  assert.equal((await client.nextPublish()).text, 'QoS 0');
  for (let id = 1; id <= used; id++) {
    client.send(pubrel(id));
    assert.deepEqual((await client.nextAcknowledgement(packetType.pubcomp)).codes, [0]);
  }
});

test(
  '[MQTT-4.9.0-2] a client that sends more than the Receive Maximum of the server is ended with 0x93',
  async ({ connect, name }) => {
    const client = await connect();
    assert.equal(singleValueOf(client.connack.properties, 0x21), 3);
    for (const id of [1, 2, 3]) client.send(publish('5.0', name(), 'm', { qos: 2, id }));
    for (const id of [1, 2, 3]) assert.equal((await client.nextAcknowledgement(packetType.pubrec)).id, id);
    client.send(publish('5.0', name(), 'm', { qos: 2, id: 4 }));
    await client.ended(0x93);
  },
  { broker: { limits: { receiveMaximum: 3 } } },
);
