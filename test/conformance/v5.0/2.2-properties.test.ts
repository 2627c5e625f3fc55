/** Properties: which packet may have which, how often, and what they may be (2.2.2 and table 2-4). */
import assert from 'node:assert/strict';
import { type Octets, octets, packet, properties, string, u8, u16, userProperty } from '../support/octets.ts';
import { connect, publish, subscribe, unsubscribe } from '../support/packets.ts';
import {
  authenticationMethod,
  exampleOf,
  maximumPacketSize,
  type PropertyName,
  propertyNames,
  receiveMaximum,
  sessionExpiryInterval,
  subscriptionIdentifier,
} from '../support/properties.ts';
import { type Context, section } from '../support/section.ts';

const test = section('5.0', '2.2.2 Properties');

const malformedPacket = 0x81;
const protocolError = 0x82;

/** A packet of a client that has properties, or the will in a CONNECT. */
interface Carrier {
  readonly allowed: readonly PropertyName[];
  packetWith(given: Octets, clientId: string): Octets;
}

const messageProperties = [
  'payloadFormatIndicator',
  'messageExpiryInterval',
  'contentType',
  'responseTopic',
  'correlationData',
] as const;

const connectProperties = [
  'sessionExpiryInterval',
  'authenticationMethod',
  'authenticationData',
  'requestProblemInformation',
  'requestResponseInformation',
  'receiveMaximum',
  'topicAliasMaximum',
  'maximumPacketSize',
] as const;

const carriers: Readonly<Record<string, Carrier>> = {
  CONNECT: {
    allowed: connectProperties,
    packetWith: (given, clientId) => connect('5.0', { clientId, properties: given }),
  },
  'the will': {
    allowed: [...messageProperties, 'willDelayInterval'],
    packetWith: (given, clientId) =>
      connect('5.0', { clientId, will: { topic: clientId, properties: given } }),
  },
  PUBLISH: {
    allowed: [...messageProperties, 'topicAlias'],
    packetWith: (given) => publish('5.0', 't', '', { properties: given }),
  },
  PUBACK: { allowed: ['reasonString'], packetWith: (given) => packet(0x40, '0001 00', properties(given)) },
  PUBREC: { allowed: ['reasonString'], packetWith: (given) => packet(0x50, '0001 00', properties(given)) },
  PUBREL: { allowed: ['reasonString'], packetWith: (given) => packet(0x62, '0001 00', properties(given)) },
  PUBCOMP: { allowed: ['reasonString'], packetWith: (given) => packet(0x70, '0001 00', properties(given)) },
  SUBSCRIBE: {
    allowed: ['subscriptionIdentifier'],
    packetWith: (given, clientId) => subscribe('5.0', [[clientId, 0]], { properties: given }),
  },
  UNSUBSCRIBE: {
    allowed: [],
    packetWith: (given, clientId) => unsubscribe('5.0', [clientId], { properties: given }),
  },
  DISCONNECT: {
    allowed: ['sessionExpiryInterval', 'reasonString'],
    packetWith: (given) => packet(0xe0, '00', properties(given)),
  },
};

/** Have rules of their own where the table alone does not say what happens. */
const special: Readonly<Record<string, readonly PropertyName[]>> = {
  PUBLISH: ['subscriptionIdentifier'], // [MQTT-3.3.4-6]
  DISCONNECT: ['serverReference'], // in the table, but for servers
};

/** Sends the carrier with these properties, before or behind a CONNECT as it must be; it must end with the code. */
async function refuses(
  context: Context,
  carrierName: string,
  given: Octets,
  what: string,
  ...codes: readonly number[]
): Promise<void> {
  const carrier = carriers[carrierName] ?? assert.fail();
  await refusesPacket(context, carrierName, carrier.packetWith(given, context.name()), what, ...codes);
}

async function refusesPacket(
  { open, connect: connectClient }: Context,
  carrierName: string,
  bytes: Octets,
  what: string,
  ...codes: readonly number[]
): Promise<void> {
  const isConnect = carrierName === 'CONNECT' || carrierName === 'the will';
  const client = isConnect ? await open() : await connectClient();
  client.send(bytes);
  await client.ended(...codes).catch((error: unknown) => {
    throw new Error(`${carrierName}: ${what}`, { cause: error });
  });
}

for (const [carrierName, { allowed, packetWith }] of Object.entries(carriers)) {
  test(`[MQTT-2.2.2-1] a property that is not for ${carrierName} is a Malformed Packet`, async (context) => {
    for (const name of propertyNames) {
      if (name === 'userProperty' || allowed.includes(name)) continue;
      if (special[carrierName]?.includes(name)) continue;
      await refuses(context, carrierName, exampleOf[name], name, malformedPacket);
    }
  });

  test(`[MQTT-2.2.2-1] a property that does not exist is a Malformed Packet in ${carrierName}`, async (context) => {
    for (const identifier of ['00', '04', '0a', '0c', '20', '2b', '7f', '80 01', 'a6 01', 'ff ff ff 7f']) {
      await refuses(context, carrierName, octets(identifier, '00'), identifier, malformedPacket);
    }
  });

  test(`[MQTT-2.2.2-1] a property whose value is cut off is a Malformed Packet in ${carrierName}`, async (context) => {
    for (const name of [...allowed, 'userProperty'] as const) {
      const whole = exampleOf[name];
      for (const bytes of [whole.subarray(0, 1), whole.subarray(0, -1)]) {
        await refuses(context, carrierName, octets(bytes), name, malformedPacket);
      }
    }
  });

  test(`[MQTT-2.2.2-1] properties longer than ${carrierName} are a Malformed Packet`, async (context) => {
    const pair = userProperty('n', 'v');
    const bytes = packetWith(pair, context.name());
    const lengthAt = Buffer.from(bytes).indexOf(Buffer.from(pair)) - 1;
    bytes[lengthAt] = 0x7f;
    await refusesPacket(context, carrierName, bytes, 'too long', malformedPacket);
  });

  test(`[MQTT-2.2.2-1] a user property may come several times in ${carrierName}`, async (context) => {
    const client = carrierName === 'CONNECT' || carrierName === 'the will' ? await context.open() : undefined;
    const connected = client ?? (await context.connect());
    const pairs = octets(userProperty('n', '1'), userProperty('n', '1'), userProperty('', ''));
    connected.send(packetWith(pairs, context.name()));
    if (client !== undefined) assert.equal((await client.nextConnack()).code, 0);
    if (carrierName === 'DISCONNECT') return void (await connected.closed());
    if (['SUBSCRIBE', 'UNSUBSCRIBE', 'PUBREC', 'PUBREL'].includes(carrierName)) await connected.next();
    await connected.ping();
  });

  if (allowed.length > 0) {
    test(`[MQTT-2.2.2-1] a property that comes twice in ${carrierName} is a Protocol Error`, async (context) => {
      for (const name of allowed) {
        const method = name === 'authenticationData' ? authenticationMethod('m') : '';
        const twice = octets(method, exampleOf[name], exampleOf[name]);
        await refuses(context, carrierName, twice, name, protocolError);
      }
    });
  }
}

const forbiddenValues: readonly (readonly [carrier: string, name: string, value: Octets])[] = [
  ['CONNECT', 'Receive Maximum 0', receiveMaximum(0)],
  ['CONNECT', 'Maximum Packet Size 0', maximumPacketSize(0)],
  ['CONNECT', 'Request Problem Information 2', octets('17 02')],
  ['CONNECT', 'Request Problem Information 255', octets('17 ff')],
  ['CONNECT', 'Request Response Information 2', octets('19 02')],
  ['CONNECT', 'Authentication Data without a method', exampleOf.authenticationData],
  ['SUBSCRIBE', 'Subscription Identifier 0', subscriptionIdentifier(0)],
];

for (const [carrierName, name, value] of forbiddenValues) {
  test(`[MQTT-2.2.2-1] ${name} in ${carrierName} is a Protocol Error`, async (context) => {
    await refuses(context, carrierName, value, name, protocolError);
  });
}

test('[MQTT-2.2.2-1] properties may come in any order', async ({ open, name }) => {
  const names = ['maximumPacketSize', 'requestProblemInformation', 'receiveMaximum', 'userProperty'] as const;
  for (const ordered of [names, [...names].reverse()]) {
    const client = await open();
    const given = octets(...ordered.map((each) => exampleOf[each]));
    client.send(connect('5.0', { clientId: name(), properties: given }));
    assert.equal((await client.nextConnack()).code, 0);
    await client.drop();
  }
});

test('[MQTT-2.2.2-1] SUBACK, UNSUBACK and PUBLISH without properties have a property length of 0', async (context) => {
  const { connect: connectClient, name } = context;
  const client = await connectClient();
  client.send(subscribe('5.0', [[name(), 1]], { id: 5 }));
  const suback = await client.next();
  // A server may add a reason string.
  if (suback.body.length === 4) assert.deepEqual([...suback.body], [0, 5, 0, 1]);
  client.send(publish('5.0', name(), 'x', { qos: 0 }));
  await client.expect(packet(0x30, string(name()), '00', "'x'"));
  client.send(publish('5.0', name(), 'x', { qos: 1, id: 9 }));
  const received = [await client.next(), await client.next()];
  const message = received.find(({ type }) => type === 3) ?? assert.fail('no PUBLISH');
  assert.deepEqual(
    [...message.body],
    [...octets(string(name()), message.body.subarray(10, 12), '00', "'x'")],
  );
  client.send(unsubscribe('5.0', [name()], { id: 6 }));
  const unsuback = await client.next();
  if (unsuback.body.length === 4) assert.deepEqual([...unsuback.body], [0, 6, 0, 0]);
});

test('[MQTT-2.2.2-1] a CONNECT with a will and no properties at all is accepted', async ({ open, name }) => {
  const client = await open();
  client.send(
    packet(0x10, string('MQTT'), '05 06 0000 00', string(name()), '00', string(name('/will')), u16(0)),
  );
  assert.equal((await client.nextConnack()).code, 0);
  await client.ping();
});

test('[MQTT-2.2.2-1] a CONNECT without a property length is a Malformed Packet', async ({ open }) => {
  for (const bytes of [
    packet(0x10, string('MQTT'), '05 02 0000'),
    packet(0x10, string('MQTT'), '05 02', u8(0)),
  ]) {
    const client = await open();
    client.send(bytes);
    await client.ended(malformedPacket);
  }
});

test('[MQTT-2.2.2-1] each property that CONNECT may have is taken alone', async ({ open, name }) => {
  for (const each of connectProperties) {
    if (each.startsWith('authentication')) continue; // a server needs to know the method
    const client = await open();
    client.send(connect('5.0', { clientId: name(), properties: exampleOf[each] }));
    assert.equal((await client.nextConnack()).code, 0, each);
    await client.ping();
    await client.drop();
  }
  const client = await open();
  client.send(connect('5.0', { clientId: name(), properties: sessionExpiryInterval(0xffff_ffff) }));
  assert.equal((await client.nextConnack()).code, 0);
  client.send(octets('e0 07 00 05', sessionExpiryInterval(0)));
  await client.closed();
});
