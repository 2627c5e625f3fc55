/** Section 3.1: the will. */
import assert from 'node:assert/strict';
import { publish } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.1 CONNECT: the will');

test('[MQTT-3.1.2-8] the will is published when the network fails', async ({ connect, name }) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic, 2);
  for (const qos of [0, 1, 2] as const) {
    const client = await connect({ will: { topic, payload: `QoS ${qos}`, qos } });
    client.raw.destroy();
    const message = await watcher.receive();
    assert.deepEqual([message.text, message.qos, message.topic], [`QoS ${qos}`, qos, topic]);
  }
});

test('[MQTT-3.1.2-8] the will is published when the client closes without DISCONNECT', async ({
  connect,
  name,
}) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic);
  const client = await connect({ will: { topic, payload: 'gone' } });
  client.raw.end();
  assert.equal((await watcher.receive()).text, 'gone');
});

test('[MQTT-3.1.2-8] the will is published after a protocol violation', async ({ connect, name }) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic);
  const client = await connect({ will: { topic, payload: 'violation' } });
  client.send(publish('3.1.1', name('/+/wildcard'), 'x'));
  await client.closed();
  assert.equal((await watcher.receive()).text, 'violation');
});

test('[MQTT-3.1.2-8] the will is published when another client takes the client identifier', async ({
  connect,
  name,
}) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic);
  const client = await connect({ will: { topic, payload: 'taken over' } });
  await connect({ clientId: client.clientId });
  await client.closed();
  assert.equal((await watcher.receive()).text, 'taken over');
});

test('[MQTT-3.1.2-8] the will may be empty, and may be of any bytes', async ({ connect, name }) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic);
  for (const payload of [new Uint8Array(), Uint8Array.of(0, 0xff, 0xc3, 0x28, 0)]) {
    const client = await connect({ will: { topic, payload } });
    await client.drop();
    assert.deepEqual((await watcher.receive()).payload, payload);
  }
});

test('[MQTT-3.1.2-10] a will is published once', async ({ connect, name }) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic);
  const clientId = name('c');
  const client = await connect({ clientId, clean: false, will: { topic, payload: 'first' } });
  await client.drop();
  assert.equal((await watcher.receive()).text, 'first');
  // The session goes on, the will does not.
  const again = await connect({ clientId, clean: false });
  await again.drop();
  const last = await connect({ clientId, clean: false });
  await watcher.nothingBefore(last, topic);
});

test('[MQTT-3.1.2-10] a will that DISCONNECT took away is not there in the next connection', async ({
  connect,
  name,
}) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic);
  const clientId = name('c');
  const client = await connect({ clientId, clean: false, will: { topic, payload: 'never' } });
  await client.disconnect();
  const again = await connect({ clientId, clean: false });
  await again.drop();
  const last = await connect({ clientId, clean: false });
  await watcher.nothingBefore(last, topic);
});

test('[MQTT-3.1.2-12] without the will flag no will is published', async ({ connect, name }) => {
  const topic = name('/#');
  const watcher = await connect();
  await watcher.subscribe(topic);
  const client = await connect({ clientId: name('c') });
  await client.drop();
  const last = await connect({ clientId: name('c') });
  await watcher.nothingBefore(last, name('/marker'));
});

test('[MQTT-3.1.2-16] a will without will retain is not retained', async ({ connect, name }) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic);
  const client = await connect({ will: { topic, payload: 'not retained' } });
  await client.drop();
  assert.equal((await watcher.receive()).text, 'not retained');
  const late = await connect();
  await late.subscribe(topic);
  await late.ping();
  await late.nothingBefore(watcher, topic);
});

test('[MQTT-3.1.2-17] a will with will retain is retained', async ({ connect, name }) => {
  const topic = name('/w');
  const watcher = await connect();
  await watcher.subscribe(topic, 1);
  const client = await connect({ will: { topic, payload: 'retained', retain: true, qos: 1 } });
  await client.drop();
  const message = await watcher.receive();
  assert.deepEqual([message.text, message.retain], ['retained', false]);
  const late = await connect();
  await late.subscribe(topic, 1);
  const kept = await late.receive();
  assert.deepEqual([kept.text, kept.retain, kept.qos], ['retained', true, 1]);
  await late.publish(topic, '', { retain: true });
});
