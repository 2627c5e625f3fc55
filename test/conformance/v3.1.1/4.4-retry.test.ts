/** Section 4.4: what is sent again, and when. */
import assert from 'node:assert/strict';
import { puback, pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import { pair } from '../support/pair.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '4.4 Message delivery retry');

test('[MQTT-4.4.0-1] PUBLISH packets without an answer come again as they were, with DUP', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 2);
  for (const qos of [1, 2] as const) await publisher.publish(context.name(), `QoS ${qos}`, { qos });
  const messages = [await subscriber.nextPublish(), await subscriber.nextPublish()];
  for (let round = 0; round < 2; round++) {
    const client = await reconnect();
    for (const { id, qos, text } of messages) {
      await client.expect(publish('3.1.1', context.name(), text, { qos, id, dup: true }));
    }
    await client.ping();
  }
});

test('[MQTT-4.4.0-1] PUBREL packets without an answer come again', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 2);
  for (const payload of ['one', 'two', 'three']) await publisher.publish(context.name(), payload, { qos: 2 });
  const messages = [
    await subscriber.nextPublish(),
    await subscriber.nextPublish(),
    await subscriber.nextPublish(),
  ];
  const [one, two, three] = messages.map(({ id }) => id);
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  for (const id of [one, two]) {
    subscriber.send(pubrec(id));
    await subscriber.expect(pubrel(id));
  }
  await subscriber.drop();
  const second = await reconnect();
  const received = [await second.next(), await second.next(), await second.next()];
  assert.deepEqual(
    received.map(({ header }) => header).sort(),
    [0x3c, 0x62, 0x62],
    'one PUBLISH with DUP, two PUBRELs',
  );
  for (const id of [one, two]) second.send(pubcomp(id));
  second.send(pubrec(three));
  await second.expect(pubrel(three));
  second.send(pubcomp(three));
  await second.disconnect();
  await (await reconnect()).ping();
});

test('[MQTT-4.4.0-1] what a client sends again after its PUBREC was lost is one message', async ({
  connect,
  name,
}) => {
  const topic = name('/t');
  const watcher = await connect();
  await watcher.subscribe(topic, 2);
  const clientId = name('c');
  for (let round = 0; round < 3; round++) {
    const client = await connect({ clientId, clean: false });
    client.send(publish('3.1.1', topic, 'once', { qos: 2, id: 9, dup: round > 0 }));
    await client.expect(pubrec(9));
    await client.drop();
  }
  for (let round = 0; round < 2; round++) {
    const client = await connect({ clientId, clean: false });
    client.send(pubrel(9));
    await client.expect(pubcomp(9));
    await client.drop();
  }
  assert.equal((await watcher.receive()).text, 'once');
  await watcher.nothingBefore(await connect(), topic);
});

test('[MQTT-4.4.0-1] what was acknowledged does not come again', async (context) => {
  const { publisher, subscriber, reconnect } = await pair(context, 1);
  for (let number = 0; number < 10; number++)
    await publisher.publish(context.name(), `${number}`, { qos: 1 });
  for (let number = 0; number < 10; number++) {
    const { id, text } = await subscriber.nextPublish();
    if (Number(text) % 3 !== 0) subscriber.send(puback(id));
  }
  await subscriber.ping();
  await subscriber.drop();
  const second = await reconnect();
  assert.deepEqual(await second.receiveTexts(4), ['0', '3', '6', '9']);
  await second.ping();
});
