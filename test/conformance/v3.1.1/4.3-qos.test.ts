/** Section 4.3: the three qualities of service, with the server as sender and as receiver. */
import assert from 'node:assert/strict';
import { packet, string, text } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import { pair } from '../support/pair.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '4.3 Quality of service');

test('[MQTT-4.3.1-1] the server sends QoS 0 with neither QoS nor DUP, once', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 0);
  await publisher.publish(context.name(), 'x', { qos: 2 });
  await subscriber.expect(packet(0x30, string(context.name()), text('x')));
  await subscriber.drop();
  const again = await reconnect();
  await again.ping();
});

test('[MQTT-4.3.2-1] the server sends QoS 1 with a free packet identifier and without DUP', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 1);
  const publisher = await connect();
  const inUse = new Set<number>();
  for (let count = 0; count < 10; count++) {
    await publisher.publish(topic, 'x', { qos: 1 });
    const { id, dup, qos } = await client.nextPublish();
    assert.deepEqual([qos, dup, inUse.has(id)], [1, false, false]);
    inUse.add(id);
  }
  // Acknowledged, an identifier is free again; what the others have is not.
  const [first = 0] = inUse;
  client.send(puback(first));
  inUse.delete(first);
  for (let count = 0; count < 5; count++) {
    await publisher.publish(topic, 'x', { qos: 1 });
    const { id } = await client.nextPublish();
    assert.ok(!inUse.has(id));
    inUse.add(id);
  }
});

test('[MQTT-4.3.2-1] the server holds QoS 1 until its PUBACK, and not longer', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 1);
  for (const payload of ['a', 'b', 'c']) await publisher.publish(context.name(), payload, { qos: 1 });
  const messages = [
    await subscriber.nextPublish(),
    await subscriber.nextPublish(),
    await subscriber.nextPublish(),
  ];
  subscriber.send(puback(messages[1]?.id ?? 0));
  await subscriber.ping();
  await subscriber.drop();
  const again = await reconnect();
  assert.deepEqual(await again.receiveTexts(2), ['a', 'c']);
  await again.ping();
  await again.disconnect();
  await (await reconnect()).ping();
});

test('[MQTT-4.3.2-2] the server answers QoS 1 with a PUBACK', async ({ connect, name }) => {
  const client = await connect();
  client.send(publish('3.1.1', name('/t'), 'x', { qos: 1, id: 300 }));
  await client.expect('40 02 012c');
  await client.ping();
});

test('[MQTT-4.3.2-2] behind a PUBACK the same packet identifier is a new message', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const watcher = await connect();
  await watcher.subscribe(topic, 1);
  const client = await connect();
  for (const dup of [false, true, true]) {
    client.send(publish('3.1.1', topic, `DUP ${dup}`, { qos: 1, id: 3, dup }));
    await client.expect(puback(3));
    assert.equal((await watcher.receive()).text, `DUP ${dup}`);
  }
});

test('[MQTT-4.3.3-1] the server sends QoS 2 in its four steps', async ({ connect, name }) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 2);
  const publisher = await connect();
  const inUse = new Set<number>();
  for (let count = 0; count < 10; count++) {
    await publisher.publish(topic, `${count}`, { qos: 2 });
    const { id, dup, qos } = await client.nextPublish();
    assert.deepEqual([qos, dup, inUse.has(id)], [2, false, false]);
    inUse.add(id);
  }
  for (const id of inUse) {
    client.send(pubrec(id));
    await client.expect(pubrel(id));
  }
  // Between PUBREC and PUBCOMP the identifiers are in use too.
  await publisher.publish(topic, 'another', { qos: 2 });
  const { id } = await client.nextPublish();
  assert.ok(!inUse.has(id));
  for (const each of inUse) client.send(pubcomp(each));
  await client.ping();
});

test('[MQTT-4.3.3-1] behind its PUBREL the server does not send the PUBLISH again', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 2);
  await publisher.publish(context.name(), 'x', { qos: 2 });
  const { id } = await subscriber.nextPublish();
  subscriber.send(pubrec(id));
  await subscriber.expect(pubrel(id));
  await subscriber.drop();
  const again = await reconnect();
  await again.expect(pubrel(id));
  await again.ping();
  again.send(pubcomp(id));
  await again.ping();
  await again.disconnect();
  await (await reconnect()).ping();
});

test('[MQTT-4.3.3-2] the server answers QoS 2 as often as it comes, and hands it on once', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const watcher = await connect();
  await watcher.subscribe(topic, 2);
  const client = await connect();
  for (const dup of [false, true, true]) {
    client.send(publish('3.1.1', topic, 'once', { qos: 2, id: 8, dup }));
    await client.expect(pubrec(8));
  }
  for (let count = 0; count < 2; count++) {
    client.send(pubrel(8));
    await client.expect(pubcomp(8));
  }
  assert.equal((await watcher.receive()).text, 'once');
  await watcher.nothingBefore(client, topic);
});

test('[MQTT-4.3.3-2] behind a PUBCOMP the same packet identifier is a new message', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const watcher = await connect();
  await watcher.subscribe(topic, 2);
  const client = await connect();
  for (const dup of [false, true, true]) {
    client.send(publish('3.1.1', topic, `DUP ${dup}`, { qos: 2, id: 3, dup }));
    await client.expect(pubrec(3));
    client.send(pubrel(3));
    await client.expect(pubcomp(3));
    assert.equal((await watcher.receive()).text, `DUP ${dup}`);
  }
});

test('[MQTT-4.3.3-2] a PUBREL without a PUBLISH is answered with PUBCOMP', async ({ connect }) => {
  const client = await connect();
  client.send(pubrel(77));
  await client.expect(pubcomp(77));
});
