/** The order of messages. */
import assert from 'node:assert/strict';
import { octets, u32 } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import { type Context, section } from '../support/section.ts';

const test = section('5.0', '4.6 Message ordering');

const count = 300;
const all = Array.from({ length: count }, (_, index) => `${index}`);

async function inOrder(
  { connect, name }: Context,
  topic: string,
  filter: string,
  qos: 0 | 1 | 2,
): Promise<void> {
  const publisher = await connect();
  const subscribers = [await connect(), await connect()];
  for (const subscriber of subscribers) await subscriber.subscribe(name(filter), qos);
  const received = subscribers.map((subscriber) => subscriber.receiveTexts(count));
  for (const text of all) {
    if (qos === 0) publisher.send(publish('5.0', name(topic), text));
    else await publisher.publish(name(topic), text, { qos });
  }
  for (const texts of received) assert.deepEqual(await texts, all);
}

for (const qos of [0, 1, 2] as const) {
  test(`[MQTT-4.6.0-5] messages of one topic and QoS ${qos} arrive in the order in which they were sent`, (context) =>
    inOrder(context, '/t', '/t', qos));

  test(`[MQTT-4.6.0-6] every topic keeps its order, found by a wildcard, too (QoS ${qos})`, (context) =>
    inOrder(context, '/any/topic', '/+/#', qos));
}

test('[MQTT-4.6.0-5] messages that are sent in one go keep their order', async ({ connect, name }) => {
  const publisher = await connect();
  const client = await connect();
  await client.subscribe(name(), 1);
  const texts = client.receiveTexts(count);
  const limit = 20; // what every server takes before it acknowledges
  for (let start = 0; start < count; start += limit) {
    const batch = all.slice(start, start + limit);
    publisher.send(...batch.map((text, index) => publish('5.0', name(), text, { qos: 1, id: index + 1 })));
    for (let index = 0; index < batch.length; index++) await publisher.next();
  }
  assert.deepEqual(await texts, all);
});

test('[MQTT-4.6.0-5] messages that waited for their client come before later ones, in order', async ({
  connect,
  name,
}) => {
  const publisher = await connect();
  const session = { clientId: name('s'), properties: octets('11', u32(60), '21', '0005') };
  const client = await connect(session);
  await client.subscribe(name(), 1);
  await client.drop();
  for (const text of all.slice(0, 200)) await publisher.publish(name(), text, { qos: 1 });
  const back = await connect({ ...session, clean: false });
  const texts = back.receiveTexts(count);
  for (const text of all.slice(200)) await publisher.publish(name(), text, { qos: 1 });
  assert.deepEqual(await texts, all);
});
