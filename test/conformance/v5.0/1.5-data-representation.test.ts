/** How strings and integers are written, in every packet that can carry them. */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.ts';
import {
  type Octets,
  octets,
  type Part,
  packet,
  properties,
  string,
  text,
  u8,
  u16,
} from '../support/octets.ts';
import { contentType, identifier, responseTopic, subscriptionIdentifier } from '../support/properties.ts';
import { valuesOf } from '../support/received.ts';
import { type Context, section } from '../support/section.ts';

const test = section('5.0', '1.5 Data representation');

const malformedPacket = 0x81;

const illFormed: Readonly<Record<string, string>> = {
  'a continuation byte alone': '80',
  'a lead byte without its continuation': 'c3 28',
  'a sequence that is cut off': '61 e2 82',
  'an overlong U+0000': 'c0 80',
  'an overlong slash': 'e0 80 af',
  'the surrogate U+D800': 'ed a0 80',
  'the surrogate U+DFFF': 'ed bf bf',
  'a surrogate pair': 'ed a0 bd ed b8 80',
  'a code point above U+10FFFF': 'f4 90 80 80',
  'the byte FF': '61 ff 62',
};

const userProperty = (name: Octets, value: Octets): Octets => octets('26', string(name), string(value));
const ok = text('ok');

/** Packets behind the CONNACK with a string in each place that there is. */
const places: Readonly<Record<string, (bad: Octets) => Octets>> = {
  'the topic name': (bad) => packet(0x30, string(bad), '00'),
  'the response topic': (bad) => packet(0x30, string('t'), properties('08', string(bad))),
  'the content type': (bad) => packet(0x30, string('t'), properties('03', string(bad))),
  'the name of a user property': (bad) => packet(0x30, string('t'), properties(userProperty(bad, ok))),
  'the value of a user property': (bad) => packet(0x30, string('t'), properties(userProperty(ok, bad))),
  'a user property of PUBACK': (bad) => packet(0x40, '0001 00', properties(userProperty(bad, ok))),
  'the reason string of PUBREC': (bad) => packet(0x50, '0001 00', properties('1f', string(bad))),
  'the topic filter of SUBSCRIBE': (bad) => packet(0x82, '0001 00', string(bad), '00'),
  'a user property of SUBSCRIBE': (bad) =>
    packet(0x82, '0001', properties(userProperty(ok, bad)), string('t'), '00'),
  'the topic filter of UNSUBSCRIBE': (bad) => packet(0xa2, '0001 00', string(bad)),
  'the reason string of DISCONNECT': (bad) => packet(0xe0, '00', properties('1f', string(bad))),
};

/** CONNECT with a string in each place that there is. */
const connectPlaces: Readonly<Record<string, (bad: Octets) => Octets>> = {
  'the client identifier': (bad) => connectWith('02', '00', string(bad)),
  'a user property of CONNECT': (bad) => connectWith('02', properties(userProperty(ok, bad)), string('')),
  'the authentication method': (bad) => connectWith('02', properties('15', string(bad)), string('')),
  'the will topic': (bad) => connectWith('06', '00', string(''), '00', string(bad), '0000'),
  'the content type of the will': (bad) =>
    connectWith('06', '00', string(''), properties('03', string(bad)), string('t'), '0000'),
  'the response topic of the will': (bad) =>
    connectWith('06', '00', string(''), properties('08', string(bad)), string('t'), '0000'),
  'a user property of the will': (bad) =>
    connectWith('06', '00', string(''), properties(userProperty(bad, ok)), string('t'), '0000'),
  'the user name': (bad) => connectWith('82', '00', string(''), string(bad)),
};

function connectWith(flags: string, ...rest: readonly Part[]): Octets {
  return packet(0x10, string('MQTT'), '05', flags, '0000', ...rest);
}

async function refuses(client: Client, bytes: Octets, what: string): Promise<void> {
  client.send(bytes);
  await client.ended(malformedPacket).catch((error: unknown) => {
    throw new Error(what, { cause: error });
  });
}

for (const [place, packetWith] of Object.entries(places)) {
  test(`[MQTT-1.5.4-1] ill-formed UTF-8 in ${place} is a Malformed Packet`, async (context) => {
    for (const [name, bytes] of Object.entries(illFormed)) {
      await refuses(await context.connect(), packetWith(octets(bytes)), name);
    }
  });
  test(`[MQTT-1.5.4-2] U+0000 in ${place} is a Malformed Packet`, async (context) => {
    for (const bytes of ['00', '61 00', '00 61', '6161616161616161 00 62']) {
      await refuses(await context.connect(), packetWith(octets(bytes)), bytes);
    }
  });
}

for (const [place, packetWith] of Object.entries(connectPlaces)) {
  test(`[MQTT-1.5.4-1] ill-formed UTF-8 in ${place} is a Malformed Packet`, async ({ open }) => {
    for (const [name, bytes] of Object.entries(illFormed)) {
      await refuses(await open(), packetWith(octets(bytes)), name);
    }
  });
  test(`[MQTT-1.5.4-2] U+0000 in ${place} is a Malformed Packet`, async ({ open }) => {
    for (const bytes of ['00', '61 00 62']) await refuses(await open(), packetWith(octets(bytes)), bytes);
  });
}

test('[MQTT-1.5.4-1] the edges of what is well-formed pass through every string unaltered', async (context) => {
  const edges = '\u00a0\u07ff\u0800\ud7ff\ue000\ufffd\u{10000}\u{10fffd}';
  const topic = context.name(`/${edges}`);
  const { subscriber, publisher } = await pairOn(context, topic);
  await publisher.publish(topic, edges, {
    properties: octets(contentType(edges), responseTopic(edges), userProperty(text(edges), text(edges))),
  });
  const message = await subscriber.receive();
  assert.deepEqual([message.topic, message.text], [topic, edges]);
  assert.deepEqual(valuesOf(message.properties, identifier.contentType), [edges]);
  assert.deepEqual(valuesOf(message.properties, identifier.responseTopic), [edges]);
  assert.deepEqual(valuesOf(message.properties, identifier.userProperty), [[edges, edges]]);
});

test('[MQTT-1.5.4-3] U+FEFF is a character like any other, and topics with and without it differ', async (context) => {
  const marked = `\ufeff${context.name('/t')}`;
  const plain = context.name('/t');
  const { subscriber, publisher } = await pairOn(context, marked);
  await publisher.publish(plain, 'without');
  await publisher.publish(marked, '\ufeffwith', {
    properties: octets(contentType('\ufeffc'), userProperty(text('\ufeffn'), text('v\ufeff'))),
  });
  const message = await subscriber.nextPublish();
  assert.equal(message.topic, marked);
  assert.deepEqual(message.payload, text('\ufeffwith'));
  assert.deepEqual(valuesOf(message.properties, identifier.contentType), ['\ufeffc']);
  assert.deepEqual(valuesOf(message.properties, identifier.userProperty), [['\ufeffn', 'v\ufeff']]);
});

test('[MQTT-1.5.4-3] client identifiers with and without U+FEFF are two clients', async ({
  connect,
  name,
}) => {
  const plain = await connect({ clientId: name() });
  const marked = await connect({ clientId: `\ufeff${name()}` });
  await plain.ping();
  await marked.ping();
});

const overlong: Readonly<Record<string, Octets>> = {
  'remaining length': octets('c0 80 00'),
  'remaining length, with a body,': octets('30 84 00', string('t'), '00', 'aa'),
  'remaining length of five bytes': octets('c0 80 80 80 80 00'),
  'remaining length of five bytes, all set,': octets('30 ff ff ff ff 7f'),
  'property length': packet(0x30, string('t'), '80 00'),
  'property length of five bytes': packet(0x30, string('t'), '80 80 80 80 00'),
  'property length of SUBSCRIBE': packet(0x82, '0001', '80 00', string('t'), '00'),
  'property identifier': packet(0x30, string('t'), properties('81 00 00')),
  'subscription identifier': packet(0x82, '0001', properties('0b 87 00'), string('t'), '00'),
  'subscription identifier of five bytes': packet(
    0x82,
    '0001',
    properties('0b 80 80 80 80 01'),
    string('t'),
    '00',
  ),
};

for (const [name, bytes] of Object.entries(overlong)) {
  test(`[MQTT-1.5.5-1] a ${name} with more bytes than it needs is a Malformed Packet`, async ({
    connect,
  }) => {
    await refuses(await connect(), bytes, name);
  });
}

test('[MQTT-1.5.5-1] a property length of CONNECT with more bytes than it needs is a Malformed Packet', async ({
  open,
}) => {
  await refuses(await open(), connectWith('02', '80 00', string('')), 'properties');
  await refuses(await open(), connectWith('06', '00', string(''), '80 00', string('t'), '0000'), 'will');
});

test('[MQTT-1.5.5-1] a remaining length of CONNECT with more bytes than it needs is a Malformed Packet', async ({
  open,
}) => {
  for (const length of ['8d 00', '8d 80 00', '8d 80 80 00']) {
    const client = await open();
    await refuses(client, octets('10', length, string('MQTT'), '05 02 0000 00 0000'), length);
  }
});

test('[MQTT-1.5.5-1] lengths at the edges of one, two and three bytes come in the shortest encoding', async (context) => {
  const topic = context.name();
  const { subscriber, publisher } = await pairOn(context, topic);
  const headBytes = 2 + topic.length + 1;
  for (const remaining of [127, 128, 16_383, 16_384]) {
    const bytes = new Uint8Array(remaining - headBytes).fill(0x61);
    await publisher.publish(topic, bytes);
    // Puts the length together again, shortest first, to compare with what came; raw-client refuses longer ones.
    await subscriber.expect(packet(0x30, string(topic), '00', bytes));
  }
  await publisher.publish(topic, '', { properties: contentType('x'.repeat(130)) });
  await subscriber.expect(packet(0x30, string(topic), properties(contentType('x'.repeat(130)))));
});

test('[MQTT-1.5.5-1] a subscription identifier of one to four bytes comes back in the shortest encoding', async (context) => {
  for (const id of [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455]) {
    const topic = context.name(`/${id}`);
    const client = await context.connect();
    await client.subscribe(topic, 0, { properties: subscriptionIdentifier(id) });
    client.send(packet(0x30, string(topic), '00'));
    await client.expect(packet(0x30, string(topic), properties(subscriptionIdentifier(id))));
  }
});

const badPairs: Readonly<Record<string, Octets>> = {
  'an ill-formed name': userProperty(octets('c3 28'), ok),
  'an ill-formed value': userProperty(ok, octets('c3 28')),
  'U+0000 in the name': userProperty(octets('61 00'), ok),
  'U+0000 in the value': userProperty(ok, octets('00')),
  'no value': octets('26', string('name')),
  'a name longer than the properties': octets('26 0009 61'),
};

for (const [name, pair] of Object.entries(badPairs)) {
  test(`[MQTT-1.5.7-1] a user property with ${name} is a Malformed Packet`, async (context) => {
    await refuses(await context.open(), connectWith('02', properties(pair), string('')), 'CONNECT');
    const will = [properties(pair), string('t'), '0000'];
    await refuses(await context.open(), connectWith('06', '00', string(''), ...will), 'will');
    const behind = {
      PUBLISH: packet(0x30, string('t'), properties(pair)),
      PUBACK: packet(0x40, '0001 00', properties(pair)),
      PUBREL: packet(0x62, '0001 00', properties(pair)),
      SUBSCRIBE: packet(0x82, '0001', properties(pair), string('t'), '00'),
      UNSUBSCRIBE: packet(0xa2, '0001', properties(pair), string('t')),
      DISCONNECT: packet(0xe0, '00', properties(pair)),
    };
    for (const [what, bytes] of Object.entries(behind)) await refuses(await context.connect(), bytes, what);
  });
}

test('[MQTT-1.5.7-1] the strings of a user property may be empty, and as long as a string can be', async (context) => {
  const { subscriber, publisher } = await pairOn(context, context.name());
  const longest = text('x'.repeat(65_535));
  const pairs = octets(userProperty(text(''), text('')), userProperty(longest, longest));
  await publisher.publish(context.name(), '', { properties: pairs });
  const { properties: received } = await subscriber.receive();
  assert.deepEqual(valuesOf(received, identifier.userProperty), [
    ['', ''],
    ['x'.repeat(65_535), 'x'.repeat(65_535)],
  ]);
});

test('[MQTT-1.5.5-1] integers of two and four bytes come big-endian, as they were sent', async (context) => {
  const topic = context.name();
  const { subscriber, publisher } = await pairOn(context, topic, 1);
  publisher.send(packet(0x32, string(topic), u16(0x1234), properties('02 12345678'), u8(1)));
  await publisher.nextAcknowledgement(4);
  const { properties: received } = await subscriber.receive();
  const [left] = valuesOf(received, identifier.messageExpiryInterval);
  assert.ok(left === 0x12345678 || left === 0x12345677, `${left}`);
});

test('[MQTT-1.5.4-1] a CONNECT with strings of other scripts is taken as it is', async ({
  tryConnect,
  name,
}) => {
  const client = await tryConnect({ clientId: `${name()}-Ωλ-日本-🎾`, username: 'Müller' });
  // A server may refuse client identifiers with such characters [MQTT-3.1.3-8], and any user.
  assert.ok([0, 0x85, 0x86, 0x87].includes(client.connack.code));
  if (client.connack.code === 0) await client.ping();
});

async function pairOn({ connect }: Context, topic: string, options = 0) {
  const subscriber = await connect();
  await subscriber.subscribe(topic, options);
  return { subscriber, publisher: await connect() };
}
