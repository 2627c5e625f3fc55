/** PUBLISH: what is taken, what is answered, what subscribers are sent. */
import assert from 'node:assert/strict';
import { hex, packet, string, text, u16 } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import { hexOf, packetType } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.3 PUBLISH');

test('[MQTT-3.3.1-1] what was not acknowledged comes again with DUP', async ({ connect, name }) => {
  const clientId = name('c');
  const topic = name('/t');
  const first = await connect({ clientId, clean: false });
  await first.subscribe(topic, 2);
  const publisher = await connect();
  await publisher.publish(topic, 'one', { qos: 1 });
  await publisher.publish(topic, 'two', { qos: 2 });
  for (let count = 0; count < 2; count++) {
    const { dup } = await first.nextPublish();
    assert.equal(dup, false, 'sent for the first time');
  }
  await first.drop();
  const second = await connect({ clientId, clean: false });
  for (let count = 0; count < 2; count++) {
    const { dup } = await second.receive();
    assert.equal(dup, true, 'sent again');
  }
});

test('[MQTT-3.3.1-2] messages of QoS 0 have no DUP', async ({ connect, name }) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 0);
  for (const qos of [0, 1, 2] as const) {
    await client.publish(topic, 'x', { qos });
    await client.expect(publish('3.1.1', topic, 'x'));
  }
  // Whoever sends it with DUP violates the protocol: its receiver may close, or take it as it is.
  client.send(publish('3.1.1', topic, 'dup', { dup: true }), 'c0 00');
  const answer = await client.nextUnlessClosed();
  assert.ok(answer === undefined || (answer.header & 0x08) === 0, 'DUP was handed on');
});

test('[MQTT-3.3.1-3] DUP of a message that comes in is not handed on', async ({ connect, name }) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 2);
  for (const qos of [1, 2] as const) {
    await client.publish(topic, 'x', { qos, dup: true });
    const message = await client.receive();
    assert.deepEqual([message.qos, message.dup], [qos, false]);
  }
});

test('[MQTT-3.3.1-4] QoS 3 ends the connection', async ({ connect, name }) => {
  for (const header of [0x36, 0x37, 0x3e, 0x3f]) {
    const client = await connect();
    client.send(packet(header, string(name('/t')), '0001'), 'c0 00');
    await client.closed();
  }
});

test('[MQTT-3.3.2-1] a PUBLISH without a whole topic name ends the connection', async ({ connect }) => {
  for (const bytes of ['30 00', '30 01 00', "30 03 0002 'a'", "32 03 0004 'a'", '30 02 ffff']) {
    const client = await connect();
    client.send(bytes, 'c0 00');
    await client.closed();
  }
});

test('[MQTT-3.3.2-1] the topic name is the first field, and the payload what is behind it', async ({
  connect,
  name,
}) => {
  const topic = name('/topic ä€😀');
  const client = await connect();
  await client.subscribe(topic, 1);
  client.send(packet(0x32, string(topic), u16(515), '00 01 02 ff'));
  const received = await client.receive();
  assert.equal(received.topic, topic);
  assert.deepEqual([...received.payload], [0, 1, 2, 255]);
  assert.equal((await client.nextAcknowledgement(packetType.puback)).id, 515);
});

test('[MQTT-3.3.2-2] a topic name with wildcards ends the connection', async ({ connect, name }) => {
  for (const topic of ['#', '+', name('/#'), name('/+'), name('/+/x'), name('#'), name('+x')]) {
    for (const qos of [0, 1, 2] as const) {
      const client = await connect();
      client.send(publish('3.1.1', topic, 'x', { qos }), 'c0 00');
      await client.closed();
    }
  }
});

test('[MQTT-3.3.2-3] the topic name that is sent matches the filter', async ({ connect, name }) => {
  const publisher = await connect();
  for (const [filter, topic] of [
    [name('/a/b'), name('/a/b')],
    [name('/+/b'), name('/x/b')],
    [name('/#'), name('/x/y/z')],
  ] as const) {
    const client = await connect();
    await client.subscribe(filter);
    await publisher.publish(topic, 'x');
    assert.equal((await client.receive()).topic, topic);
  }
});

test('[MQTT-3.3.4-1] QoS 0 has no answer, QoS 1 a PUBACK, QoS 2 a PUBREC', async ({ connect, name }) => {
  const client = await connect();
  const topic = name('/t');
  client.send(publish('3.1.1', topic, 'x'));
  await client.ping();
  client.send(publish('3.1.1', topic, 'x', { qos: 1, id: 10 }));
  await client.expect(puback(10));
  await client.ping();
  client.send(publish('3.1.1', topic, 'x', { qos: 2, id: 11 }));
  await client.expect(pubrec(11));
  await client.ping();
  client.send(pubrel(11));
  await client.expect(pubcomp(11));
  await client.ping();
});

test('[MQTT-3.3.5-1] overlapping subscriptions get the message with the highest of their QoS', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name('/+'), 0);
  await client.subscribe(name('/#'), 2);
  await client.subscribe(name('/a'), 1);
  const publisher = await connect();
  await publisher.publish(name('/a'), 'x', { qos: 2 });
  await publisher.publish(name('/a/end'), 'end');
  const received: number[] = [];
  for (;;) {
    const message = await client.receive();
    if (message.text === 'end') break;
    received.push(message.qos);
  }
  // One copy, or one for each subscription.
  assert.ok(received.includes(2), `QoS ${received}`);
  assert.ok(received.length <= 3 && received.filter((qos) => qos === 2).length === 1, `QoS ${received}`);
});

test('[MQTT-3.3.5-2] a PUBLISH that is not allowed is acknowledged all the same, or ends the connection', async ({
  connect,
}) => {
  const client = await connect();
  // Only servers publish there.
  client.send(publish('3.1.1', '$SYS/broker/version', 'mine', { qos: 1, id: 3 }));
  const answer = await client.nextUnlessClosed();
  if (answer !== undefined) assert.equal(hexOf(answer), hex(puback(3)));
});

test('[MQTT-3.3.4-1] a message arrives byte by byte as it was sent, whatever its size', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic);
  // Around the lengths at which the remaining length takes another byte.
  const overhead = string(topic).length;
  for (const remaining of [127, 128, 16_383, 16_384, 100_000]) {
    const payload = text('0123456789abcdef'.repeat(8_192).slice(0, remaining - overhead));
    client.send(publish('3.1.1', topic, payload));
    await client.expect(publish('3.1.1', topic, payload));
  }
});
