/** The first byte of PUBLISH: DUP, QoS and RETAIN. */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.ts';
import { octets, packet, string, userProperty } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import {
  contentType,
  identifier,
  messageExpiryInterval,
  sessionExpiryInterval,
} from '../support/properties.ts';
import { packetType, singleValueOf, valuesOf } from '../support/received.ts';
import { type Context, section } from '../support/section.ts';
import { assertSecondsLeft, secondsPass } from '../support/time.ts';

const test = section('5.0', '3.3.1 PUBLISH, fixed header');

const malformedPacket = 0x81;
const protocolError = 0x82;

// Subscription options behind the QoS.
const noLocal = 0x04;
const retainAsPublished = 0x08;
const retainHandling1 = 0x10;
const retainHandling2 = 0x20;

test('[MQTT-3.3.1-1] what is sent again after a reconnect has DUP and its packet identifier', async (context) => {
  const { connect, name } = context;
  const first = await connect({ clientId: name(), properties: sessionExpiryInterval(100) });
  await first.subscribe(name(), 2);
  const publisher = await connect();
  for (const qos of [1, 2, 1, 2] as const) await publisher.publish(name(), `QoS ${qos}`, { qos });
  const sent = [];
  for (let count = 0; count < 4; count++) {
    const { id, qos, dup, text } = await first.nextPublish();
    assert.deepEqual([dup, text], [false, `QoS ${qos}`]);
    sent.push({ id, qos, text });
  }
  await first.drop();
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  for (const { id, qos, text } of sent) {
    const again = await second.nextPublish();
    assert.deepEqual([again.id, again.qos, again.text, again.dup], [id, qos, text, true]);
    if (qos === 1) second.send(puback(id));
  }
  for (const { id, qos } of sent) {
    if (qos !== 2) continue;
    second.send(pubrec(id));
    assert.equal((await second.nextAcknowledgement(packetType.pubrel)).id, id);
    second.send(pubcomp(id));
  }
  await publisher.publish(name(), 'new', { qos: 1 });
  const next = await second.receive();
  assert.deepEqual([next.text, next.dup], ['new', false]);
});

test('[MQTT-3.3.1-1] what was acknowledged is not sent again', async ({ connect, name }) => {
  const first = await connect({ clientId: name(), properties: sessionExpiryInterval(100) });
  await first.subscribe(name(), 2);
  const publisher = await connect();
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish(name(), 'x', { qos });
    assert.equal((await first.receive()).qos, qos);
  }
  await first.ping(); // so that the last PUBCOMP is there
  await first.drop();
  const second = await connect({ clientId: name(), clean: false, properties: sessionExpiryInterval(0) });
  await second.ping();
});

test('[MQTT-3.3.1-2] the server sends QoS 0 without DUP', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe(name(), 0);
  const publisher = await connect();
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish(name(), 'x', { qos, dup: qos > 0 });
    assert.equal((await client.next()).header, 0x30);
  }
});

test('[MQTT-3.3.1-2] DUP with QoS 0 ends the connection', async ({ connect, name }) => {
  const client = await connect();
  client.send(publish('5.0', name(), 'x', { dup: true }));
  await client.ended(malformedPacket, protocolError);
});

test('[MQTT-3.3.1-3] DUP is between a client and the server: it does not go on', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name(), 2);
  const publisher = await connect();
  for (const qos of [1, 2] as const) {
    await publisher.publish(name(), 'x', { qos, dup: true });
    const message = await client.receive();
    assert.deepEqual([message.qos, message.dup], [qos, false]);
  }
});

test('[MQTT-3.3.1-4] QoS 3 is a Malformed Packet', async ({ connect, name }) => {
  for (const header of [0x36, 0x37, 0x3e, 0x3f]) {
    const client = await connect();
    client.send(packet(header, string(name()), '0001 00'));
    await client.ended(malformedPacket);
  }
});

/** What a new subscriber of `filter` gets, up to `count` messages, and nothing more. */
async function retainedOf({ connect }: Context, filter: string, count: number, options = 2) {
  const client = await connect();
  await client.subscribe(filter, options);
  const messages = [];
  while (messages.length < count) messages.push(await client.receive());
  await client.ping();
  return messages;
}

async function forget(publisher: Client, ...topics: readonly string[]): Promise<void> {
  for (const topic of topics) await publisher.publish(topic, '', { retain: true, qos: 1 });
}

test('[MQTT-3.3.1-5] a retained message takes the place of the one before, with all that belongs to it', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  const properties = octets(contentType('a'), userProperty('n', '1'), userProperty('n', '2'));
  await publisher.publish(name(), 'first', { retain: true, qos: 2, properties });
  const [first] = await retainedOf(context, name(), 1);
  assert.deepEqual([first?.text, first?.qos, first?.retain, first?.dup], ['first', 2, true, false]);
  assert.equal(singleValueOf(first?.properties ?? [], identifier.contentType), 'a');
  assert.deepEqual(valuesOf(first?.properties ?? [], identifier.userProperty), [
    ['n', '1'],
    ['n', '2'],
  ]);
  await publisher.publish(name(), 'second', { retain: true, qos: 1 });
  const [second] = await retainedOf(context, name(), 1);
  assert.deepEqual([second?.text, second?.qos, second?.retain], ['second', 1, true]);
  assert.deepEqual(second?.properties, []);
  await forget(publisher, name());
});

test('[MQTT-3.3.1-5] a retained message with QoS 0 takes the place of the one before', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name(), 'old', { retain: true, qos: 1 });
  await publisher.publish(name(), 'new', { retain: true, qos: 0 });
  await publisher.ping();
  // A server may drop the new one; the old one may not come back.
  const client = await connect();
  await client.subscribe(name(), 1);
  await client.publish(name(), 'marker');
  const message = await client.receive();
  assert.ok(message.text === 'marker' || (message.text === 'new' && message.qos === 0), message.text);
  await forget(publisher, name());
});

test('[MQTT-3.3.1-5] each topic has its own retained message', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  const topics = ['/a', '/a/b', '/a/', '//a', '/A'].map((suffix) => name(suffix));
  for (const topic of topics) await publisher.publish(topic, topic, { retain: true, qos: 1 });
  const messages = await retainedOf(context, name('/#'), topics.length);
  assert.deepEqual(messages.map(({ topic }) => topic).sort(), [...topics].sort());
  for (const { topic, text, retain } of messages) assert.deepEqual([text, retain], [topic, true]);
  await forget(publisher, ...topics);
});

test('[MQTT-3.3.1-6] an empty retained message removes the one before, and goes to subscribers', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  const subscriber = await connect();
  await subscriber.subscribe(name(), 1 | retainAsPublished);
  await publisher.publish(name(), 'x', { retain: true, qos: 1 });
  await publisher.publish(name(), '', { retain: true, qos: 1, properties: contentType('t') });
  assert.equal((await subscriber.receive()).text, 'x');
  const empty = await subscriber.receive();
  assert.deepEqual([empty.payload.length, empty.qos, empty.retain], [0, 1, true]);
  assert.equal(singleValueOf(empty.properties, identifier.contentType), 't');
  await retainedOf(context, name(), 0);
});

test('[MQTT-3.3.1-7] an empty retained message is not retained itself', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  for (const qos of [0, 1, 2] as const) await publisher.publish(name(), '', { retain: true, qos });
  await retainedOf(context, name(), 0);
});

test('[MQTT-3.3.1-8] a message without RETAIN leaves the retained one as it is', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name('/never'), 'x', { qos: 1 });
  await retainedOf(context, name('/never'), 0);
  await publisher.publish(name(), 'retained', { retain: true, qos: 1 });
  for (const text of ['not retained', '']) await publisher.publish(name(), text, { qos: 1 });
  const [message] = await retainedOf(context, name(), 1);
  assert.equal(message?.text, 'retained');
  await forget(publisher, name());
});

test('[MQTT-3.3.1-9] with Retain Handling 0 each SUBSCRIBE brings the retained messages', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  const topics = [name('/a'), name('/b')];
  for (const topic of topics) await publisher.publish(topic, 'x', { retain: true, qos: 1 });
  const client = await connect();
  for (let round = 0; round < 3; round++) {
    await client.subscribe(name('/+'), 1);
    const received = [await client.receive(), await client.receive()];
    assert.deepEqual(received.map(({ topic }) => topic).sort(), topics);
    assert.ok(received.every(({ retain }) => retain));
    await client.ping();
  }
  await forget(publisher, ...topics);
});

test('[MQTT-3.3.1-10] with Retain Handling 1 only a new subscription brings the retained messages', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name(), 'x', { retain: true, qos: 1 });
  const fields = { clientId: name(), properties: sessionExpiryInterval(100) };
  const client = await connect(fields);
  await client.subscribe(name(), 1 | retainHandling1);
  assert.equal((await client.receive()).retain, true);
  for (const options of [1, 0, 2]) await client.subscribe(name(), options | retainHandling1);
  await client.ping();
  // It exists as long as its session.
  await client.disconnect();
  const again = await connect({ ...fields, clean: false, properties: sessionExpiryInterval(0) });
  await again.subscribe(name(), 1 | retainHandling1);
  await again.ping();
  await again.unsubscribe(name());
  await again.subscribe(name(), 1 | retainHandling1);
  assert.equal((await again.receive()).text, 'x');
  await again.ping();
  await forget(publisher, name());
});

test('[MQTT-3.3.1-10] with Retain Handling 1 another filter for the same topic is a new subscription', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name('/a'), 'x', { retain: true, qos: 1 });
  const client = await connect();
  for (const filter of [name('/a'), name('/+'), name('/#')]) {
    await client.subscribe(filter, 1 | retainHandling1);
    assert.equal((await client.receive()).text, 'x');
  }
  await client.ping();
  await forget(publisher, name('/a'));
});

test('[MQTT-3.3.1-11] with Retain Handling 2 no SUBSCRIBE brings retained messages', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name(), 'x', { retain: true, qos: 1 });
  const client = await connect();
  for (let round = 0; round < 2; round++) await client.subscribe(name(), 1 | retainHandling2);
  await client.ping();
  await publisher.publish(name(), 'live', { retain: true, qos: 1 });
  assert.equal((await client.receive()).text, 'live');
  await forget(publisher, name());
});

test('[MQTT-3.3.1-12] without Retain As Published a live message comes without RETAIN', async (context) => {
  const { connect, name } = context;
  const client = await connect();
  await client.subscribe(name(), 1);
  const publisher = await connect();
  for (const retain of [true, false]) {
    await publisher.publish(name(), 'x', { retain, qos: 1 });
    assert.equal((await client.receive()).retain, false);
  }
  await forget(publisher, name());
});

test('[MQTT-3.3.1-12] [MQTT-3.3.1-13] what was retained before the SUBSCRIBE comes with RETAIN in any case', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name(), 'x', { retain: true, qos: 1 });
  for (const options of [0, retainAsPublished]) {
    const [message] = await retainedOf(context, name(), 1, options);
    assert.equal(message?.retain, true);
  }
  await forget(publisher, name());
});

test('[MQTT-3.3.1-13] with Retain As Published a live message comes with RETAIN as it was sent', async (context) => {
  const { connect, name } = context;
  const client = await connect();
  await client.subscribe(name(), 1 | retainAsPublished);
  const publisher = await connect();
  for (const retain of [true, false, true]) {
    await publisher.publish(name(), 'x', { retain, qos: 1 });
    assert.equal((await client.receive()).retain, retain);
  }
  await forget(publisher, name());
});

test('[MQTT-3.3.1-13] RETAIN stays as it was sent while a message waits for its client', async (context) => {
  const { connect, name } = context;
  const fields = { clientId: name(), properties: sessionExpiryInterval(100) };
  const first = await connect(fields);
  await first.subscribe(name('/kept'), 1 | retainAsPublished);
  await first.subscribe(name('/not'), 1);
  await first.disconnect();
  const publisher = await connect();
  for (const topic of [name('/kept'), name('/not')]) {
    await publisher.publish(topic, 'x', { retain: true, qos: 1 });
  }
  const second = await connect({ ...fields, clean: false, properties: sessionExpiryInterval(0) });
  for (let count = 0; count < 2; count++) {
    const message = await second.receive();
    assert.equal(message.retain, message.topic === name('/kept'));
  }
  await forget(publisher, name('/kept'), name('/not'));
});

test('[MQTT-3.3.1-5] a retained message has the lower QoS of publisher and subscription', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  for (const published of [0, 1, 2] as const) {
    await publisher.publish(name(), 'x', { retain: true, qos: published });
    for (const granted of [0, 1, 2]) {
      const [message] = await retainedOf(context, name(), 1, granted);
      assert.equal(message?.qos, Math.min(published, granted));
    }
  }
  await forget(publisher, name());
});

test('[MQTT-3.3.1-9] a retained message comes to a client also with No Local, if another one sent it', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  await publisher.publish(name(), 'x', { retain: true, qos: 1 });
  const [message] = await retainedOf(context, name(), 1, noLocal);
  assert.equal(message?.text, 'x');
  await forget(publisher, name());
});

test('[MQTT-3.3.1-9] a retained message that has expired is gone', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  const startMs = performance.now();
  await publisher.publish(name('/short'), 'x', {
    retain: true,
    qos: 1,
    properties: messageExpiryInterval(1),
  });
  await publisher.publish(name('/long'), 'x', {
    retain: true,
    qos: 1,
    properties: messageExpiryInterval(100),
  });
  await secondsPass(2.1);
  const [message] = await retainedOf(context, name('/#'), 1);
  assert.equal(message?.topic, name('/long'));
  const left = Number(singleValueOf(message?.properties ?? [], identifier.messageExpiryInterval));
  assertSecondsLeft(left, 100, startMs, 2);
  await forget(publisher, name('/long'));
});

test('[MQTT-3.3.1-5] the retained message of a QoS 2 exchange is there when it is complete', async (context) => {
  const { connect, name } = context;
  const publisher = await connect();
  publisher.send(publish('5.0', name(), 'x', { qos: 2, id: 3, retain: true }));
  assert.equal((await publisher.nextAcknowledgement(packetType.pubrec)).id, 3);
  publisher.send(pubrel(3));
  assert.equal((await publisher.nextAcknowledgement(packetType.pubcomp)).id, 3);
  const [message] = await retainedOf(context, name(), 1);
  assert.equal(message?.text, 'x');
  await forget(publisher, name());
});
