/** The topic name and the properties of PUBLISH, but for topic aliases. */
import assert from 'node:assert/strict';
import { type Octets, octets, packet, properties, string, text, userProperty } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import {
  contentType,
  correlationData,
  identifier,
  messageExpiryInterval,
  payloadFormatIndicator,
  responseTopic,
  sessionExpiryInterval,
} from '../support/properties.ts';
import { type Properties, type PropertyValue, singleValueOf, valuesOf } from '../support/received.ts';
import { type Context, section } from '../support/section.ts';
import { assertSecondsLeft, secondsPass } from '../support/time.ts';

const test = section('5.0', '3.3.2 PUBLISH, variable header');

const malformedPacket = 0x81;
const protocolError = 0x82;

test('[MQTT-3.3.2-1] a topic name that is not UTF-8 is a Malformed Packet', async ({ connect }) => {
  for (const bytes of ['c3 28', 'ed a0 80', 'ff', '61 00 62']) {
    for (const header of [0x30, 0x32]) {
      const client = await connect();
      client.send(packet(header, string(octets(bytes)), header === 0x32 ? '0001' : '', '00'));
      await client.ended(malformedPacket);
    }
  }
});

test('[MQTT-3.3.2-1] the topic name comes first, and unaltered', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe(`${name()}/#`);
  const publisher = await connect();
  const topics = [
    '/',
    '//',
    '/ ',
    '/a b',
    '/ä/日本',
    '/.',
    '/%23',
    '/x'.repeat(60),
    `/${'y'.repeat(60_000)}`,
  ];
  for (const suffix of topics) {
    await publisher.publish(name(suffix), 'x');
    await client.expect(packet(0x30, string(name(suffix)), '00', "'x'"));
  }
});

test('[MQTT-3.3.2-1] an empty topic name without a topic alias is a Protocol Error', async ({ connect }) => {
  for (const bytes of [packet(0x30, '0000 00'), packet(0x32, '0000 0001 00', "'x'")]) {
    const client = await connect();
    client.send(bytes);
    await client.ended(protocolError);
  }
});

test('[MQTT-3.3.2-2] a topic name with wildcards ends the connection', async ({ connect, name }) => {
  for (const suffix of ['+', '#', '/+', '/#', '/+/a', '/a+', '/a#', '/#/a']) {
    const watcher = await connect();
    await watcher.subscribe(name('/a'));
    const client = await connect();
    client.send(publish('5.0', name(suffix), 'x', { qos: 1 }));
    await client.ended(malformedPacket, protocolError);
    await watcher.nothingBefore(await connect(), name('/a'));
  }
});

test('[MQTT-3.3.2-3] the topic name of what comes matches a filter of the client', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe([name('/a/+'), name('/b/#'), name('/c')]);
  const publisher = await connect();
  const matching = ['/a/x', '/a/', '/b', '/b/x', '/b/x/y', '/c'];
  const others = ['/a', '/a/x/y', '/bb', '/c/', '/cc', '/d', '/A/x'];
  for (const suffix of [...others, ...matching, ...others]) await publisher.publish(name(suffix), suffix);
  const topics: string[] = [];
  while (topics.length < matching.length) topics.push((await client.nextPublish()).topic);
  assert.deepEqual(topics.sort(), matching.map((suffix) => name(suffix)).sort());
  await client.nothingBefore(publisher, name('/c'));
});

/** How a message with these properties reaches a subscriber: at once, retained, and after waiting. */
async function waysOf({ connect, name }: Context, given: Octets): Promise<Properties[]> {
  const live = [await connect(), await connect()];
  for (const [index, client] of live.entries()) await client.subscribe(name(), index);
  const fields = { clientId: name(), properties: sessionExpiryInterval(100) };
  const away = await connect(fields);
  await away.subscribe(name(), 1);
  await away.disconnect();
  const publisher = await connect();
  await publisher.publish(name(), 'x', { qos: 1, retain: true, properties: given });
  const ways: Properties[] = [];
  for (const client of live) ways.push((await client.receive()).properties);
  const back = await connect({ ...fields, clean: false, properties: sessionExpiryInterval(0) });
  ways.push((await back.receive()).properties);
  const late = await connect();
  await late.subscribe(name());
  ways.push((await late.receive()).properties);
  await publisher.publish(name(), '', { retain: true });
  return ways;
}

/** Fails unless the values of the property come as they were, to whom and however the message goes. */
async function comesUnaltered(
  context: Context,
  given: Octets,
  id: number,
  ...values: readonly PropertyValue[]
): Promise<void> {
  for (const way of await waysOf(context, given)) assert.deepEqual(valuesOf(way, id), values);
}

for (const value of [0, 1]) {
  test(`[MQTT-3.3.2-4] the Payload Format Indicator ${value} goes on unaltered`, async (context) => {
    await comesUnaltered(context, payloadFormatIndicator(value), identifier.payloadFormatIndicator, value);
  });
}

test('[MQTT-3.3.2-4] a message without Payload Format Indicator goes on without one', async (context) => {
  await comesUnaltered(context, octets(), identifier.payloadFormatIndicator);
});

test('[MQTT-3.3.2-5] a message that has expired is not delivered', async ({ connect, name }) => {
  const fields = { clientId: name(), properties: sessionExpiryInterval(100) };
  const first = await connect(fields);
  await first.subscribe(name(), 2);
  await first.disconnect();
  const publisher = await connect();
  for (const [index, seconds] of [1, 100, 1, 100].entries()) {
    const qos = index < 2 ? 1 : 2;
    await publisher.publish(name(), `${seconds}`, { qos, properties: messageExpiryInterval(seconds) });
  }
  await publisher.publish(name(), 'ever', { qos: 1 });
  await secondsPass(2.1);
  const second = await connect({ ...fields, clean: false, properties: sessionExpiryInterval(0) });
  assert.deepEqual(await second.receiveTexts(3), ['100', '100', 'ever']);
  await second.ping();
});

test('[MQTT-3.3.2-5] a message that waits for room in the window expires there too', async ({
  connect,
  name,
}) => {
  const client = await connect({ properties: octets('21 0001') }); // Receive Maximum 1
  await client.subscribe(name(), 1);
  const publisher = await connect();
  await publisher.publish(name(), 'in flight', { qos: 1 });
  await publisher.publish(name(), 'short', { qos: 1, properties: messageExpiryInterval(1) });
  await publisher.publish(name(), 'long', { qos: 1, properties: messageExpiryInterval(100) });
  const { id } = await client.nextPublish();
  await secondsPass(2.1);
  client.send(octets('40 02', Uint8Array.of(id >> 8, id & 0xff)));
  assert.equal((await client.receive()).text, 'long');
  await client.ping();
});

test('[MQTT-3.3.2-5] what is delivered at once need not live long', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe(name(), 1);
  await (await connect()).publish(name(), 'x', { qos: 1, properties: messageExpiryInterval(1) });
  assert.equal((await client.receive()).text, 'x');
});

test('[MQTT-3.3.2-6] what was delivered at once has its whole Message Expiry Interval', async (context) => {
  for (const seconds of [300, 65_536, 0xffff_ffff]) {
    const startMs = performance.now();
    const [live] = await waysOf(context, messageExpiryInterval(seconds));
    const left = Number(singleValueOf(live ?? [], identifier.messageExpiryInterval));
    assertSecondsLeft(left, seconds, startMs);
  }
});

test('[MQTT-3.3.2-6] the time that a message has waited is taken from its Message Expiry Interval', async (context) => {
  const { connect, name } = context;
  const fields = { clientId: name(), properties: sessionExpiryInterval(100) };
  const first = await connect(fields);
  await first.subscribe(name(), 1);
  await first.disconnect();
  const publisher = await connect();
  const startMs = performance.now();
  const expiring = { qos: 1, properties: messageExpiryInterval(100) } as const;
  await publisher.publish(name(), 'x', expiring);
  await publisher.publish(name('/retained'), 'x', { ...expiring, retain: true });
  await secondsPass(2.1);
  const second = await connect({ ...fields, clean: false, properties: sessionExpiryInterval(0) });
  const waited = await second.receive();
  await second.subscribe(name('/retained'));
  const retained = await second.receive();
  for (const { properties: received } of [waited, retained]) {
    const left = Number(singleValueOf(received, identifier.messageExpiryInterval));
    assertSecondsLeft(left, 100, startMs, 2);
  }
  await publisher.publish(name('/retained'), '', { retain: true });
});

test('[MQTT-3.3.2-6] a message without Message Expiry Interval goes on without one', async (context) => {
  await comesUnaltered(context, octets(), identifier.messageExpiryInterval);
});

test('[MQTT-3.3.2-13] a response topic that is not UTF-8 is a Malformed Packet', async ({
  connect,
  name,
}) => {
  for (const bytes of ['c3 28', '61 00']) {
    const client = await connect();
    client.send(packet(0x30, string(name()), properties('08', string(octets(bytes)))));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-3.3.2-14] a response topic with wildcards ends the connection', async ({ connect, name }) => {
  for (const topic of ['+', '#', 'a/+', 'a/#', 'a+']) {
    const client = await connect();
    client.send(publish('5.0', name(), 'x', { properties: responseTopic(topic) }));
    await client.ended(malformedPacket, protocolError);
  }
});

test('[MQTT-3.3.2-15] the response topic goes on unaltered', async (context) => {
  for (const topic of ['a', '/', 'a/b/ä', `${'x'.repeat(1_000)}`]) {
    await comesUnaltered(context, responseTopic(topic), identifier.responseTopic, topic);
  }
});

test('[MQTT-3.3.2-16] correlation data go on unaltered, whatever bytes they are', async (context) => {
  const all = Uint8Array.from({ length: 256 }, (_, index) => index);
  for (const data of [new Uint8Array(), Uint8Array.of(0), octets('c3 28 ff'), all, new Uint8Array(65_535)]) {
    await comesUnaltered(context, correlationData(data), identifier.correlationData, data);
  }
});

const pairs = [
  ['b', '1'],
  ['a', '2'],
  ['b', '1'],
  ['', ''],
  ['ä', 'ö'],
  ['a', '1'],
] as const;

test('[MQTT-3.3.2-17] [MQTT-3.3.2-18] all user properties go on, in their order', async (context) => {
  const given = octets(...pairs.map(([name, value]) => userProperty(name, value)));
  await comesUnaltered(context, given, identifier.userProperty, ...pairs);
});

test('[MQTT-3.3.2-18] user properties keep their order also between other properties', async (context) => {
  const [first, second, third] = ['1', '2', '3'].map((value) => userProperty('n', value));
  const given = octets(
    first ?? '',
    messageExpiryInterval(100),
    second ?? '',
    contentType('t'),
    payloadFormatIndicator(0),
    third ?? '',
  );
  const values = ['1', '2', '3'].map((value) => ['n', value] as const);
  await comesUnaltered(context, given, identifier.userProperty, ...values);
});

test(
  '[MQTT-3.3.2-17] a thousand user properties go on',
  async (context) => {
    const many = Array.from({ length: 1_000 }, (_, index) => ['name', `${index}`] as const);
    const given = octets(...many.map(([name, value]) => userProperty(name, value)));
    await comesUnaltered(context, given, identifier.userProperty, ...many);
  },
  { broker: { limits: { userPropertiesPerPacketMax: 1_000 } } },
);

test('[MQTT-3.3.2-19] a content type that is not UTF-8 is a Malformed Packet', async ({ connect, name }) => {
  for (const bytes of ['c3 28', '61 00']) {
    const client = await connect();
    client.send(packet(0x30, string(name()), properties('03', string(octets(bytes)))));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-3.3.2-20] the content type goes on unaltered', async (context) => {
  for (const type of ['text/plain', '', 'ä', 'x'.repeat(10_000)]) {
    await comesUnaltered(context, contentType(type), identifier.contentType, type);
  }
});

test('[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20] all properties together go on', async (context) => {
  const given = octets(
    userProperty('n', '1'),
    correlationData('7'),
    responseTopic('answers'),
    contentType('json'),
    messageExpiryInterval(100),
    payloadFormatIndicator(1),
    userProperty('n', '2'),
  );
  for (const way of await waysOf(context, given)) {
    assert.equal(singleValueOf(way, identifier.payloadFormatIndicator), 1);
    assert.equal(singleValueOf(way, identifier.contentType), 'json');
    assert.equal(singleValueOf(way, identifier.responseTopic), 'answers');
    assert.deepEqual(singleValueOf(way, identifier.correlationData), text('7'));
    assert.deepEqual(valuesOf(way, identifier.userProperty), [
      ['n', '1'],
      ['n', '2'],
    ]);
    assert.equal(way.length, 7, 'and no other property');
  }
});

test('[MQTT-3.3.2-4] the payload goes on unaltered, with any bytes, none, or many', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name(), 1);
  const publisher = await connect();
  const all = Uint8Array.from({ length: 256 }, (_, index) => index);
  for (const payload of [new Uint8Array(), all, new Uint8Array(100_000).fill(0xaa)]) {
    await publisher.publish(name(), payload, { qos: 1 });
    assert.deepEqual((await client.receive()).payload, payload);
  }
});
