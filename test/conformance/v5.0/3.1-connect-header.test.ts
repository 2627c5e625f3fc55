/** CONNECT up to its flags: what comes first, protocol name and version, flags without a will. */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.ts';
import { type Octets, octets, type Part, packet, string, u8, u16 } from '../support/octets.ts';
import { connect, disconnect, pingreq, publish, subscribe, unsubscribe } from '../support/packets.ts';
import { sessionExpiryInterval } from '../support/properties.ts';
import { hexOf } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.1 CONNECT, header');

const malformedPacket = 0x81;
const protocolError = 0x82;

const notConnect: Readonly<Record<string, Octets>> = {
  'the reserved packet type 0': octets('00 00'),
  CONNACK: octets('20 03 00 00 00'),
  PUBLISH: publish('5.0', 't', 'x'),
  'PUBLISH with QoS 1': publish('5.0', 't', 'x', { qos: 1 }),
  PUBACK: octets('40 02 0001'),
  PUBREC: octets('50 02 0001'),
  PUBREL: octets('62 02 0001'),
  PUBCOMP: octets('70 02 0001'),
  SUBSCRIBE: subscribe('5.0', [['t', 0]]),
  SUBACK: octets('90 04 0001 00 00'),
  UNSUBSCRIBE: unsubscribe('5.0', ['t']),
  UNSUBACK: octets('b0 04 0001 00 00'),
  PINGREQ: pingreq,
  PINGRESP: octets('d0 00'),
  DISCONNECT: disconnect,
  AUTH: octets('f0 00'),
};

for (const [name, bytes] of Object.entries(notConnect)) {
  test(`[MQTT-3.1.0-1] the first packet is a CONNECT: ${name} ends the connection`, async ({
    open,
    name: id,
  }) => {
    const client = await open();
    // There was no CONNACK, so that nothing may be said [MQTT-3.14.0-1], and what follows is not looked at.
    client.send(bytes, connect('5.0', { clientId: id() }));
    await client.closed();
  });
}

test(
  '[MQTT-3.1.0-1] a connection without a CONNECT does not stay for ever',
  async ({ open }) => {
    const silent = await open();
    const started = await open();
    started.send(connect('5.0').subarray(0, 9));
    await silent.closed();
    await started.closed();
  },
  { broker: { limits: { connectTimeoutMs: 300 } } },
);

test('[MQTT-3.1.0-2] a second CONNECT is a Protocol Error', async ({ connect: connectClient, name }) => {
  const client = await connectClient({ clientId: name() });
  client.send(connect('5.0', { clientId: name() }));
  await client.ended(protocolError);
});

test('[MQTT-3.1.0-2] a second CONNECT is one also in the piece of the first', async ({ open, name }) => {
  const client = await open();
  const bytes = connect('5.0', { clientId: name() });
  client.send(bytes, bytes);
  assert.equal((await client.nextConnack()).code, 0);
  await client.ended(protocolError);
});

/** The connection ends, after a CONNACK that says that the version is not supported, or without one. */
async function isUnsupported(client: Client): Promise<void> {
  await client.raw.closed();
  const received = client.raw.packets.map(hexOf);
  if (received.length === 0) return;
  // Of version 5, with properties or none, or of 3.1.1, which a server may suppose behind an unknown number.
  assert.match(received.join(), /^(20..0084.*|20020001)$/);
}

for (const name of ['MQTt', 'mqtt', 'MQIsdp', 'MQTT5', 'MQT', 'HTTP', '', 'MQTT\u0000', '\ufeffMQTT']) {
  test(`[MQTT-3.1.2-1] the protocol name is MQTT and not ${JSON.stringify(name)}`, async ({ open }) => {
    const client = await open();
    client.send(packet(0x10, string(name), '05 02 0000 00', string('')));
    // U+0000 makes it a Malformed Packet too.
    if (name.includes('\0')) await client.raw.closed();
    else await isUnsupported(client);
  });
}

for (const version of [0, 1, 2, 6, 7, 0x80, 0x85, 0xff]) {
  test(`[MQTT-3.1.2-2] the protocol version ${version} is refused`, async ({ open, name }) => {
    const client = await open();
    client.send(packet(0x10, string('MQTT'), u8(version), '02 0000 00', string(name())));
    await isUnsupported(client);
  });
}

test('[MQTT-3.1.2-3] the reserved flag makes a CONNECT malformed', async ({ open, name }) => {
  for (const flags of ['01', '03']) {
    const client = await open();
    client.send(connectWith(flags, string(name())));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-3.1.2-11] a will QoS without a will is refused', async ({ open, name }) => {
  for (const flags of ['0a', '12', '1a']) {
    const client = await open();
    client.send(connectWith(flags, string(name())));
    await client.ended(malformedPacket, protocolError);
  }
});

test('[MQTT-3.1.2-12] a will QoS of 3 makes a CONNECT malformed', async ({ open, name }) => {
  const client = await open();
  client.send(connectWith('1e', string(name()), '00', string(name()), u16(0)));
  await client.ended(malformedPacket);
});

test('[MQTT-3.1.2-13] will retain without a will is refused', async ({ open, name }) => {
  const client = await open();
  client.send(connectWith('22', string(name())));
  await client.ended(malformedPacket, protocolError);
});

const user = string('user');
const password = string('secret');

test('[MQTT-3.1.2-16] a user name without its flag makes a CONNECT malformed', async ({ open, name }) => {
  const client = await open();
  client.send(connectWith('02', string(name()), user));
  await client.ended(malformedPacket);
});

test('[MQTT-3.1.2-17] the flag of a user name without one makes a CONNECT malformed', async ({
  open,
  name,
}) => {
  for (const rest of ['', '00', '0004 75']) {
    const client = await open();
    client.send(connectWith('82', string(name()), rest));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-3.1.2-18] a password without its flag makes a CONNECT malformed', async ({ open, name }) => {
  const client = await open();
  client.send(connectWith('82', string(name()), user, password));
  await client.ended(malformedPacket);
});

test('[MQTT-3.1.2-19] the flag of a password without one makes a CONNECT malformed', async ({
  open,
  name,
}) => {
  for (const rest of ['', '00', '0006 73']) {
    const client = await open();
    client.send(connectWith('c2', string(name()), user, rest));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-3.1.2-17] [MQTT-3.1.2-19] user name and password are there where their flags are', async (context) => {
  const accepted = [
    { username: 'user' },
    { username: 'user', password: 'secret' },
    { username: '', password: '' },
    { password: 'only' }, // not so in 3.1.1
    { username: 'user', password: Uint8Array.of(0, 0xff, 0xc3, 0x28) }, // binary data
  ];
  for (const fields of accepted) await (await context.connect(fields)).ping();
});

test('[MQTT-3.1.2-4] a clean start discards the session that there was', async ({
  connect: connectClient,
  name,
}) => {
  const properties = sessionExpiryInterval(100);
  const publisher = await connectClient();
  const first = await connectClient({ clientId: name(), properties });
  await first.subscribe(name(), 1);
  await first.disconnect();
  await publisher.publish(name(), 'for the old session', { qos: 1 });
  const second = await connectClient({ clientId: name(), properties });
  assert.equal(second.connack.sessionPresent, false);
  await publisher.publish(name(), 'nobody subscribes', { qos: 1 });
  await second.ping();
  // Not even later does the old session come back.
  await second.disconnect();
  const third = await connectClient({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  assert.equal(third.connack.sessionPresent, true);
  await third.ping();
});

test('[MQTT-3.1.2-4] a clean start forgets messages in flight, in both directions', async (context) => {
  const { connect: connectClient, name } = context;
  const properties = sessionExpiryInterval(100);
  const first = await connectClient({ clientId: name(), properties });
  await first.subscribe(name(), 2);
  await (await connectClient()).publish(name(), 'not acknowledged', { qos: 2 });
  assert.equal((await first.nextPublish()).qos, 2);
  first.send(publish('5.0', name('/up'), '', { qos: 2, id: 5 }));
  assert.equal((await first.nextAcknowledgement(5)).id, 5);
  await first.drop();
  const second = await connectClient({ clientId: name(), properties: sessionExpiryInterval(0) });
  await second.ping();
  // The exchange of the identifier 5 is no longer known: this is another message.
  const watcher = await connectClient();
  await watcher.subscribe(name('/up'), 2);
  await second.publish(name('/up'), 'new', { qos: 2, id: 5, dup: true });
  assert.equal((await watcher.receive()).text, 'new');
});

test('[MQTT-3.1.2-5] without a clean start the session goes on', async ({ connect: connectClient, name }) => {
  const properties = sessionExpiryInterval(100);
  const publisher = await connectClient();
  const first = await connectClient({ clientId: name(), clean: false, properties });
  await first.subscribe([name('/a'), name('/b')], 2);
  await first.disconnect();
  for (const qos of [1, 2] as const) await publisher.publish(name('/a'), `QoS ${qos}`, { qos });
  const second = await connectClient({
    clientId: name(),
    clean: false,
    properties: sessionExpiryInterval(0),
  });
  assert.equal(second.connack.sessionPresent, true);
  assert.deepEqual(await second.receiveTexts(2), ['QoS 1', 'QoS 2']);
  await publisher.publish(name('/b'), 'live');
  assert.equal((await second.receive()).text, 'live');
});

test('[MQTT-3.1.2-6] without a clean start and without a session there is a new one', async (context) => {
  const { connect: connectClient, name } = context;
  const client = await connectClient({ clientId: name(), clean: false });
  assert.equal(client.connack.sessionPresent, false);
  await client.subscribe(name());
  await client.publish(name(), 'works');
  assert.equal((await client.receive()).text, 'works');
});

function connectWith(flags: string, ...payload: readonly Part[]): Octets {
  return packet(0x10, string('MQTT'), '05', flags, u16(0), '00', ...payload);
}
