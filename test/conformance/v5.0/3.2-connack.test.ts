/** CONNACK: its place, its flags, its reason codes and what its properties promise. */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.ts';
import { type Octets, octets, packet, string, u16 } from '../support/octets.ts';
import { connect as connectPacket, publish, pubrel } from '../support/packets.ts';
import { identifier, maximumPacketSize, sessionExpiryInterval, topicAlias } from '../support/properties.ts';
import { hexOf, type Properties, readConnack, singleValueOf } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.2 CONNACK');

const malformedPacket = 0x81;
const protocolError = 0x82;
const topicAliasInvalid = 0x94;
const packetTooLarge = 0x95;
const retainNotSupported = 0x9a;
const qosNotSupported = 0x9b;

/** What a CONNACK says that a server takes, with the defaults of the specification. */
function promisesOf(properties: Properties) {
  const numberOf = (id: number, byDefault: number) => Number(singleValueOf(properties, id) ?? byDefault);
  return {
    receiveMaximum: numberOf(identifier.receiveMaximum, 65_535),
    maximumQoS: numberOf(identifier.maximumQoS, 2),
    retains: numberOf(identifier.retainAvailable, 1) === 1,
    maximumPacketSize: numberOf(identifier.maximumPacketSize, 268_435_460),
    topicAliasMaximum: numberOf(identifier.topicAliasMaximum, 0),
  };
}

const propertiesOfConnack: readonly number[] = [
  identifier.sessionExpiryInterval,
  identifier.receiveMaximum,
  identifier.maximumQoS,
  identifier.retainAvailable,
  identifier.maximumPacketSize,
  identifier.assignedClientIdentifier,
  identifier.topicAliasMaximum,
  identifier.reasonString,
  identifier.userProperty,
  identifier.wildcardSubscriptionAvailable,
  identifier.subscriptionIdentifiersAvailable,
  identifier.sharedSubscriptionAvailable,
  identifier.serverKeepAlive,
  identifier.responseInformation,
  identifier.serverReference,
  identifier.authenticationMethod,
  identifier.authenticationData,
];

test('[MQTT-3.2.0-1] nothing comes before the CONNACK, whatever waits for the client', async ({
  connect,
  open,
  name,
}) => {
  const first = await connect({ clientId: name(), properties: sessionExpiryInterval(100) });
  await first.subscribe(name(), 2);
  await first.disconnect();
  const publisher = await connect();
  for (let count = 0; count < 20; count++) await publisher.publish(name(), `${count}`, { qos: 1 });
  const second = await open();
  for (let count = 20; count < 40; count++) publisher.send(publish('5.0', name(), `${count}`));
  second.send(
    connectPacket('5.0', { clientId: name(), clean: false, properties: sessionExpiryInterval(0) }),
    'c0 00',
    publish('5.0', name('/other'), '', { qos: 1 }),
  );
  const { code, sessionPresent } = await second.nextConnack();
  assert.deepEqual([code, sessionPresent], [0, true]);
  assert.equal((await second.receive()).text, '0');
});

test('[MQTT-3.2.0-2] there is one CONNACK for a connection', async ({ connect, name }) => {
  const client = await connect({ clientId: name() });
  await client.ping();
  client.send(connectPacket('5.0', { clientId: name() }));
  await client.ended(protocolError); // with a DISCONNECT, as `ended` sees
});

test('[MQTT-3.2.2-1] the flags of a CONNACK are 0 but for Session Present', async ({
  connect,
  open,
  name,
}) => {
  const properties = sessionExpiryInterval(100);
  const flagsOf = async (bytes: Octets): Promise<number | undefined> => {
    const client = await open();
    client.send(bytes);
    const [flags] = (await client.next()).body;
    await client.drop();
    return flags;
  };
  await (await connect({ clientId: name(), properties })).disconnect();
  assert.equal(await flagsOf(connectPacket('5.0', { clientId: name(), clean: false, properties })), 1);
  assert.equal(await flagsOf(connectPacket('5.0', { clientId: name(), clean: true })), 0);
  assert.equal(await flagsOf(connectPacket('5.0', { clientId: name('x') })), 0);
});

test('[MQTT-3.2.2-2] with a clean start Session Present is 0', async ({ connect, name }) => {
  const properties = sessionExpiryInterval(100);
  for (let round = 0; round < 3; round++) {
    const client = await connect({ clientId: name(), clean: true, properties });
    assert.equal(client.connack.sessionPresent, false);
    await client.subscribe(name());
    await client.disconnect();
  }
});

test('[MQTT-3.2.2-3] without a clean start Session Present says whether there is a session', async (context) => {
  const { connect, name } = context;
  const seen: boolean[] = [];
  for (const expiry of [100, 100, 0, 100, 0]) {
    const client = await connect({
      clientId: name(),
      clean: false,
      properties: sessionExpiryInterval(expiry),
    });
    seen.push(client.connack.sessionPresent);
    await client.disconnect();
  }
  assert.deepEqual(seen, [false, true, true, false, true]);
});

test('[MQTT-3.2.2-6] a CONNACK that refuses has Session Present 0', async ({ connect, open, name }) => {
  const first = await connect({ clientId: name(), properties: sessionExpiryInterval(100) });
  await first.disconnect();
  const second = await open();
  second.send(connectPacket('5.0', { clientId: name(), clean: false, properties: '21 0000' }));
  await second.raw.closed();
  for (const received of second.raw.packets) {
    assert.deepEqual([...received.body.subarray(0, 2)], [0, protocolError]);
  }
  const third = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  assert.equal(third.connack.sessionPresent, true);
});

test('[MQTT-3.2.2-7] [MQTT-3.2.2-8] a CONNACK that refuses has a reason code for it, and the connection ends', async ({
  open,
  name,
}) => {
  const codes = [0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97];
  const otherCodes = [0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f];
  const refused = [
    connectPacket('5.0', { clientId: name(), properties: '21 0000' }),
    connectPacket('5.0', { clientId: name(), properties: '7e 00' }),
    connectPacket('5.0', { clientId: name(), properties: octets('15', string('no-such-method')) }),
    connectPacket('5.0', { clientId: name(), will: { topic: '#' } }),
    packet(0x10, string('MQTT'), '05 03 0000 00', string(name())),
    packet(0x10, string('MQTT'), '05 02 0000 00'),
  ];
  for (const bytes of refused) {
    const client = await open();
    client.send(bytes, 'c0 00');
    await client.raw.closed();
    assert.ok(client.raw.packets.length <= 1, 'more than a CONNACK');
    for (const received of client.raw.packets) {
      const { code } = readConnack('5.0', received);
      assert.ok([...codes, ...otherCodes].includes(code), code.toString(16));
    }
  }
});

test('[MQTT-3.2.2-8] a CONNACK has only properties that it may have, each once and with a value in its range', async ({
  tryConnect,
}) => {
  const { connack } = await tryConnect({ clientId: '', properties: sessionExpiryInterval(0xffff_fffe) });
  for (const [id, value] of connack.properties) {
    assert.ok(propertiesOfConnack.includes(id), `property ${id}`);
    if (id !== identifier.userProperty) singleValueOf(connack.properties, id);
    const isFlag = [0x24, 0x25, 0x28, 0x29, 0x2a].includes(id);
    if (isFlag) assert.ok(value === 0 || value === 1, `property ${id} is ${value}`);
    const isNeverZero = id === identifier.receiveMaximum || id === identifier.maximumPacketSize;
    if (isNeverZero) assert.notEqual(value, 0, `property ${id}`);
  }
});

test('[MQTT-3.2.2-9] messages are taken up to the Maximum QoS of the CONNACK, without one up to 2', async (context) => {
  const { connect, name } = context;
  for (const qos of [1, 2] as const) {
    const client = await connect();
    const { maximumQoS } = promisesOf(client.connack.properties);
    if (qos <= maximumQoS) await client.publish(name(), 'x', { qos });
    else {
      client.send(publish('5.0', name(), 'x', { qos }));
      await client.ended(qosNotSupported);
    }
  }
});

test('[MQTT-3.2.2-10] subscriptions may ask for each QoS', async ({ connect, name }) => {
  const client = await connect();
  for (const qos of [0, 1, 2]) {
    const [code = 0xff] = await client.subscribe(name(`/${qos}`), qos);
    assert.ok(code <= qos, `granted ${code}`);
  }
});

test('[MQTT-3.2.2-12] a will is taken up to the Maximum QoS, above it its CONNECT is refused', async (context) => {
  const { maximumQoS } = promisesOf((await context.connect()).connack.properties);
  for (const qos of [0, 1, 2] as const) {
    const client = await context.tryConnect({ will: { topic: context.name(), qos } });
    if (qos <= maximumQoS) assert.equal(client.connack.code, 0);
    else {
      assert.equal(client.connack.code, qosNotSupported);
      await client.closed();
    }
  }
});

test('[MQTT-3.2.2-13] a will with will retain is taken if Retain is available, else its CONNECT is refused', async (context) => {
  const { retains } = promisesOf((await context.connect()).connack.properties);
  const client = await context.tryConnect({ will: { topic: context.name(), retain: true } });
  if (retains) {
    assert.equal(client.connack.code, 0);
    await client.disconnect();
  } else {
    assert.equal(client.connack.code, retainNotSupported);
    await client.closed();
  }
});

test(
  '[MQTT-3.2.2-15] a packet above the Maximum Packet Size of the server ends the connection with 0x95',
  async (context) => {
    const { connect, name } = context;
    const client = await connect();
    const { maximumPacketSize: bytesMax } = promisesOf(client.connack.properties);
    const headBytes = publish('5.0', name(), new Uint8Array(bytesMax - 100)).length - (bytesMax - 100);
    // The length tells all: the rest need not come.
    const start = publish('5.0', name(), new Uint8Array(bytesMax - headBytes + 1)).subarray(0, 100);
    client.send(start);
    await client.ended(packetTooLarge);
  },
  { broker: { limits: { maximumPacketSizeBytes: 10_000 } } },
);

test(
  '[MQTT-3.2.2-15] a packet as large as the Maximum Packet Size is taken',
  async ({ connect, name }) => {
    const client = await connect();
    await client.subscribe(name());
    assert.equal(promisesOf(client.connack.properties).maximumPacketSize, 10_000);
    const headBytes = publish('5.0', name(), new Uint8Array(9_000)).length - 9_000;
    await client.publish(name(), new Uint8Array(10_000 - headBytes));
    assert.equal((await client.receive()).payload.length, 10_000 - headBytes);
  },
  { broker: { limits: { maximumPacketSizeBytes: 10_000 } } },
);

test('[MQTT-3.2.2-16] an assigned client identifier is new and no one else’s', async (context) => {
  const assigned = new Set<unknown>();
  const clients: Client[] = [];
  for (let count = 0; count < 10; count++) {
    const client = await context.tryConnect({ clientId: '' });
    if (client.connack.code !== 0) return; // a server may refuse it [MQTT-3.1.3-6]
    const id = singleValueOf(client.connack.properties, identifier.assignedClientIdentifier);
    assert.ok(typeof id === 'string' && id !== '' && !assigned.has(id));
    assigned.add(id);
    clients.push(client);
  }
  for (const client of clients) await client.ping();
});

test('[MQTT-3.2.2-17] a topic alias above the Topic Alias Maximum ends the connection with 0x94', async (context) => {
  const { connect, name } = context;
  const client = await connect();
  const { topicAliasMaximum } = promisesOf(client.connack.properties);
  if (topicAliasMaximum === 65_535) return;
  const properties = topicAlias(topicAliasMaximum + 1);
  client.send(publish('5.0', name(), 'x', { properties }));
  await client.ended(topicAliasInvalid);
});

test(
  '[MQTT-3.2.2-18] without a Topic Alias Maximum every topic alias ends the connection with 0x94',
  async ({ connect, name }) => {
    for (const alias of [1, 65_535]) {
      const client = await connect();
      assert.equal(promisesOf(client.connack.properties).topicAliasMaximum, 0);
      client.send(publish('5.0', name(), 'x', { properties: topicAlias(alias) }));
      await client.ended(topicAliasInvalid);
    }
  },
  { broker: { limits: { topicAliasMaximum: 0 } } },
);

test('[MQTT-3.2.2-19] [MQTT-3.2.2-20] what a CONNACK explains does not make it too large', async ({
  open,
  name,
}) => {
  // From where only the reason code has room to where a long sentence has.
  for (let bytes = 5; bytes < 120; bytes += 5) {
    const client = await open();
    const properties = octets(maximumPacketSize(bytes), octets('15', string('no-such-method')));
    client.send(connectPacket('5.0', { clientId: name(), properties }));
    await client.raw.closed();
    for (const received of client.raw.packets) {
      assert.ok(hexOf(received).length / 2 <= bytes, `${hexOf(received).length / 2} bytes of ${bytes}`);
      assert.equal(readConnack('5.0', received).code, 0x8c);
    }
  }
});

test(
  '[MQTT-3.2.2-21] a Server Keep Alive is in the CONNACK, and the server goes by it',
  async ({ connect }) => {
    const startMs = performance.now();
    for (const keepAlive of [0, 600]) {
      const client = await connect({ keepAlive });
      assert.equal(singleValueOf(client.connack.properties, identifier.serverKeepAlive), 1);
      await client.ended(0x8d);
    }
    const silentMs = performance.now() - startMs;
    assert.ok(silentMs > 2_900, `${silentMs} ms`);
  },
  { broker: { limits: { serverKeepAliveSeconds: 1 } } },
);

test(
  '[MQTT-3.2.2-22] a keep alive below the server’s own stands, and no Server Keep Alive is sent',
  async ({ connect }) => {
    const startMs = performance.now();
    const client = await connect({ keepAlive: 1 });
    assert.equal(singleValueOf(client.connack.properties, identifier.serverKeepAlive), undefined);
    const told = await connect({ keepAlive: 61 });
    assert.equal(singleValueOf(told.connack.properties, identifier.serverKeepAlive), 60);
    await client.ended(0x8d);
    const silentMs = performance.now() - startMs;
    assert.ok(silentMs > 1_400, `${silentMs} ms`);
    assert.equal(told.raw.isClosed, false);
  },
  { broker: { limits: { serverKeepAliveSeconds: 60 } } },
);

test('[MQTT-3.2.2-22] without a Server Keep Alive the client’s own counts', async ({ connect }) => {
  const { connack } = await connect({ keepAlive: 600 });
  const own = await connect({ keepAlive: 1 });
  const server = singleValueOf(own.connack.properties, identifier.serverKeepAlive);
  if (server !== undefined) return; // nothing to see here
  await own.ended(0x8d);
  assert.equal(connack.code, 0);
});

test(
  '[MQTT-3.2.2-8] the limits of the server are in its CONNACK, and only where they differ from the defaults',
  async ({ connect }) => {
    const { connack } = await connect({ properties: sessionExpiryInterval(500) });
    const { receiveMaximum, topicAliasMaximum, maximumPacketSize: bytesMax } = promisesOf(connack.properties);
    assert.deepEqual([receiveMaximum, topicAliasMaximum, bytesMax], [7, 9, 5_000]);
    for (const id of [identifier.maximumQoS, identifier.retainAvailable, identifier.serverKeepAlive]) {
      assert.equal(singleValueOf(connack.properties, id), undefined);
    }
    assert.equal(singleValueOf(connack.properties, identifier.sessionExpiryInterval), undefined);
  },
  { broker: { limits: { receiveMaximum: 7, topicAliasMaximum: 9, maximumPacketSizeBytes: 5_000 } } },
);

test('[MQTT-3.2.2-7] after a CONNACK that refuses nothing is done any more', async ({
  open,
  name,
  connect,
}) => {
  const watcher = await connect();
  await watcher.subscribe(name());
  const client = await open();
  client.send(connectPacket('5.0', { clientId: name(), properties: '27 00000000' }));
  client.send(
    publish('5.0', name(), 'x', { qos: 2 }),
    pubrel(1),
    packet(0x82, u16(1), '00', string('t'), '00'),
  );
  await client.ended(malformedPacket, protocolError);
  await watcher.nothingBefore(await connect(), name());
});
