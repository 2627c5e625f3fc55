/** Packet identifiers: which packets have one, and whose they are. */
import assert from 'node:assert/strict';
import { hex, packet, string } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel, subscribe, unsubscribe } from '../support/packets.ts';
import { receiveMaximum } from '../support/properties.ts';
import { hexOf, type Publish, packetType, readPublish } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '2.2.1 Packet Identifier');

const malformedPacket = 0x81;
const protocolError = 0x82;
const someIds = [1, 254, 256, 0x1234, 0x8000, 65_535];

test('[MQTT-2.2.1-2] the server sends no packet identifier with QoS 0', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe(name(), 2);
  await client.publish(name(), 'x');
  await client.expect(packet(0x30, string(name()), '00', "'x'"));
});

test('[MQTT-2.2.1-2] what stands behind the topic of a PUBLISH with QoS 0 is its properties', async (context) => {
  const { connect, name } = context;
  const client = await connect();
  await client.subscribe(name());
  // Read as packet identifier 1, no properties, payload "a", it would lose its expiry and gain a payload.
  client.send(packet(0x30, string(name()), '00 01 00', "'a'"));
  assert.deepEqual([...(await client.nextPublish()).payload], [0x01, 0x00, 0x61]);
});

const withZero = {
  'PUBLISH with QoS 1': publish('5.0', 't', '', { qos: 1, id: 0 }),
  'PUBLISH with QoS 2': publish('5.0', 't', '', { qos: 2, id: 0 }),
  SUBSCRIBE: subscribe('5.0', [['t', 0]], { id: 0 }),
  UNSUBSCRIBE: unsubscribe('5.0', ['t'], { id: 0 }),
};

for (const [name, bytes] of Object.entries(withZero)) {
  test(`[MQTT-2.2.1-3] packet identifier 0 in ${name} ends the connection`, async ({ connect }) => {
    const client = await connect();
    client.send(bytes);
    await client.ended(malformedPacket, protocolError);
  });
}

test('[MQTT-2.2.1-3] a client may use an identifier again once it is answered', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe(name(), 2, { id: 7 });
  for (const qos of [1, 2, 1, 2] as const) await client.publish(name('/x'), '', { qos, id: 7 });
  await client.subscribe(name(), 2, { id: 7 });
  await client.ping();
});

test('[MQTT-2.2.1-4] the identifiers of messages in flight are different, and none is 0', async (context) => {
  const { connect, name } = context;
  const client = await connect({ properties: receiveMaximum(20) });
  await client.subscribe(name(), 2);
  const publisher = await connect();
  for (let count = 0; count < 60; count++) {
    await publisher.publish(name(), `${count}`, { qos: count % 2 === 0 ? 1 : 2 });
  }
  const inFlight = new Map<number, number>();
  let received = 0;
  const take = (message: Publish): void => {
    assert.notEqual(message.id, 0);
    assert.ok(!inFlight.has(message.id), `${message.id} is in flight already`);
    inFlight.set(message.id, message.qos);
    received++;
  };
  while (received < 20) take(await client.nextPublish());
  // One of the middle is completed, so that the others stay in flight while new ones come.
  for (let completed = 1; completed <= 40; completed++) {
    const [id, qos] = [...inFlight][completed % 7] ?? assert.fail('none in flight');
    if (qos === 1) client.send(puback(id));
    else {
      client.send(pubrec(id));
      let next = await client.next();
      for (; next.type === packetType.publish; next = await client.next()) take(readPublish('5.0', next));
      assert.equal(hexOf(next), hex(pubrel(id)));
      client.send(pubcomp(id));
    }
    inFlight.delete(id);
    while (received < 20 + completed) take(await client.nextPublish());
  }
});

test('[MQTT-2.2.1-4] [MQTT-2.2.1-3] each side deals out its own identifiers', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe(name(), 1);
  const publisher = await connect();
  await publisher.publish(name(), 'from the server', { qos: 1 });
  const { id } = await client.nextPublish();
  // The same number in the other direction is another message.
  client.send(publish('5.0', name('/other'), '', { qos: 2, id }));
  assert.equal((await client.nextAcknowledgement(packetType.pubrec)).id, id);
  client.send(puback(id), pubrel(id));
  const { id: completed, codes } = await client.nextAcknowledgement(packetType.pubcomp);
  assert.deepEqual([completed, codes], [id, [0]]);
});

test('[MQTT-2.2.1-5] PUBACK, PUBREC and PUBCOMP have the identifier of the PUBLISH', async ({
  connect,
  name,
}) => {
  const client = await connect();
  for (const id of someIds) {
    client.send(publish('5.0', name(), '', { qos: 1, id }));
    assert.equal((await client.nextAcknowledgement(packetType.puback)).id, id);
    client.send(publish('5.0', name(), '', { qos: 2, id }));
    assert.equal((await client.nextAcknowledgement(packetType.pubrec)).id, id);
    client.send(pubrel(id));
    assert.equal((await client.nextAcknowledgement(packetType.pubcomp)).id, id);
  }
});

test('[MQTT-2.2.1-5] PUBREL has the identifier of the PUBLISH', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe(name(), 2);
  const publisher = await connect();
  const texts = ['a', 'b', 'c'];
  for (const text of texts) await publisher.publish(name(), text, { qos: 2 });
  const ids: number[] = [];
  for (const text of texts) {
    const message = await client.nextPublish();
    assert.equal(message.text, text);
    ids.push(message.id);
  }
  for (const id of ids) {
    client.send(pubrec(id));
    assert.equal((await client.nextAcknowledgement(packetType.pubrel)).id, id);
    client.send(pubcomp(id));
  }
  await client.ping();
});

test('[MQTT-2.2.1-6] SUBACK and UNSUBACK have the identifier of what they answer', async ({
  connect,
  name,
}) => {
  const client = await connect();
  for (const id of someIds) {
    const other = id ^ 0x0f;
    client.send(subscribe('5.0', [[name(), 0]], { id }), unsubscribe('5.0', [name()], { id: other }));
    assert.equal((await client.nextAcknowledgement(packetType.suback)).id, id);
    assert.equal((await client.nextAcknowledgement(packetType.unsuback)).id, other);
  }
});
