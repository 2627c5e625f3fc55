/** UNSUBSCRIBE, and what comes of it. */
import assert from 'node:assert/strict';
import { packet, string } from '../support/octets.ts';
import { pubcomp, pubrec, pubrel, unsubscribe } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.10 UNSUBSCRIBE');

test('[MQTT-3.10.1-1] flags other than 0010 end the connection', async ({ connect, name }) => {
  for (let flags = 0; flags < 16; flags++) {
    if (flags === 2) continue;
    const client = await connect();
    client.send(packet(0xa0 | flags, '0001', string(name('/t'))), 'c0 00');
    await client.closed();
  }
});

test('[MQTT-3.10.3-1] a filter that is not UTF-8, or cut off, ends the connection', async ({
  connect,
  name,
}) => {
  for (const filter of ['0002 c328', '0003 eda080', '0001 ff', "0002 'a'", '00']) {
    const alone = await connect();
    alone.send(packet(0xa2, '0001', filter), 'c0 00');
    await alone.closed();
    const second = await connect();
    second.send(packet(0xa2, '0001', string(name('/t')), filter), 'c0 00');
    await second.closed();
  }
});

test('[MQTT-3.10.3-2] an UNSUBSCRIBE without a filter ends the connection', async ({ connect }) => {
  const client = await connect();
  client.send('a2 02 0001', 'c0 00');
  await client.closed();
});

test('[MQTT-3.10.4-1] only a filter that is the same is removed', async ({ connect, name }) => {
  const client = await connect();
  await client.subscribe([name('/a/+'), name('/a/b')], 1);
  for (const filter of [name('/a/#'), name('/A/b'), name('/a/b/'), name('/+/b'), name('/a')]) {
    await client.unsubscribe(filter);
  }
  await client.publish(name('/a/x'), 'by the wildcard', { qos: 1 });
  assert.equal((await client.receive()).text, 'by the wildcard');
  await client.unsubscribe(name('/a/+'));
  await client.publish(name('/a/x'), 'never', { qos: 1 });
  await client.publish(name('/a/b'), 'by its name', { qos: 1 });
  assert.equal((await client.receive()).text, 'by its name');
  await client.unsubscribe(name('/a/b'));
  await client.publish(name('/a/b'), 'never', { qos: 1 });
  await client.ping();
});

test('[MQTT-3.10.4-2] behind an UNSUBSCRIBE no message comes', async ({ connect, name }) => {
  const client = await connect();
  const publisher = await connect();
  await client.subscribe([name('/t'), name('/marker')], 2);
  await client.unsubscribe(name('/t'));
  for (const qos of [0, 1, 2] as const) await publisher.publish(name('/t'), 'never', { qos });
  await client.nothingBefore(publisher, name('/marker'));
});

test('[MQTT-3.10.4-3] a message of QoS 2 that was begun is brought to its end', async ({ connect, name }) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 2);
  await client.publish(topic, 'begun', { qos: 2 });
  const { id, text } = await client.nextPublish();
  assert.equal(text, 'begun');
  await client.unsubscribe(topic);
  client.send(pubrec(id));
  await client.expect(pubrel(id));
  client.send(pubcomp(id));
  await client.ping();
});

test('[MQTT-3.10.4-3] a message that was begun comes again in the next connection', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const clientId = name('c');
  const client = await connect({ clientId, clean: false });
  await client.subscribe(topic, 2);
  const publisher = await connect();
  await publisher.publish(topic, 'begun 1', { qos: 1 });
  await publisher.publish(topic, 'begun 2', { qos: 2 });
  await client.nextPublish();
  await client.nextPublish();
  await client.unsubscribe(topic);
  await client.drop();
  const again = await connect({ clientId, clean: false });
  assert.deepEqual((await again.receiveTexts(2)).sort(), ['begun 1', 'begun 2']);
  await again.ping();
});

test('[MQTT-3.10.4-4] an UNSUBSCRIBE is answered with an UNSUBACK of its packet identifier', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name('/t'));
  client.send(unsubscribe('3.1.1', [name('/t')], { id: 0x4321 }));
  await client.expect('b0 02 4321');
});

test('[MQTT-3.10.4-5] an UNSUBSCRIBE that removes nothing is answered too', async ({ connect, name }) => {
  const client = await connect();
  client.send(unsubscribe('3.1.1', [name('/never'), name('/+/#')], { id: 7 }));
  await client.expect('b0 02 0007');
});

test('[MQTT-3.10.4-6] several filters in one UNSUBSCRIBE are all removed, with one UNSUBACK', async ({
  connect,
  name,
}) => {
  const client = await connect();
  const filters = [name('/a'), name('/b'), name('/c')];
  await client.subscribe([...filters, name('/d')], 1);
  client.send(
    unsubscribe('3.1.1', [name('/a'), name('/never'), name('/a'), name('/b'), name('/c')], { id: 8 }),
  );
  await client.expect('b0 02 0008');
  for (const topic of filters) await client.publish(topic, 'never', { qos: 1 });
  await client.ping();
  await client.publish(name('/d'), 'still', { qos: 1 });
  assert.equal((await client.receive()).text, 'still');
});
