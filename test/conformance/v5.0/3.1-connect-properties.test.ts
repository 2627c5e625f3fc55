/** What a client says in its CONNECT about the packets that it wants to get. */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.ts';
import { type Octets, octets, packet, string, u16, userProperty } from '../support/octets.ts';
import { connect as connectPacket, pingreq, publish, subscribe, unsubscribe } from '../support/packets.ts';
import {
  authenticationMethod,
  identifier,
  maximumPacketSize,
  receiveMaximum,
  requestProblemInformation,
  requestResponseInformation,
  sessionExpiryInterval,
  topicAliasMaximum,
} from '../support/properties.ts';
import {
  hexOf,
  packetType,
  readAcknowledgement,
  readPublish,
  singleValueOf,
  valuesOf,
} from '../support/received.ts';
import { tooManyLevels } from '../support/refused.ts';
import { type Context, section } from '../support/section.ts';

const test = section('5.0', '3.1.2.11 CONNECT, properties');

const protocolError = 0x82;

/** Room for any CONNACK, and for a PUBLISH of these tests. */
const sizeMax = 120;

/** A payload with which a PUBLISH to `topic`, without properties, has this many bytes. */
function payloadFor(bytes: number, topic: string, qos: number): string {
  const rest = bytes - packet(0x30, string(topic), qos > 0 ? u16(1) : '', '00').length;
  return 'x'.repeat(rest);
}

for (const qos of [0, 1, 2] as const) {
  test(`[MQTT-3.1.2-24] no PUBLISH with QoS ${qos} is larger than the Maximum Packet Size`, async (context) => {
    const { connect, name } = context;
    const client = await connect({ properties: maximumPacketSize(sizeMax) });
    await client.subscribe(name(), qos);
    const publisher = await connect();
    await publisher.publish(name(), payloadFor(sizeMax + 1, name(), qos), { qos });
    await publisher.publish(name(), payloadFor(60_000, name(), qos), { qos });
    await publisher.publish(name(), payloadFor(sizeMax, name(), qos), { qos });
    const received = await client.next();
    assert.equal(hexOf(received).length / 2, sizeMax);
    assert.equal(readPublish('5.0', received).qos, qos);
  });
}

test('[MQTT-3.1.2-24] properties count for the size of a PUBLISH', async ({ connect, name }) => {
  const client = await connect({ properties: maximumPacketSize(sizeMax) });
  await client.subscribe(name(), 0);
  const publisher = await connect();
  await publisher.publish(name(), 'with', { properties: userProperty('n', 'v'.repeat(sizeMax - 30)) });
  await publisher.publish(name(), 'too much', { properties: userProperty('n', 'v'.repeat(sizeMax)) });
  await publisher.publish(name(), 'without');
  assert.deepEqual(await client.receiveTexts(2), ['with', 'without']);
});

test('[MQTT-3.1.2-24] retained and waiting messages keep within the Maximum Packet Size', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name('/r/large'), 'x'.repeat(sizeMax), { retain: true, qos: 1 });
  await publisher.publish(name('/r/small'), 'small', { retain: true, qos: 1 });
  const fields = {
    clientId: name(),
    properties: octets(sessionExpiryInterval(100), maximumPacketSize(sizeMax)),
  };
  const first = await connect(fields);
  await first.subscribe(name('/q'), 2);
  await first.disconnect();
  await publisher.publish(name('/q'), 'x'.repeat(sizeMax), { qos: 1 });
  await publisher.publish(name('/q'), 'x'.repeat(sizeMax), { qos: 2 });
  await publisher.publish(name('/q'), 'waited', { qos: 1 });
  const second = await connect({ ...fields, clean: false });
  assert.equal((await second.receive()).text, 'waited');
  await second.subscribe(name('/r/#'), 0);
  assert.equal((await second.receive()).text, 'small');
  await second.ping();
  for (const topic of [name('/r/large'), name('/r/small')])
    await publisher.publish(topic, '', { retain: true });
  second.send(octets('e0 07 00 05', sessionExpiryInterval(0)));
});

test('[MQTT-3.1.2-24] no CONNACK is larger than the Maximum Packet Size', async ({ open, name }) => {
  for (const bytes of [1, 2, 4, 5, 8, 10, 20, 40]) {
    const client = await open();
    client.send(connectPacket('5.0', { clientId: name(), properties: maximumPacketSize(bytes) }));
    const isAccepted = await answeredWithin(client, bytes);
    // What cannot be told what it has to know cannot be accepted.
    if (isAccepted) await client.ping();
    await client.drop();
  }
});

test('[MQTT-3.1.2-24] no CONNACK that refuses is larger than the Maximum Packet Size', async ({
  open,
  name,
}) => {
  for (const bytes of [1, 4, 5, 20, 40]) {
    const client = await open();
    const method = octets('15', string(`no-such-method-${name()}`));
    const properties = octets(maximumPacketSize(bytes), method);
    client.send(connectPacket('5.0', { clientId: name(), properties }));
    assert.equal(await answeredWithin(client, bytes), false);
  }
});

/** Whether a CONNACK of at most so many bytes came that accepts; otherwise the connection ends. */
async function answeredWithin(client: Client, bytes: number): Promise<boolean> {
  const received = await client.next().catch(() => undefined);
  if (received === undefined) {
    await client.closed();
    return false;
  }
  assert.equal(received.type, packetType.connack);
  assert.ok(hexOf(received).length / 2 <= bytes, `${hexOf(received).length / 2} bytes of ${bytes}`);
  const isAccepted = received.body[1] === 0;
  if (!isAccepted) await client.closed();
  return isAccepted;
}

test('[MQTT-3.1.2-24] no SUBACK or UNSUBACK is larger than the Maximum Packet Size', async (context) => {
  const filters = Array.from({ length: 200 }, (_, index) => context.name(`/${index}`));
  const requests = [
    subscribe(
      '5.0',
      filters.map((filter) => [filter, 0] as const),
    ),
    unsubscribe('5.0', filters),
  ];
  for (const request of requests) {
    const client = await context.connect({ properties: maximumPacketSize(sizeMax) });
    client.send(request, pingreq);
    let received = await client.next().catch(() => undefined);
    while (received !== undefined) {
      assert.ok(hexOf(received).length / 2 <= sizeMax);
      received =
        received.type === packetType.pingresp ? undefined : await client.next().catch(() => undefined);
    }
    await client.drop();
  }
});

test(
  '[MQTT-3.1.2-24] a client that cannot be given its SUBACK is told so',
  async (context) => {
    const filters = Array.from({ length: 200 }, (_, index) => [context.name(`/${index}`), 0] as const);
    const client = await context.connect({ properties: maximumPacketSize(sizeMax) });
    client.send(subscribe('5.0', filters));
    // No reason code is demanded; the client waits, and this is the one that fits.
    await client.ended(0x95);
  },
  { broker: {} },
);

test('[MQTT-3.1.2-25] what is too large is as good as delivered: it takes no place in the window', async (context) => {
  const { connect, name } = context;
  const client = await connect({ properties: octets(maximumPacketSize(sizeMax), receiveMaximum(2)) });
  await client.subscribe(name(), 2);
  const publisher = await connect();
  for (const qos of [1, 2, 1, 2, 1] as const) {
    await publisher.publish(name(), 'x'.repeat(sizeMax), { qos });
  }
  for (const qos of [1, 2] as const) await publisher.publish(name(), `QoS ${qos}`, { qos });
  assert.equal((await client.nextPublish()).text, 'QoS 1');
  assert.equal((await client.nextPublish()).text, 'QoS 2');
});

test('[MQTT-3.1.2-25] what was too large does not come later, when it would fit', async ({
  connect,
  name,
}) => {
  const expiry = sessionExpiryInterval(100);
  const first = await connect({
    clientId: name(),
    properties: octets(expiry, maximumPacketSize(sizeMax)),
  });
  await first.subscribe(name(), 2);
  const publisher = await connect();
  await publisher.publish(name(), 'x'.repeat(sizeMax), { qos: 1 });
  await publisher.publish(name(), 'x'.repeat(sizeMax), { qos: 2 });
  await publisher.publish(name(), 'fits', { qos: 1 });
  assert.equal((await first.receive()).text, 'fits');
  await first.disconnect();
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  assert.equal(second.connack.sessionPresent, true);
  await second.ping();
});

test('[MQTT-3.1.2-25] other subscribers get what is too large for one', async ({ connect, name }) => {
  const small = await connect({ properties: maximumPacketSize(sizeMax) });
  const large = await connect();
  await small.subscribe(name(), 1);
  await large.subscribe(name(), 1);
  await (await connect()).publish(name(), 'x'.repeat(sizeMax), { qos: 1 });
  assert.equal((await large.receive()).text.length, sizeMax);
  await small.nothingBefore(large, name());
});

/** Publishes on a few topics again and again, and gives the aliases that came; each stands for its topic. */
async function aliasesOf({ connect, name }: Context, properties: Octets | ''): Promise<unknown[]> {
  const client = await connect({ properties });
  await client.subscribe(name('/+'), 1);
  const publisher = await connect();
  const topics = [1, 2, 3, 4].map((index) => name(`/${index}`));
  const aliases = new Map<unknown, string>();
  for (let round = 0; round < 5; round++) {
    for (const topic of topics) {
      await publisher.publish(topic, topic, { qos: round % 2 === 0 ? 0 : 1 });
      const message = await client.receive();
      const alias = singleValueOf(message.properties, identifier.topicAlias);
      if (alias === undefined) assert.equal(message.topic, topic);
      else if (message.topic !== '') aliases.set(alias, message.topic);
      else assert.equal(aliases.get(alias), message.text);
    }
  }
  return [...aliases.keys()];
}

test('[MQTT-3.1.2-26] no topic alias of the server is above the Topic Alias Maximum', async (context) => {
  for (const maximum of [1, 2, 100]) {
    for (const alias of await aliasesOf(context, topicAliasMaximum(maximum))) {
      assert.ok(Number(alias) >= 1 && Number(alias) <= maximum, `${alias}`);
    }
  }
});

test('[MQTT-3.1.2-27] without a Topic Alias Maximum, or with 0, the server sends no topic alias', async (context) => {
  for (const properties of ['', topicAliasMaximum(0)] as const) {
    assert.deepEqual(await aliasesOf(context, properties), []);
  }
});

test('[MQTT-3.1.2-28] without Request Response Information there is no Response Information', async (context) => {
  for (const properties of ['', requestResponseInformation(0)] as const) {
    const { connack } = await context.connect({ properties });
    assert.deepEqual(valuesOf(connack.properties, identifier.responseInformation), []);
  }
  // Who asks for it may get it.
  await (await context.connect({ properties: requestResponseInformation(1) })).ping();
});

test('[MQTT-3.1.2-29] with Request Problem Information 0 no acknowledgement explains itself', async (context) => {
  const { connect, name } = context;
  const client = await connect({ properties: requestProblemInformation(0) });
  const answers = [
    [subscribe('5.0', [[name(), 0]], { id: 2 }), packetType.suback],
    [unsubscribe('5.0', [name('/never')], { id: 3 }), packetType.unsuback],
    [publish('5.0', name('/nobody'), '', { qos: 1, id: 4 }), packetType.puback],
    [publish('5.0', name('/nobody'), '', { qos: 2, id: 5 }), packetType.pubrec],
    [octets('62 02 0005'), packetType.pubcomp],
    [octets('62 02 0006'), packetType.pubcomp],
    [octets('50 02 0007'), packetType.pubrel],
  ] as const;
  for (const [request, type] of answers) {
    client.send(request);
    const acknowledgement = await client.nextAcknowledgement(type);
    assert.deepEqual(acknowledgement.properties, []);
  }
});

test('[MQTT-3.1.2-29] with Request Problem Information 0 a SUBACK does not say what is wrong', async ({
  connect,
}) => {
  const client = await connect({ properties: requestProblemInformation(0) });
  client.send(subscribe('5.0', [[tooManyLevels, 0]], { id: 1 }));
  const answer = await client.next();
  // A server may also end the connection, and say in the DISCONNECT what is wrong.
  if (answer.type !== packetType.disconnect)
    assert.deepEqual(readAcknowledgement('5.0', answer).properties, []);
});

test('[MQTT-3.1.2-29] with Request Problem Information 0 the user properties of messages come', async (context) => {
  const { connect, name } = context;
  const client = await connect({ properties: requestProblemInformation(0) });
  await client.subscribe(name());
  await client.publish(name(), 'x', { properties: userProperty('n', 'v') });
  const { properties } = await client.receive();
  assert.deepEqual(valuesOf(properties, identifier.userProperty), [['n', 'v']]);
});

/** Never satisfied: each answer is met with another question. */
const endlessMethod = {
  name: 'endless',
  begin: () => ({ next: () => ({ outcome: 'continue', data: new Uint8Array(50) }) as const }),
};
const endless = { broker: { authenticationMethods: [endlessMethod] } };

test(
  '[MQTT-3.1.2-30] a client that authenticates sends nothing but AUTH and DISCONNECT before its CONNACK',
  async ({ name, open }) => {
    const others = [publish('5.0', name(), 'x'), subscribe('5.0', [[name(), 0]]), pingreq];
    for (const bytes of others) {
      const client = await open();
      client.send(connectPacket('5.0', { clientId: name(), properties: authenticationMethod('endless') }));
      assert.equal((await client.next()).type, packetType.auth);
      client.send(octets('f0 0c 18 0a', authenticationMethod('endless')));
      assert.equal((await client.next()).type, packetType.auth);
      client.send(bytes);
      await client.ended(protocolError);
    }
    const leaving = await open();
    leaving.send(connectPacket('5.0', { clientId: name(), properties: authenticationMethod('endless') }));
    assert.equal((await leaving.next()).type, packetType.auth);
    leaving.send('e0 00');
    await leaving.closed();
  },
  endless,
);

test(
  '[MQTT-3.1.2-24] an AUTH that is larger than the Maximum Packet Size is not sent',
  async ({ name, open }) => {
    const client = await open();
    const properties = octets(authenticationMethod('endless'), maximumPacketSize(50));
    client.send(connectPacket('5.0', { clientId: name(), properties }));
    const received = await client.next();
    assert.ok(hexOf(received).length / 2 <= 50);
    assert.deepEqual([received.header, received.body[1]], [0x20, 0x95]);
    await client.closed();
  },
  endless,
);
