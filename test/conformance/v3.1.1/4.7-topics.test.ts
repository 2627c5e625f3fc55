/** Section 4.7: topic names and topic filters. */
import assert from 'node:assert/strict';
import { packet, string } from '../support/octets.ts';
import { publish, subscribe, unsubscribe } from '../support/packets.ts';
import { packetType } from '../support/received.ts';
import { type Context, section } from '../support/section.ts';

const test = section('3.1.1', '4.7 Topic names and topic filters');

/** The filter must match `matching` and nothing of `others`; all are suffixes of the test's own topic. */
async function assertMatches(
  { connect, name }: Context,
  filter: string,
  matching: readonly string[],
  others: readonly string[],
): Promise<void> {
  const client = await connect();
  const publisher = await connect();
  assert.deepEqual(await client.subscribe(name(filter), 1), [1], filter);
  for (const topic of [...others, ...matching]) await publisher.publish(name(topic), topic, { qos: 1 });
  const received = await client.receiveTexts(matching.length);
  assert.deepEqual([...received].sort(), [...matching].sort(), filter);
  await client.ping();
}

async function assertFilterRefused({ connect }: Context, filter: string): Promise<void> {
  for (const bytes of [subscribe('3.1.1', [[filter, 0]]), unsubscribe('3.1.1', [filter])]) {
    const client = await connect();
    client.send(bytes);
    // A server may say that the subscription failed, or treat it as a violation.
    const answer = await client.nextUnlessClosed();
    if (answer === undefined || answer.type === packetType.unsuback) continue;
    assert.equal(answer.type, packetType.suback, filter);
    assert.equal(answer.body[2], 0x80, `${filter} was granted`);
  }
}

test('[MQTT-4.7.1-1] a topic name with a wildcard ends the connection', async ({ connect, name }) => {
  for (const topic of [name('/#'), name('/+'), name('/+/x'), '+', '#', name('/x+'), name('/x#y')]) {
    const client = await connect();
    client.send(publish('3.1.1', topic, 'x', { qos: 1 }), 'c0 00');
    await client.closed();
  }
});

test('[MQTT-4.7.1-2] # matches its parent and all below', async (context) => {
  await assertMatches(
    context,
    '/a/#',
    ['/a', '/a/', '/a/b', '/a/b/c', '/a//c'],
    ['', '/', '/b', '/ab', '/b/a'],
  );
  await assertMatches(context, '/#', ['', '/', '/a', '/a/b', '//'], ['a', 'a/b']);
});

test('[MQTT-4.7.1-2] # elsewhere than at the end, or with other characters, is no filter', async (context) => {
  for (const suffix of ['/a#', '/#/b', '/#/', '/##', '/#a', '#', '/+#', '/a/#b/c']) {
    await assertFilterRefused(context, context.name(suffix));
  }
});

test('[MQTT-4.7.1-3] + matches one level, also an empty one', async (context) => {
  await assertMatches(context, '/+', ['/', '/a', '/$a'], ['', '/a/b', '/a/', '//']);
  await assertMatches(context, '/+/b', ['/a/b', '//b'], ['/b', '/a/c', '/a/b/', '/a/x/b']);
  await assertMatches(context, '/a/+', ['/a/', '/a/b'], ['/a', '/a/b/c', '/a//']);
  await assertMatches(context, '/+/+/c', ['/a/b/c', '///c'], ['/a/c', '/c']);
  await assertMatches(context, '/+/#', ['/', '/a', '/a/b/c'], ['', 'a']);
});

test('[MQTT-4.7.1-3] + beside other characters of its level is no filter', async (context) => {
  for (const suffix of ['/a+', '/+a', '/a+b/c', '/++', '+', '/+/b+']) {
    await assertFilterRefused(context, context.name(suffix));
  }
});

test('[MQTT-4.7.1-3] + at the beginning matches the first level', async ({ connect, name }) => {
  const client = await connect();
  const suffix = name();
  assert.deepEqual(await client.subscribe([`+/${suffix}`, `+/+/${suffix}/#`], 1), [1, 1]);
  await client.publish(`a/${suffix}`, 'one', { qos: 1 });
  assert.equal((await client.receive()).text, 'one');
  await client.publish(`/${suffix}`, 'two', { qos: 1 });
  assert.equal((await client.receive()).text, 'two');
  await client.publish(`/a/${suffix}/b`, 'three', { qos: 1 });
  assert.equal((await client.receive()).text, 'three');
});

test('[MQTT-4.7.2-1] wildcards at the beginning match no topic name that begins with $', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(['+/uptime', '+/broker/uptime', '+/broker/#', `+/${name()}`, name('/marker')], 1);
  const publisher = await connect();
  // A server may refuse to take such a message, but must not hand it to these.
  await (await connect()).send(publish('3.1.1', `$${name()}/${name()}`, 'x'));
  publisher.send(publish('3.1.1', `$${name()}/${name()}`, 'never', { qos: 1 }));
  const answer = await publisher.nextUnlessClosed();
  await client.nothingBefore(answer === undefined ? await connect() : publisher, name('/marker'));
});

test('[MQTT-4.7.2-1] # matches no topic name that begins with $', async ({ connect, name }) => {
  // A filter that sees all other topics: what comes of others is passed over.
  const client = await connect();
  await client.subscribe('#');
  const publisher = await connect();
  publisher.send(publish('3.1.1', `$${name()}`, 'never', { qos: 1 }));
  const answer = await publisher.nextUnlessClosed();
  await (answer === undefined ? await connect() : publisher).publish(name('/marker'), 'marker', { qos: 1 });
  for (;;) {
    const { topic } = await client.receive();
    assert.ok(!topic.startsWith('$'), topic);
    if (topic === name('/marker')) break;
  }
});

test('[MQTT-4.7.3-1] an empty topic name ends the connection', async ({ connect }) => {
  for (const bytes of ['30 02 0000', '32 04 0000 0001', '34 05 0000 0001 00']) {
    const client = await connect();
    client.send(bytes, 'c0 00');
    await client.closed();
  }
});

test('[MQTT-4.7.3-1] an empty topic filter is no filter', async (context) => {
  await assertFilterRefused(context, '');
});

test('[MQTT-4.7.3-2] topic names and filters with U+0000 end the connection', async ({ connect, name }) => {
  const bad = string(name('/\u0000'));
  for (const bytes of [packet(0x30, bad), packet(0x82, '0001', bad, '00'), packet(0xa2, '0001', bad)]) {
    const client = await connect();
    client.send(bytes, 'c0 00');
    await client.closed();
  }
});

test('[MQTT-4.7.3-3] topic names and filters of 65,535 bytes are whole', async ({ connect, name }) => {
  const topic = name(`/${'x'.repeat(65_535)}`).slice(0, 65_535);
  const client = await connect();
  assert.deepEqual(await client.subscribe(topic, 1), [1]);
  await client.publish(topic, 'long', { qos: 1 });
  const message = await client.receive();
  assert.equal(message.topic.length, 65_535);
  assert.equal(message.topic, topic);
});

test('[MQTT-4.7.3-4] topics are compared byte by byte', async ({ connect, name }) => {
  // Å as one character and as two, letters of both sizes, spaces, a character that is not assigned.
  const topics = ['/Å', '/Å', '/a', '/A', '/ a', '/a ', '/\u{378}', '//a', '/a/', '/%61', '/.', '/./a'];
  const publisher = await connect();
  for (const topic of topics) {
    const client = await connect();
    await client.subscribe(name(topic), 1);
    for (const other of topics)
      if (other !== topic) await publisher.publish(name(other), 'never', { qos: 1 });
    await publisher.publish(name(topic), topic, { qos: 1 });
    const message = await client.receive();
    assert.deepEqual([message.text, message.topic], [topic, name(topic)]);
  }
});
