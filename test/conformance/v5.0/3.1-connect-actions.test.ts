/** What a server does with a CONNECT: checks, takeover, and what came behind it. */
import assert from 'node:assert/strict';
import { type Octets, octets, type Part, packet, string, u16 } from '../support/octets.ts';
import { connect as connectPacket, pingreq, pingresp, publish, subscribe } from '../support/packets.ts';
import { sessionExpiryInterval } from '../support/properties.ts';
import { hexOf, packetType } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '3.1.4 CONNECT, actions');

const malformedPacket = 0x81;
const protocolError = 0x82;
const badUserNameOrPassword = 0x86;
const serverUnavailable = 0x88;
const badAuthenticationMethod = 0x8c;
const sessionTakenOver = 0x8e;
const packetTooLarge = 0x95;

const malformed: Readonly<Record<string, readonly Part[]>> = {
  'an empty body': [],
  'a protocol name that is cut off': ['0004 4d51'],
  'no protocol version': [string('MQTT')],
  'no flags': [string('MQTT'), '05'],
  'no keep alive': [string('MQTT'), '05 02'],
  'half a keep alive': [string('MQTT'), '05 02 00'],
  'no property length': [string('MQTT'), '05 02 0000'],
  'properties that are cut off': [string('MQTT'), '05 02 0000 05 11 0000'],
  'no client identifier': [string('MQTT'), '05 02 0000 00'],
  'bytes behind its end': [string('MQTT'), '05 02 0000 00', string(''), '00'],
};

for (const [what, parts] of Object.entries(malformed)) {
  test(`[MQTT-3.1.4-1] a CONNECT with ${what} is malformed, and the connection ends`, async ({ open }) => {
    const client = await open();
    client.send(packet(0x10, ...parts));
    await client.raw.closed();
    // Up to the version a server cannot know that it should answer in version 5.
    const received = client.raw.packets.map(hexOf);
    if (received.length > 0) assert.match(received.join(), /^20..0081/);
  });
}

test('[MQTT-3.1.4-1] a CONNECT that cannot be read gets 0x81, one that is not allowed 0x82', async (context) => {
  for (const [flags, properties, code] of [
    ['03', '00', malformedPacket],
    ['02', '02 7e 00', malformedPacket],
    ['02', '03 21 0000', protocolError],
    ['02', '06 21 0001 21 0001', protocolError],
  ] as const) {
    const client = await context.open();
    client.send(packet(0x10, string('MQTT'), '05', flags, u16(0), properties, string(context.name())));
    await client.ended(code);
  }
});

test(
  '[MQTT-3.1.4-1] a CONNECT that is larger than the server takes is refused with 0x95',
  async ({ name, open }) => {
    const padding = (bytes: number) => octets('26', string('n'), string('v'.repeat(bytes)));
    const headBytes = connectPacket('5.0', { clientId: name(), properties: padding(1_000) }).length - 1_000;
    const fitting = await open();
    fitting.send(connectPacket('5.0', { clientId: name(), properties: padding(2_048 - headBytes) }));
    assert.equal((await fitting.nextConnack()).code, 0);
    const tooLarge = await open();
    tooLarge.send(connectPacket('5.0', { clientId: name(), properties: padding(2_049 - headBytes) }));
    await tooLarge.ended(packetTooLarge);
    // Where one cannot see the version there is no answer.
    const unknown = await open();
    unknown.send('10 ff ff 7f');
    await unknown.closed();
  },
  { broker: { limits: { connectPacketSizeBytesMax: 2_048 } } },
);

test(
  '[MQTT-3.1.4-2] a client that is not authentic is refused, and the connection ends',
  async ({ name, tryConnect }) => {
    for (const fields of [{}, { username: 'good', password: 'wrong' }, { username: 'bad', password: 'pw' }]) {
      const client = await tryConnect(fields);
      assert.equal(client.connack.code, badUserNameOrPassword);
      await client.closed();
    }
    const failing = await tryConnect({ username: 'throw' });
    assert.equal(failing.connack.code, serverUnavailable); // nobody has found out whether it is authentic
    await failing.closed();
    const good = await tryConnect({ clientId: name(), username: 'good', password: 'pw' });
    assert.equal(good.connack.code, 0);
    await good.ping();
    // Who is refused takes nothing over.
    const thief = await tryConnect({ clientId: name(), username: 'bad' });
    assert.equal(thief.connack.code, badUserNameOrPassword);
    await good.ping();
  },
  {
    broker: {
      authenticate: async ({ username, password }) => {
        if (username === 'throw') throw new Error('no answer');
        return username === 'good' && Buffer.from(password ?? []).toString() === 'pw';
      },
    },
  },
);

test('[MQTT-3.1.4-2] an authentication method that the server does not have is refused with 0x8C', async ({
  open,
  name,
}) => {
  const client = await open();
  const method = octets('15', string(`no-such-method-${name()}`));
  client.send(connectPacket('5.0', { clientId: name(), properties: method }));
  await client.ended(badAuthenticationMethod);
});

test('[MQTT-3.1.4-3] who connects with the identifier of a connected client takes over from it', async ({
  connect,
  name,
}) => {
  let owner = await connect({ clientId: name() });
  for (let round = 0; round < 5; round++) {
    const next = await connect({ clientId: name() });
    await owner.ended(sessionTakenOver);
    await next.ping();
    owner = next;
  }
});

test('[MQTT-3.1.4-3] a takeover gets the session, in which nothing is lost', async ({ connect, name }) => {
  const properties = sessionExpiryInterval(100);
  const publisher = await connect();
  const first = await connect({ clientId: name(), properties });
  await first.subscribe(name(), 1);
  await publisher.publish(name(), 'in flight', { qos: 1 });
  await first.nextPublish();
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  assert.equal(second.connack.sessionPresent, true);
  await first.ended(sessionTakenOver);
  const message = await second.receive();
  assert.deepEqual([message.text, message.dup], ['in flight', true]);
  await publisher.publish(name(), 'next', { qos: 1 });
  assert.equal((await second.receive()).text, 'next');
});

test('[MQTT-3.1.4-4] a takeover with a clean start gets a new session', async ({ connect, name }) => {
  const first = await connect({ clientId: name(), properties: sessionExpiryInterval(100) });
  await first.subscribe(name(), 1);
  const second = await connect({ clientId: name(), clean: true });
  assert.equal(second.connack.sessionPresent, false);
  await first.ended(sessionTakenOver);
  await (await connect()).publish(name(), 'for nobody', { qos: 1 });
  await second.ping();
});

test('[MQTT-3.1.4-5] a CONNECT in order is answered with a CONNACK of success', async ({ open, name }) => {
  const client = await open();
  client.send(connectPacket('5.0', { clientId: name() }));
  const received = await client.next();
  assert.equal(received.header, 0x20);
  assert.deepEqual([...received.body.subarray(0, 2)], [0, 0]);
});

test('[MQTT-3.1.4-5] a client need not wait for its CONNACK', async ({ open, name }) => {
  const client = await open();
  client.send(
    connectPacket('5.0', { clientId: name() }),
    subscribe('5.0', [[name(), 1]], { id: 1 }),
    publish('5.0', name(), 'early', { qos: 1, id: 2 }),
    pingreq,
  );
  assert.equal((await client.nextConnack()).code, 0);
  assert.deepEqual((await client.nextAcknowledgement(packetType.suback)).codes, [1]);
  const message = await client.receive();
  assert.equal(message.text, 'early');
});

test('[MQTT-3.1.4-5] a CONNECT byte by byte is one too', async ({ open, name }) => {
  const client = await open();
  for (const byte of connectPacket('5.0', { clientId: name() })) client.send(Uint8Array.of(byte));
  assert.equal((await client.nextConnack()).code, 0);
  client.send(pingreq);
  await client.expect(pingresp);
});

/** CONNECTs that every server has to refuse. */
const refused: Readonly<Record<string, (clientId: string) => Octets>> = {
  'Receive Maximum 0': (clientId) => connectPacket('5.0', { clientId, properties: '21 0000' }),
  'the reserved flag': (clientId) => packet(0x10, string('MQTT'), '05 03 0000 00', string(clientId)),
};

for (const [what, connectOf] of Object.entries(refused)) {
  test(`[MQTT-3.1.4-6] nothing behind a CONNECT that is refused is looked at (${what})`, async (context) => {
    const { connect, name, open } = context;
    const watcher = await connect();
    await watcher.subscribe(name());
    const client = await open();
    client.send(
      connectOf(name()),
      publish('5.0', name(), 'ignored'),
      publish('5.0', name(), 'ignored', { qos: 1, retain: true }),
      subscribe('5.0', [[name(), 0]]),
      connectPacket('5.0', { clientId: name() }),
      publish('5.0', name(), 'ignored'),
    );
    await client.ended(malformedPacket, protocolError);
    await watcher.nothingBefore(await connect(), name());
    const late = await connect();
    await late.subscribe(name());
    await late.ping();
  });
}

test('[MQTT-3.1.4-6] a refused CONNECT leaves the session of its client identifier as it was', async ({
  connect,
  name,
  open,
}) => {
  const first = await connect({ clientId: name(), properties: sessionExpiryInterval(100) });
  await first.subscribe(name(), 1);
  const client = await open();
  client.send(connectPacket('5.0', { clientId: name(), clean: true, properties: '21 0000' }));
  await client.ended(protocolError);
  await first.ping();
  await first.publish(name(), 'still subscribed', { qos: 1 });
  assert.equal((await first.receive()).text, 'still subscribed');
});
