/** PUBLISH: retained messages. */
import assert from 'node:assert/strict';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.3 PUBLISH: retained messages');

test('[MQTT-3.3.1-5] a retained message is kept with its QoS', async ({ connect, name }) => {
  const publisher = await connect();
  for (const qos of [1, 2] as const) {
    const topic = name(`/${qos}`);
    await publisher.publish(topic, `QoS ${qos}`, { qos, retain: true });
    const late = await connect();
    await late.subscribe(topic, 2);
    const message = await late.receive();
    assert.deepEqual([message.text, message.qos, message.topic], [`QoS ${qos}`, qos, topic]);
    await publisher.publish(topic, '', { retain: true });
  }
});

test('[MQTT-3.3.1-6] a new subscription gets the last message of each topic that matches', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const topics = ['/a', '/b', '/a/b', '/a/b/c', ''].map((suffix) => name(suffix));
  for (const topic of topics) {
    await publisher.publish(topic, 'earlier', { qos: 1, retain: true });
    await publisher.publish(topic, topic, { qos: 1, retain: true });
  }
  const matches = {
    [name('/#')]: topics,
    [name('/+')]: [name('/a'), name('/b')],
    [name('/a/+')]: [name('/a/b')],
    [name('/+/b/#')]: [name('/a/b'), name('/a/b/c')],
    [name('/a')]: [name('/a')],
    [name()]: [name()],
    [name('/c')]: [],
  };
  for (const [filter, expected] of Object.entries(matches)) {
    const client = await connect();
    await client.subscribe(filter, 1);
    assert.deepEqual((await client.receiveTexts(expected.length)).sort(), [...expected].sort(), filter);
    await client.ping();
  }
  for (const topic of topics) await publisher.publish(topic, '', { qos: 1, retain: true });
});

test('[MQTT-3.3.1-7] a retained message of QoS 0 takes the place of an earlier one', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const publisher = await connect();
  await publisher.publish(topic, 'earlier', { qos: 1, retain: true });
  await publisher.publish(topic, 'QoS 0', { retain: true });
  await publisher.ping();
  const late = await connect();
  await late.subscribe(topic, 1);
  await late.subscribe(name('/marker'));
  await publisher.publish(name('/marker'), 'marker');
  // It may also be given up, but the earlier one is gone.
  const { text } = await late.receive();
  assert.ok(['QoS 0', 'marker'].includes(text), text);
  await publisher.publish(topic, '', { retain: true });
});

test('[MQTT-3.3.1-8] what comes because of a new subscription has RETAIN', async ({ connect, name }) => {
  const topic = name('/t');
  const publisher = await connect();
  await publisher.publish(topic, 'kept', { qos: 1, retain: true });
  const client = await connect();
  await client.subscribe(topic, 1);
  assert.equal((await client.receive()).retain, true);
  await client.subscribe(name('/#'), 0);
  assert.equal((await client.receive()).retain, true);
  await publisher.publish(topic, '', { retain: true });
});

test('[MQTT-3.3.1-9] what comes because of a subscription that stood has no RETAIN', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 2);
  const publisher = await connect();
  for (const qos of [0, 1, 2] as const) {
    await publisher.publish(topic, 'live', { qos, retain: true });
    const message = await client.receive();
    assert.deepEqual([message.qos, message.retain], [qos, false]);
  }
  await publisher.publish(topic, '', { retain: true });
});

test('[MQTT-3.3.1-9] what waited for a client that was away has no RETAIN', async ({ connect, name }) => {
  const topic = name('/t');
  const clientId = name('c');
  const before = await connect({ clientId, clean: false });
  await before.subscribe(topic, 1);
  await before.disconnect();
  const publisher = await connect();
  await publisher.publish(topic, 'waited', { qos: 1, retain: true });
  const after = await connect({ clientId, clean: false });
  const message = await after.receive();
  assert.deepEqual([message.text, message.retain], ['waited', false]);
  await after.ping();
  await publisher.publish(topic, '', { retain: true });
});

test('[MQTT-3.3.1-10] [MQTT-3.3.1-11] an empty retained message removes what was retained', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const live = await connect();
  await live.subscribe(topic, 1);
  const publisher = await connect();
  await publisher.publish(topic, 'kept', { qos: 1, retain: true });
  assert.equal((await live.receive()).text, 'kept');
  await publisher.publish(topic, '', { qos: 1, retain: true });
  const empty = await live.receive();
  assert.deepEqual([empty.payload.length, empty.retain, empty.qos], [0, false, 1]);
  const late = await connect();
  await late.subscribe(topic, 1);
  await late.ping();
  await late.nothingBefore(publisher, topic);
});

test('[MQTT-3.3.1-11] an empty retained message is not kept where nothing was', async ({ connect, name }) => {
  const publisher = await connect();
  for (const qos of [0, 1, 2] as const) {
    const topic = name(`/${qos}`);
    await publisher.publish(topic, '', { qos, retain: true });
    const late = await connect();
    await late.subscribe(topic, 1);
    await late.ping();
    await late.nothingBefore(publisher, topic);
  }
});

test('[MQTT-3.3.1-12] a message without RETAIN is not kept and leaves what is', async ({ connect, name }) => {
  const publisher = await connect();
  const [empty, full] = [name('/empty'), name('/full')];
  await publisher.publish(full, 'kept', { qos: 1, retain: true });
  for (const topic of [empty, full]) {
    await publisher.publish(topic, 'live', { qos: 1 });
    await publisher.publish(topic, '', { qos: 1 });
  }
  const late = await connect();
  await late.subscribe([empty, full], 1);
  assert.equal((await late.receive()).text, 'kept');
  await late.ping();
  await late.nothingBefore(publisher, empty);
  await publisher.publish(full, '', { retain: true });
});
