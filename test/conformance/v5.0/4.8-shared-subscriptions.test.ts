/** Shared subscriptions: each message goes to one of the sessions that share. */
import assert from 'node:assert/strict';
import { until } from '../../support/wait.ts';
import type { Client } from '../support/client.ts';
import { octets, packet, u16, u32 } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec } from '../support/packets.ts';
import { type Publish, packetType, readAcknowledgement, readPublish } from '../support/received.ts';
import { assertFilterRefused } from '../support/refused.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '4.8 Subscriptions');

const sessionExpiry = octets('11', u32(60));

/** All messages that come to the client from now on, acknowledged. */
function collected(client: Client): Publish[] {
  const messages: Publish[] = [];
  client.raw.onPacket((received) => {
    if (received.type === packetType.publish) {
      const message = readPublish('5.0', received);
      messages.push(message);
      if (message.qos > 0) client.send(message.qos === 1 ? puback(message.id) : pubrec(message.id));
    } else if (received.type === packetType.pubrel) {
      client.send(pubcomp(readAcknowledgement('5.0', received).id));
    }
  });
  return messages;
}

test('[MQTT-4.8.2-1] a shared subscription needs a share name', async ({ connect, name }) => {
  for (const filter of [`$share//${name()}`, '$share//', '$share/']) {
    await assertFilterRefused(await connect(), filter);
  }
});

test('[MQTT-4.8.2-1] one character is enough for a share name, and what is not $share/ is a plain filter', async ({
  connect,
  name,
}) => {
  const client = await connect();
  const filters = [`$share/g/${name()}`, `$share/ü/${name()}`, `$shared/g/${name()}`, `$SHARE/g/${name()}`];
  assert.deepEqual(await client.subscribe(filters), [0, 0, 0, 0]);
});

test('[MQTT-4.8.2-2] a share name has no wildcard, and a topic filter follows it', async ({
  connect,
  name,
}) => {
  const filters = [
    '+/t',
    '#/t',
    'a+/t',
    'a#b/t',
    '#',
    '+',
    'g',
    'g/',
    `g/${name('/#/a')}`,
    `g/${name('a+')}`,
  ];
  for (const rest of filters) await assertFilterRefused(await connect(), `$share/${rest}`);
});

test('[MQTT-4.8.2-2] the filter behind the share name matches as it would alone', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  for (const [filter, topic, other] of [
    [name('/+/b'), name('/a/b'), name('/a')],
    [name('/#'), name(), name('x')],
    [`/${name()}`, `/${name()}`, name()],
    [`+/${name('/c')}`, `a/${name('/c')}`, name('/c')],
  ] as const) {
    const client = await connect();
    await client.subscribe(`$share/${name()}/${filter}`, 1);
    await publisher.publish(other, 'not this', { qos: 1 });
    await publisher.publish(topic, 'this', { qos: 1 });
    const message = await client.receive();
    assert.deepEqual([message.topic, message.text], [topic, 'this'], filter);
    await client.unsubscribe(`$share/${name()}/${filter}`);
  }
});

test('[MQTT-4.8.2-2] a wildcard behind the share name does not match topics that begin with $', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe(`$share/${name()}/+/${name()}`);
  publisher.send(publish('5.0', `$${name()}/${name()}`, 'hidden'));
  await client.nothingBefore(await connect(), `a/${name()}`);
});

test('[MQTT-4.8.2-2] each message goes to one session of the share, and none is lost', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const members = [await connect(), await connect(), await connect()];
  for (const member of members) await member.subscribe(`$share/g/${name('/+')}`, 1);
  const messages = members.map(collected);
  const texts = (): string[] => messages.flat().map(({ text }) => text);
  for (let number = 0; number < 90; number++) await publisher.publish(name('/a'), `${number}`, { qos: 1 });
  await until('all messages', () => texts().length >= 90);
  await publisher.publish(name('/a'), 'last', { qos: 1 });
  await until('the last message', () => texts().includes('last'));
  assert.equal(texts().length, 91);
  assert.equal(new Set(texts()).size, 91);
});

test('[MQTT-4.8.2-2] every share gets a copy, and so does a subscription that is not shared', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const [one, two, alone] = [await connect(), await connect(), await connect()];
  await one.subscribe(`$share/g1/${name()}`, 1);
  await two.subscribe(`$share/g2/${name()}`, 1);
  await alone.subscribe(name(), 1);
  await publisher.publish(name(), 'copy', { qos: 1 });
  for (const client of [one, two, alone]) {
    assert.equal((await client.receive()).text, 'copy');
    await client.ping();
  }
});

test('[MQTT-4.8.2-2] a client with a shared and a plain subscription gets a copy of each', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe(name(), 1);
  await client.subscribe(`$share/g/${name()}`, 1);
  await publisher.publish(name(), 'm', { qos: 1 });
  assert.deepEqual(await client.receiveTexts(2), ['m', 'm']);
  await client.ping();
});

test('[MQTT-4.8.2-2] a new shared subscription gets no retained messages', async ({ connect, name }) => {
  const publisher = await connect();
  await publisher.publish(name(), 'retained', { qos: 1, retain: true });
  for (let index = 0; index < 2; index++) {
    const member = await connect();
    await member.subscribe(`$share/g/${name()}`, 1);
    await member.ping();
    await member.unsubscribe(`$share/g/${name()}`);
  }
  await publisher.publish(name(), '', { retain: true });
});

test('[MQTT-4.8.2-2] UNSUBSCRIBE with the whole filter leaves the share; the others go on', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const [one, two] = [await connect(), await connect()];
  for (const member of [one, two]) {
    await member.subscribe(`$share/g/${name()}`, 1);
    // Again: it is a member once, and leaves with one UNSUBSCRIBE.
    await member.subscribe(`$share/g/${name()}`, 1);
  }
  assert.deepEqual((await one.unsubscribe(name(), `$share/h/${name()}`)).codes, [0x11, 0x11]);
  assert.deepEqual((await one.unsubscribe(`$share/g/${name()}`)).codes, [0]);
  for (let number = 0; number < 10; number++) await publisher.publish(name(), `${number}`, { qos: 1 });
  assert.equal((await two.receiveTexts(10)).length, 10);
  await one.ping();
  assert.deepEqual((await one.unsubscribe(`$share/g/${name()}`)).codes, [0x11]);
});

test('[MQTT-4.8.2-3] each session gets messages with the QoS that it was granted', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const members = [];
  for (const qos of [0, 1, 2]) {
    const member = await connect();
    assert.deepEqual(await member.subscribe(`$share/g/${name()}`, qos), [qos]);
    members.push(member);
  }
  const messages = members.map(collected);
  for (let number = 0; number < 60; number++) await publisher.publish(name(), `${number}`, { qos: 2 });
  await until('all messages', () => messages.flat().length >= 60);
  for (const [granted, received] of messages.entries()) {
    for (const { qos } of received) assert.equal(qos, granted);
  }
});

test('[MQTT-4.8.2-3] a new SUBSCRIBE of a member changes its QoS and its identifier', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const member = await connect();
  for (const qos of [2, 0, 1] as const) {
    await member.subscribe(`$share/g/${name()}`, qos, { properties: octets('0b', Uint8Array.of(qos + 1)) });
    await publisher.publish(name(), 'm', { qos: 2 });
    const message = await member.receive();
    assert.equal(message.qos, qos);
    assert.deepEqual(message.properties, [[0x0b, qos + 1]]);
  }
});

test('[MQTT-4.8.2-4] a QoS 2 message under way stays with its session, which gets it when it comes back', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const session = { clientId: name('s'), properties: sessionExpiry };
  const first = await connect(session);
  await first.subscribe(`$share/g/${name()}`, 2);
  for (const text of ['sent', 'received']) await publisher.publish(name(), text, { qos: 2 });
  const sent = await first.nextPublish();
  const received = await first.nextPublish();
  first.send(pubrec(received.id));
  await first.nextAcknowledgement(packetType.pubrel);
  const other = await connect();
  await other.subscribe(`$share/g/${name()}`, 2);
  await other.subscribe(name('/fence'));
  await first.drop();
  const back = await connect({ ...session, clean: false });
  const again = await back.nextPublish();
  assert.deepEqual([again.text, again.id, again.dup], ['sent', sent.id, true]);
  assert.equal((await back.nextAcknowledgement(packetType.pubrel)).id, received.id);
  back.send(pubrec(again.id));
  await back.nextAcknowledgement(packetType.pubrel);
  back.send(pubcomp(again.id), pubcomp(received.id));
  await back.ping();
  await other.nothingBefore(publisher, name('/fence'));
});

test('[MQTT-4.8.2-5] a QoS 2 message under way ends with its session: no other one gets it', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const session = { clientId: name('s') };
  const first = await connect(session);
  await first.subscribe(`$share/g/${name()}`, 2);
  await publisher.publish(name(), 'gone', { qos: 2 });
  assert.equal((await first.nextPublish()).text, 'gone');
  const other = await connect();
  await other.subscribe(`$share/g/${name()}`, 2);
  await first.drop();
  const back = await connect({ ...session, clean: false });
  assert.equal(back.connack.sessionPresent, false);
  await back.ping();
  for (const text of ['one', 'two', 'three']) await publisher.publish(name(), text, { qos: 2 });
  assert.deepEqual(await other.receiveTexts(3), ['one', 'two', 'three']);
  await other.ping();
});

test('[MQTT-4.8.2-5] a QoS 1 message under way goes to another member when its session ends', async ({
  connect,
  name,
  target,
}) => {
  if (!target.isOurs) return; // the specification says SHOULD
  const publisher = await connect();
  const first = await connect();
  await first.subscribe(`$share/g/${name()}`, 1);
  await publisher.publish(name(), 'handed on', { qos: 1 });
  assert.equal((await first.nextPublish()).text, 'handed on');
  const other = await connect();
  await other.subscribe(`$share/g/${name()}`, 1);
  await first.drop();
  const message = await other.receive();
  assert.deepEqual([message.text, message.dup], ['handed on', false]);
});

for (const [what, header, qos] of [
  ['PUBACK', 0x40, 1],
  ['PUBREC', 0x50, 2],
] as const) {
  test(`[MQTT-4.8.2-6] a message that a ${what} with 0x80 or more refuses goes to nobody else`, async ({
    connect,
    name,
  }) => {
    const publisher = await connect();
    const first = await connect();
    await first.subscribe(`$share/g/${name()}`, qos);
    await publisher.publish(name(), 'refused', { qos });
    const message = await first.nextPublish();
    const other = await connect();
    await other.subscribe(`$share/g/${name()}`, qos);
    first.send(packet(header, u16(message.id), '87'));
    await first.ping();
    assert.deepEqual((await first.unsubscribe(`$share/g/${name()}`)).codes, [0]);
    for (const text of ['one', 'two', 'three']) await publisher.publish(name(), text, { qos });
    assert.deepEqual(await other.receiveTexts(3), ['one', 'two', 'three']);
    await other.ping();
    await first.ping();
  });
}
