/** What comes of a PUBLISH: answers, overlapping subscriptions, and the Receive Maximum of both sides. */
import assert from 'node:assert/strict';
import { octets, packet, string, userProperty } from '../support/octets.ts';
import {
  connect as connectPacket,
  pingreq,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  subscribe,
} from '../support/packets.ts';
import { contentType, identifier, receiveMaximum, subscriptionIdentifier } from '../support/properties.ts';
import { type Publish, packetType, readPublish, singleValueOf, valuesOf } from '../support/received.ts';
import { type Context, section } from '../support/section.ts';

const test = section('5.0', '3.3.4 PUBLISH, actions');

const protocolError = 0x82;
const receiveMaximumExceeded = 0x93;

test('[MQTT-3.3.4-1] QoS 0 is answered with nothing, QoS 1 with PUBACK, QoS 2 with PUBREC', async (context) => {
  const { connect, name } = context;
  for (const topic of [name('/nobody'), name('/someone')]) {
    await (await connect()).subscribe(name('/someone'), 2);
    const client = await connect();
    client.send(publish('5.0', topic, 'x'));
    await client.ping();
    for (const [qos, type] of [
      [1, packetType.puback],
      [2, packetType.pubrec],
    ] as const) {
      client.send(publish('5.0', topic, 'x', { qos, id: 100 + qos }));
      const { id, codes } = await client.nextAcknowledgement(type);
      assert.equal(id, 100 + qos);
      // Without a subscriber a server may say so.
      const isFine = codes[0] === 0 || (codes[0] === 0x10 && topic === name('/nobody'));
      assert.ok(isFine, `reason code ${codes}`);
    }
    await client.ping();
  }
});

test('[MQTT-3.3.4-1] a message for a subscriber of its own comes to the publisher too', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name(), 1);
  await client.publish(name(), 'mine', { qos: 1 });
  assert.equal((await client.receive()).text, 'mine');
});

/** All copies of a message that came to a client before the marker. */
async function copiesOf({ connect, name }: Context, client: Awaited<ReturnType<Context['connect']>>) {
  const publisher = await connect();
  await publisher.publish(name('/a/b'), 'x', { qos: 2 });
  await publisher.publish(name('/a/b'), 'marker', { qos: 2 });
  const copies: Publish[] = [];
  for (;;) {
    const message = await client.receive();
    if (message.text === 'marker') return copies;
    copies.push(message);
  }
}

test('[MQTT-3.3.4-2] overlapping subscriptions deliver with the highest QoS that was granted', async (context) => {
  const { connect, name } = context;
  for (const [first, second] of [
    [0, 1],
    [1, 0],
    [2, 1],
    [0, 2],
    [2, 2],
  ] as const) {
    const client = await connect();
    await client.subscribe(name('/a/+'), first);
    await client.subscribe(name('/a/#'), second);
    const qos = (await copiesOf(context, client)).map((copy) => copy.qos);
    assert.equal(Math.max(...qos), Math.max(first, second));
    await client.drop();
  }
});

test('[MQTT-3.3.4-2] no copy has a higher QoS than its message', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe([name('/a/+'), name('/a/#'), name('/a/b')], 2);
  const publisher = await connect();
  for (const text of ['x', 'end']) await publisher.publish(name('/a/b'), text, { qos: text === 'x' ? 1 : 0 });
  for (;;) {
    const message = await client.receive();
    assert.equal(message.qos, message.text === 'x' ? 1 : 0);
    if (message.text === 'end') break;
  }
});

/** The subscription identifiers of a message, in whatever number of copies it comes. */
async function identifiersOf(context: Context, entries: readonly (readonly [string, number])[]) {
  const client = await context.connect();
  for (const [filter, id] of entries) {
    const properties = id === 0 ? '' : subscriptionIdentifier(id);
    await client.subscribe(context.name(filter), 2, { properties });
  }
  const copies = await copiesOf(context, client);
  return copies.map(({ properties }) => valuesOf(properties, identifier.subscriptionIdentifier));
}

const ascending = (left: unknown, right: unknown) => Number(left) - Number(right);

test('[MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5] the identifiers of all matching subscriptions come with a message', async (context) => {
  const entries = [
    ['/a/b', 1],
    ['/a/+', 200],
    ['/+/b', 20_000],
    ['/#', 268_435_455],
    ['/other', 5],
  ] as const;
  const copies = await identifiersOf(context, entries);
  const expected = [1, 200, 20_000, 268_435_455];
  assert.deepEqual(copies.flat().sort(ascending), expected);
  // In one copy there are all, in several each has the one that it is for.
  if (copies.length > 1) for (const ids of copies) assert.equal(ids.length, 1);
});

test('[MQTT-3.3.4-3] a subscription without identifier adds none', async (context) => {
  const copies = await identifiersOf(context, [
    ['/a/b', 0],
    ['/a/+', 7],
  ]);
  assert.deepEqual(copies.flat(), [7]);
  assert.deepEqual((await identifiersOf(context, [['/a/b', 0]])).flat(), []);
});

test('[MQTT-3.3.4-4] an identifier that several matching subscriptions have comes for each', async (context) => {
  const copies = await identifiersOf(context, [
    ['/a/b', 7],
    ['/a/+', 7],
    ['/a/#', 7],
  ]);
  assert.deepEqual(copies.flat(), [7, 7, 7]);
});

test('[MQTT-3.3.4-3] the identifier is that of the last SUBSCRIBE for its filter', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name(), 0, { properties: subscriptionIdentifier(1) });
  for (const id of [2, 0]) {
    await client.subscribe(name(), 0, { properties: id === 0 ? '' : subscriptionIdentifier(id) });
    await client.publish(name(), 'x');
    const { properties } = await client.receive();
    assert.deepEqual(valuesOf(properties, identifier.subscriptionIdentifier), id === 0 ? [] : [id]);
  }
});

test('[MQTT-3.3.4-3] the identifier of a SUBSCRIBE is that of all its filters', async ({ connect, name }) => {
  const client = await connect();
  const filters = [name('/a'), name('/b')];
  await client.subscribe(filters, 0, { properties: subscriptionIdentifier(9) });
  for (const topic of filters) {
    await client.publish(topic, 'x');
    const { properties } = await client.receive();
    assert.deepEqual(valuesOf(properties, identifier.subscriptionIdentifier), [9]);
  }
});

test('[MQTT-3.3.4-3] retained and waiting messages have the identifier too', async ({ connect, name }) => {
  const publisher = await connect();
  await publisher.publish(name('/r'), 'retained', { retain: true, qos: 1 });
  const fields = { clientId: name(), properties: octets('11 00000064') };
  const first = await connect(fields);
  await first.subscribe(name('/r'), 1, { properties: subscriptionIdentifier(300) });
  const retained = await first.receive();
  assert.deepEqual(valuesOf(retained.properties, identifier.subscriptionIdentifier), [300]);
  await first.disconnect();
  await publisher.publish(name('/r'), 'waiting', { qos: 1 });
  const second = await connect({ ...fields, clean: false, properties: octets('11 00000000') });
  const waiting = await second.receive();
  assert.deepEqual(valuesOf(waiting.properties, identifier.subscriptionIdentifier), [300]);
  await publisher.publish(name('/r'), '', { retain: true });
});

test('[MQTT-3.3.4-3] each client gets its own identifier, and no other', async ({ connect, name }) => {
  const clients = [await connect(), await connect(), await connect()];
  for (const [index, client] of clients.entries()) {
    const properties = index === 2 ? '' : subscriptionIdentifier(index + 1);
    await client.subscribe(name(), 0, { properties });
  }
  await (await connect()).publish(name(), 'x');
  const received = [];
  for (const client of clients) received.push((await client.receive()).properties);
  const ids = received.map((properties) => valuesOf(properties, identifier.subscriptionIdentifier));
  assert.deepEqual(ids, [[1], [2], []]);
});

test('[MQTT-3.3.4-6] a subscription identifier from a client is a Protocol Error', async ({
  connect,
  name,
}) => {
  const watcher = await connect();
  await watcher.subscribe(name());
  for (const qos of [0, 1] as const) {
    const client = await connect();
    client.send(publish('5.0', name(), 'x', { qos, properties: subscriptionIdentifier(1) }));
    await client.ended(protocolError);
  }
  await watcher.nothingBefore(await connect(), name());
});

test(
  '[MQTT-3.3.4-7] more messages than the Receive Maximum of the server end the connection with 0x93',
  async ({ connect, name }) => {
    const client = await connect();
    assert.equal(singleValueOf(client.connack.properties, identifier.receiveMaximum), 3);
    for (const id of [1, 2, 3]) {
      client.send(publish('5.0', name(), 'x', { qos: 2, id }));
      assert.equal((await client.nextAcknowledgement(packetType.pubrec)).id, id);
    }
    // QoS 0 does not count, nor does what is sent again.
    client.send(publish('5.0', name(), 'x'), publish('5.0', name(), 'x', { qos: 2, id: 1, dup: true }));
    assert.equal((await client.nextAcknowledgement(packetType.pubrec)).id, 1);
    client.send(publish('5.0', name(), 'x', { qos: 2, id: 4 }));
    await client.ended(receiveMaximumExceeded);
  },
  { broker: { limits: { receiveMaximum: 3 } } },
);

test(
  '[MQTT-3.3.4-7] what was completed does not count against the Receive Maximum of the server',
  async ({ connect, name }) => {
    const client = await connect();
    client.send(publish('5.0', name(), 'x', { qos: 2, id: 1 }));
    await client.nextAcknowledgement(packetType.pubrec);
    for (let id = 2; id < 20; id++) await client.publish(name(), 'x', { qos: id % 2 === 0 ? 1 : 2, id });
    client.send(pubrel(1));
    assert.equal((await client.nextAcknowledgement(packetType.pubcomp)).id, 1);
    for (const id of [1, 2]) {
      client.send(publish('5.0', name(), 'x', { qos: 2, id }));
      assert.equal((await client.nextAcknowledgement(packetType.pubrec)).id, id);
    }
  },
  { broker: { limits: { receiveMaximum: 2 } } },
);

test('[MQTT-3.3.4-7] as many messages as the Receive Maximum of the server are taken', async ({
  connect,
  name,
}) => {
  const client = await connect();
  const maximum = Number(singleValueOf(client.connack.properties, identifier.receiveMaximum) ?? 65_535);
  const count = Math.min(maximum, 2_000);
  const packets = [];
  for (let id = 1; id <= count; id++) packets.push(publish('5.0', name(), 'x', { qos: 2, id }));
  client.send(...packets);
  for (let id = 1; id <= count; id++) {
    assert.equal((await client.nextAcknowledgement(packetType.pubrec)).id, id);
  }
  await client.ping();
});

/** The texts of the messages that come without acknowledging one. */
async function inFlightOf(context: Context, properties: Uint8Array, options: number): Promise<Publish[]> {
  const { connect, name } = context;
  const client = await connect({ properties: octets(properties) });
  await client.subscribe(name(), options);
  const publisher = await connect();
  for (let count = 0; count < 10; count++) await publisher.publish(name(), `${count}`, { qos: 2 });
  client.send(pingreq);
  const messages: Publish[] = [];
  for (;;) {
    const received = await client.next();
    if (received.type === packetType.pingresp) break;
    messages.push(readPublish('5.0', received));
  }
  return messages;
}

for (const qos of [1, 2]) {
  test(`[MQTT-3.3.4-9] the server sends no more QoS ${qos} than the Receive Maximum of the client`, async (context) => {
    for (const maximum of [1, 3]) {
      const messages = await inFlightOf(context, receiveMaximum(maximum), qos);
      assert.ok(messages.length <= maximum, `${messages.length} of ${maximum}`);
    }
  });
}

test('[MQTT-3.3.4-9] PUBACK makes room for the next message, and the order stays', async ({
  connect,
  name,
}) => {
  const client = await connect({ properties: receiveMaximum(2) });
  await client.subscribe(name(), 1);
  const publisher = await connect();
  for (let count = 0; count < 8; count++) await publisher.publish(name(), `${count}`, { qos: 1 });
  const ids: number[] = [];
  for (let count = 0; count < 8; count++) {
    if (count >= 2) client.send(puback(ids[count - 2] ?? 0));
    const message = await client.nextPublish();
    assert.equal(message.text, `${count}`);
    ids.push(message.id);
    if (count > 0) await client.ping(); // no more than that
  }
});

test('[MQTT-3.3.4-9] PUBREC makes no room, PUBCOMP and a PUBREC with an error do', async ({
  connect,
  name,
}) => {
  const client = await connect({ properties: receiveMaximum(1) });
  await client.subscribe(name(), 2);
  const publisher = await connect();
  for (const text of ['first', 'second', 'third']) await publisher.publish(name(), text, { qos: 2 });
  const first = await client.nextPublish();
  client.send(pubrec(first.id));
  assert.equal((await client.nextAcknowledgement(packetType.pubrel)).id, first.id);
  await client.ping();
  client.send(pubcomp(first.id));
  const second = await client.nextPublish();
  assert.equal(second.text, 'second');
  await client.ping();
  client.send(packet(0x50, Uint8Array.of(second.id >> 8, second.id & 0xff), '97')); // quota exceeded
  assert.equal((await client.receive()).text, 'third');
  await client.ping();
});

test('[MQTT-3.3.4-9] QoS 0 is not counted', async ({ connect, name }) => {
  const client = await connect({ properties: receiveMaximum(1) });
  await client.subscribe(name('/0'), 0);
  const publisher = await connect();
  for (let count = 0; count < 10; count++) await publisher.publish(name('/0'), `${count}`);
  const texts = await client.receiveTexts(10);
  assert.deepEqual(texts, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
});

test('[MQTT-3.3.4-9] each connection of a session has its own Receive Maximum', async ({ connect, name }) => {
  const expiry = octets('11 00000064');
  const first = await connect({ clientId: name(), properties: octets(expiry, receiveMaximum(5)) });
  await first.subscribe(name(), 1);
  const publisher = await connect();
  for (let count = 0; count < 8; count++) await publisher.publish(name(), `${count}`, { qos: 1 });
  for (let count = 0; count < 5; count++) assert.equal((await first.nextPublish()).text, `${count}`);
  await first.drop();
  const second = await connect({
    clientId: name(),
    clean: false,
    properties: octets('11 00000000', receiveMaximum(2)),
  });
  assert.equal((await second.nextPublish()).text, '0');
  const { id } = await second.nextPublish();
  await second.ping();
  second.send(puback(id));
  assert.equal((await second.nextPublish()).text, '2');
  await second.ping();
});

test('[MQTT-3.3.4-10] a full window delays nothing but messages', async ({ connect, name }) => {
  const client = await connect({ properties: receiveMaximum(1) });
  await client.subscribe(name(), 2);
  const publisher = await connect();
  for (const text of ['in flight', 'waits']) await publisher.publish(name(), text, { qos: 2 });
  const { id } = await client.nextPublish();
  await client.ping();
  client.send(publish('5.0', name('/other'), '', { qos: 1, id: 1 }));
  await client.nextAcknowledgement(packetType.puback);
  client.send(publish('5.0', name('/other'), '', { qos: 2, id: 2 }));
  await client.nextAcknowledgement(packetType.pubrec);
  client.send(pubrel(2));
  await client.nextAcknowledgement(packetType.pubcomp);
  client.send(subscribe('5.0', [[name('/other'), 0]], { id: 3 }));
  await client.nextAcknowledgement(packetType.suback);
  client.send(packet(0xa2, '0004 00', string(name('/other'))));
  await client.nextAcknowledgement(packetType.unsuback);
  client.send(pubrec(id));
  await client.nextAcknowledgement(packetType.pubrel);
});

test('[MQTT-3.3.4-10] a full window does not keep the server from ending the connection', async (context) => {
  const { connect, name } = context;
  const client = await connect({ properties: receiveMaximum(1) });
  await client.subscribe(name(), 1);
  const publisher = await connect();
  for (const text of ['in flight', 'waits']) await publisher.publish(name(), text, { qos: 1 });
  await client.nextPublish();
  client.send('00 00');
  await client.ended(0x81, protocolError);
});

test('[MQTT-3.3.4-1] a subscriber of 3.1.1 gets the message without its properties', async (context) => {
  const { connect, name, open } = context;
  const old = await open();
  old.send(connectPacket('3.1.1', { clientId: name() }));
  await old.expect('20 02 00 00');
  old.send(subscribe('3.1.1', [[name(), 1]], { id: 1 }));
  await old.expect('90 03 0001 01');
  const publisher = await connect();
  const properties = octets(contentType('t'), userProperty('n', 'v'), '02 00000064');
  await publisher.publish(name(), 'x', { properties });
  await old.expect(packet(0x30, string(name()), "'x'"));
});

test('[MQTT-3.3.4-1] a message of 3.1.1 comes without properties', async ({ connect, name, open }) => {
  const client = await connect();
  await client.subscribe(name());
  const old = await open();
  old.send(connectPacket('3.1.1', { clientId: name() }), publish('3.1.1', name(), 'x'));
  await old.expect('20 02 00 00');
  await client.expect(packet(0x30, string(name()), '00', "'x'"));
});
