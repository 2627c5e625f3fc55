/** The will: when it is published, when not, and as what. */
import assert from 'node:assert/strict';
import { withTimeEnough } from '../../support/time-enough.ts';
import { type Octets, octets, type Part, packet, string, u16, userProperty } from '../support/octets.ts';
import { connect as connectPacket } from '../support/packets.ts';
import {
  contentType,
  correlationData,
  identifier,
  messageExpiryInterval,
  payloadFormatIndicator,
  responseTopic,
  sessionExpiryInterval,
  willDelayInterval,
} from '../support/properties.ts';
import { singleValueOf, valuesOf } from '../support/received.ts';
import { type Context, section } from '../support/section.ts';
import { assertSecondsLeft } from '../support/time.ts';

const test = section('5.0', '3.1 CONNECT, will');

const malformedPacket = 0x81;
const protocolError = 0x82;
const sessionTakenOver = 0x8e;

/** A client that sees the wills of a test. */
async function watch({ connect, name }: Context) {
  const watcher = await connect();
  await watcher.subscribe(name('/will'), 2);
  return watcher;
}

test('[MQTT-3.1.2-7] [MQTT-3.1.2-8] the will is published when the network fails', async (context) => {
  const watcher = await watch(context);
  const client = await context.connect({ will: { topic: context.name('/will'), payload: 'gone' } });
  client.raw.destroy();
  const message = await watcher.receive();
  assert.deepEqual([message.topic, message.text], [context.name('/will'), 'gone']);
});

test('[MQTT-3.1.2-8] the will is published when a client closes without DISCONNECT', async (context) => {
  const watcher = await watch(context);
  const client = await context.connect({ will: { topic: context.name('/will'), payload: 'gone' } });
  client.raw.end();
  assert.equal((await watcher.receive()).text, 'gone');
});

test('[MQTT-3.1.2-8] the will is published when the server ends the connection for an error', async (context) => {
  const watcher = await watch(context);
  for (const [bytes, code] of [
    ['00 00', malformedPacket],
    ['30 03 0001 00', malformedPacket],
    ['40 02 0000', protocolError],
  ] as const) {
    const client = await context.connect({ will: { topic: context.name('/will'), payload: bytes } });
    client.send(bytes);
    await client.ended(code, protocolError, malformedPacket);
    assert.equal((await watcher.receive()).text, bytes);
  }
});

test('[MQTT-3.1.2-8] the will is published after DISCONNECT with the reason code 04 and others', async (context) => {
  const watcher = await watch(context);
  for (const code of ['04', '80', '81', '82', '83', '93', '97']) {
    const client = await context.connect({ will: { topic: context.name('/will'), payload: code } });
    client.send('e0 01', code);
    await client.closed();
    assert.equal((await watcher.receive()).text, code);
  }
});

test('[MQTT-3.1.2-8] [MQTT-3.1.2-10] a normal DISCONNECT deletes the will', async (context) => {
  const watcher = await watch(context);
  for (const bytes of ['e0 00', 'e0 01 00', 'e0 02 00 00', 'e0 07 00 05 11 00000000']) {
    const client = await context.connect({ will: { topic: context.name('/will'), payload: 'unwanted' } });
    client.send(bytes);
    await client.closed();
  }
  await watcher.nothingBefore(await context.connect(), context.name('/will'));
});

test('[MQTT-3.1.2-10] a normal DISCONNECT deletes the will of a session that stays', async (context) => {
  const watcher = await watch(context);
  const { connect, name } = context;
  const will = { topic: name('/will'), payload: 'unwanted' };
  const first = await connect({ clientId: name(), will, properties: sessionExpiryInterval(100) });
  await first.disconnect();
  const second = await connect({ clientId: name(), clean: false });
  assert.equal(second.connack.sessionPresent, true);
  await second.drop();
  await watcher.nothingBefore(await connect(), name('/will'));
});

test('[MQTT-3.1.2-10] a will that was published is not published again', async (context) => {
  const watcher = await watch(context);
  const { connect, name } = context;
  const will = { topic: name('/will'), payload: 'once' };
  const first = await connect({ clientId: name(), will, properties: sessionExpiryInterval(100) });
  await first.drop();
  assert.equal((await watcher.receive()).text, 'once');
  // The session goes on, and its next connection has no will.
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(1) });
  assert.equal(second.connack.sessionPresent, true);
  await second.drop();
  await watcher.nothingBefore(await connect(), name('/will'));
});

test('[MQTT-3.1.2-7] each connection has its own will', async (context) => {
  const watcher = await watch(context);
  const { connect, name } = context;
  for (const payload of ['first', 'second', 'third']) {
    const will = { topic: name('/will'), payload };
    const client = await connect({
      clientId: name(),
      clean: false,
      will,
      properties: sessionExpiryInterval(payload === 'third' ? 0 : 100),
    });
    await client.drop();
    assert.equal((await watcher.receive()).text, payload);
  }
});

const willMissing: Readonly<Record<string, readonly Part[]>> = {
  'nothing of it': [],
  'properties only': ['00'],
  'no topic': ['00', '00'],
  'a topic that is cut off': ['00', '0004 61'],
  'no payload': ['00', string('t')],
  'a payload that is cut off': ['00', string('t'), '0002 61'],
};

for (const [what, parts] of Object.entries(willMissing)) {
  test(`[MQTT-3.1.2-9] the will flag with ${what} makes a CONNECT malformed`, async ({ open, name }) => {
    const client = await open();
    client.send(connectWithWill('06', name(), ...parts));
    await client.ended(malformedPacket);
  });
}

test('[MQTT-3.1.2-9] a will without its flag makes a CONNECT malformed', async ({ open, name }) => {
  const client = await open();
  client.send(connectWithWill('02', name(), '00', string('t'), string('x')));
  await client.ended(malformedPacket);
});

test('[MQTT-3.1.2-12] the will is published with its QoS', async (context) => {
  const watcher = await watch(context);
  for (const qos of [0, 1, 2] as const) {
    const client = await context.connect({ will: { topic: context.name('/will'), payload: `${qos}`, qos } });
    await client.drop();
    const message = await watcher.receive();
    assert.deepEqual([message.text, message.qos], [`${qos}`, qos]);
  }
});

test('[MQTT-3.1.2-14] a will without will retain is not retained', async (context) => {
  const { connect, name } = context;
  const watcher = await connect();
  await watcher.subscribe(name('/will'), 0x08); // retain as published
  const client = await connect({ will: { topic: name('/will'), payload: 'gone', retain: false } });
  await client.drop();
  assert.deepEqual((await watcher.receive()).retain, false);
  const late = await connect();
  await late.subscribe(name('/will'));
  await late.ping();
});

test('[MQTT-3.1.2-15] a will with will retain is retained', async (context) => {
  const { connect, name } = context;
  const watcher = await connect();
  await watcher.subscribe(name('/will'), 0x08); // retain as published
  const will = { topic: name('/will'), payload: 'gone', retain: true, properties: contentType('state') };
  await (await connect({ will })).drop();
  assert.deepEqual((await watcher.receive()).retain, true);
  const late = await connect();
  await late.subscribe(name('/will'));
  const message = await late.receive();
  assert.deepEqual([message.text, message.retain], ['gone', true]);
  assert.equal(singleValueOf(message.properties, identifier.contentType), 'state');
  await late.publish(name('/will'), '', { retain: true });
});

test('[MQTT-3.1.2-15] an empty will with will retain removes the retained message', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name('/will'), 'online', { retain: true, qos: 1 });
  const watcher = await watch(context);
  assert.equal((await watcher.receive()).text, 'online');
  await (await connect({ will: { topic: name('/will'), payload: '', retain: true } })).drop();
  assert.equal((await watcher.receive()).text, '');
  const late = await connect();
  await late.subscribe(name('/will'));
  await late.ping();
});

test('[MQTT-3.1.2-8] the will is published when its delay has passed, and not earlier', async (context) => {
  const watcher = await watch(context);
  const connectWith = (payload: string, seconds: number) => {
    const will = { topic: context.name('/will'), payload, properties: willDelayInterval(seconds) };
    return context.connect({ will, properties: sessionExpiryInterval(100) });
  };
  const [later, late] = [await connectWith('much later', 6), await connectWith('late', 1)];
  await later.drop();
  const startMs = performance.now();
  await late.drop();
  assert.equal((await watcher.receive()).text, 'late');
  const waitedMs = performance.now() - startMs;
  assert.ok(waitedMs > 900, `already after ${waitedMs} ms`);
});

test('[MQTT-3.1.2-8] the will is published when the session ends before its delay has passed', async (context) => {
  const watcher = await watch(context);
  const will = (payload: string) => ({
    topic: context.name('/will'),
    payload,
    properties: willDelayInterval(100),
  });
  await (await context.connect({ will: will('no expiry') })).drop();
  assert.equal((await watcher.receive()).text, 'no expiry');
  await (await context.connect({ will: will('1 s'), properties: sessionExpiryInterval(1) })).drop();
  assert.equal((await watcher.receive()).text, '1 s');
});

test('[MQTT-3.1.2-8] a clean start ends the old session, so that its delayed will is published', async (context) => {
  const watcher = await watch(context);
  const { connect, name } = context;
  const will = { topic: name('/will'), payload: 'ended', properties: willDelayInterval(100) };
  const first = await connect({ clientId: name(), will, properties: sessionExpiryInterval(200) });
  await first.drop();
  await connect({ clientId: name(), clean: true });
  assert.equal((await watcher.receive()).text, 'ended');
});

test('[MQTT-3.1.2-8] a DISCONNECT that ends the session publishes the will at once', async (context) => {
  const watcher = await watch(context);
  const will = { topic: context.name('/will'), payload: 'ended', properties: willDelayInterval(100) };
  const client = await context.connect({ will, properties: sessionExpiryInterval(200) });
  client.send('e0 07 04 05', sessionExpiryInterval(0));
  await client.closed();
  assert.equal((await watcher.receive()).text, 'ended');
});

test('[MQTT-3.1.3-9] a client that is back before the delay has passed leaves no will', async (context) => {
  const watcher = await watch(context);
  const { connect, name } = context;
  await withTimeEnough(async (seconds, inTime) => {
    const clientId = name(`${seconds}`);
    const will = { topic: name('/will'), payload: `${seconds}`, properties: willDelayInterval(seconds) };
    const first = await connect({ clientId, will, properties: sessionExpiryInterval(100) });
    const second = await inTime(1, async () => {
      await first.drop();
      return await connect({ clientId, clean: false, properties: sessionExpiryInterval(0) });
    });
    assert.equal(second.connack.sessionPresent, true);
    // Goes out when the other would have, if it had not been deleted.
    const marker = { topic: name('/will'), payload: 'marker', properties: willDelayInterval(seconds + 1) };
    await (await connect({ will: marker, properties: sessionExpiryInterval(100) })).drop();
    let { text } = await watcher.receive();
    while (text !== 'marker') {
      assert.notEqual(text, `${seconds}`, 'a will of a client that was back in time');
      text = (await watcher.receive()).text;
    }
  });
});

test('[MQTT-3.1.3-9] a takeover without a clean start leaves a delayed will unpublished', async (context) => {
  const watcher = await watch(context);
  const { connect, name } = context;
  const will = { topic: name('/will'), payload: 'unwanted', properties: willDelayInterval(100) };
  const first = await connect({ clientId: name(), will, properties: sessionExpiryInterval(200) });
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  await first.ended(sessionTakenOver);
  assert.equal(second.connack.sessionPresent, true);
  await second.disconnect();
  await watcher.nothingBefore(await connect(), name('/will'));
});

test('[MQTT-3.1.2-8] a takeover publishes a will without delay, and one whose session it ends', async (context) => {
  const watcher = await watch(context);
  const { connect, name } = context;
  const delayed = willDelayInterval(100);
  const cases = [
    { payload: 'no delay', delay: '', expiry: 100, clean: false },
    { payload: 'clean start', delay: delayed, expiry: 100, clean: true },
    { payload: 'no expiry', delay: delayed, expiry: 0, clean: false },
  ];
  for (const [index, { payload, delay, expiry, clean }] of cases.entries()) {
    const clientId = name(`${index}`);
    const will = { topic: name('/will'), payload, properties: delay };
    const first = await connect({ clientId, will, properties: sessionExpiryInterval(expiry) });
    await connect({ clientId, clean });
    await first.ended(sessionTakenOver);
    assert.equal((await watcher.receive()).text, payload);
  }
});

test('[MQTT-3.1.2-8] a CONNECT that is refused leaves no will', async (context) => {
  const watcher = await watch(context);
  const client = await context.open();
  const will = { topic: context.name('/will'), payload: 'unwanted' };
  client.send(connectPacket('5.0', { clientId: context.name(), will, properties: '21 0000' }));
  await client.ended(protocolError);
  await watcher.nothingBefore(await context.connect(), context.name('/will'));
});

test('[MQTT-3.1.3-10] the user properties of a will keep their order', async (context) => {
  const watcher = await watch(context);
  const pairs = [
    ['b', '1'],
    ['a', '2'],
    ['b', '1'],
    ['', ''],
    ['a', '1'],
  ] as const;
  const properties = octets(...pairs.map(([name, value]) => userProperty(name, value)));
  await (await context.connect({ will: { topic: context.name('/will'), properties } })).drop();
  const message = await watcher.receive();
  assert.deepEqual(valuesOf(message.properties, identifier.userProperty), pairs);
});

test('[MQTT-3.1.2-7] the will goes out with all its properties but the delay (3.1.3.2)', async (context) => {
  const watcher = await watch(context);
  const properties = octets(
    willDelayInterval(0),
    payloadFormatIndicator(1),
    messageExpiryInterval(1_000),
    contentType('text/plain'),
    responseTopic('an/answer'),
    correlationData(Uint8Array.of(0, 1, 0xff)),
    userProperty('n', 'v'),
  );
  const client = await context.connect({ will: { topic: context.name('/will'), payload: 'x', properties } });
  const startMs = performance.now();
  await client.drop();
  const { properties: received } = await watcher.receive();
  assert.equal(singleValueOf(received, identifier.payloadFormatIndicator), 1);
  const left = Number(singleValueOf(received, identifier.messageExpiryInterval));
  assertSecondsLeft(left, 1_000, startMs);
  assert.equal(singleValueOf(received, identifier.contentType), 'text/plain');
  assert.equal(singleValueOf(received, identifier.responseTopic), 'an/answer');
  assert.deepEqual(singleValueOf(received, identifier.correlationData), Uint8Array.of(0, 1, 0xff));
  assert.deepEqual(valuesOf(received, identifier.userProperty), [['n', 'v']]);
  assert.deepEqual(valuesOf(received, identifier.willDelayInterval), []);
});

test('[MQTT-3.1.2-7] the expiry of a will counts from when it is published', async (context) => {
  const watcher = await watch(context);
  const properties = octets(willDelayInterval(2), messageExpiryInterval(1));
  const will = { topic: context.name('/will'), payload: 'in time', properties };
  await (await context.connect({ will, properties: sessionExpiryInterval(100) })).drop();
  assert.equal((await watcher.receive()).text, 'in time');
});

test(
  '[MQTT-3.1.2-7] a will has any bytes, none, or as many as fit',
  async (context) => {
    const watcher = await watch(context);
    const payloads = [
      new Uint8Array(),
      Uint8Array.of(0, 0xff, 0xc3, 0x28),
      new Uint8Array(65_535).fill(0x77),
    ];
    for (const payload of payloads) {
      await (await context.connect({ will: { topic: context.name('/will'), payload } })).drop();
      assert.deepEqual((await watcher.receive()).payload, payload);
    }
  },
  { broker: { limits: { connectPacketSizeBytesMax: 131_072 } } },
);

test('[MQTT-3.1.3-11] a will topic that is not UTF-8 makes a CONNECT malformed', async ({ open, name }) => {
  for (const bytes of ['c3 28', 'ed a0 80', '61 00']) {
    const client = await open();
    client.send(connectWithWill('06', name(), '00', string(octets(bytes)), u16(0)));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-3.1.3-11] a will topic that is no topic name is refused', async ({ open, name }) => {
  for (const topic of ['', '+', '#', 'a/+/b', 'a/#', 'a+']) {
    const client = await open();
    client.send(connectPacket('5.0', { clientId: name(), will: { topic } }));
    await client.ended(malformedPacket, protocolError);
  }
});

test('[MQTT-3.1.3-11] a response topic of a will that is no topic name is refused', async ({
  open,
  name,
}) => {
  const client = await open();
  const will = { topic: name(), properties: responseTopic('a/+') };
  client.send(connectPacket('5.0', { clientId: name(), will }));
  await client.ended(malformedPacket, protocolError);
});

function connectWithWill(flags: string, clientId: string, ...parts: readonly Part[]): Octets {
  return packet(0x10, string('MQTT'), '05', flags, u16(0), '00', string(clientId), ...parts);
}
