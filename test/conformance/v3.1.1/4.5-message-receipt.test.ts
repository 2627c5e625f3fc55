/** Section 4.5: a message that was taken goes to all whom it concerns. */
import assert from 'node:assert/strict';
import { section } from '../support/section.ts';

const test = section('3.1.1', '4.5 Message receipt');

test('[MQTT-4.5.0-1] all clients whose subscriptions match get it, here or away', async ({
  connect,
  name,
}) => {
  const filters = [name('/a/b'), name('/a/+'), name('/#'), name('/+/b')];
  const away = await Promise.all(
    filters.map(async (filter, index) => {
      const client = await connect({ clientId: name(`away${index}`), clean: false });
      await client.subscribe(filter, 1);
      await client.disconnect();
      return client.clientId;
    }),
  );
  const here = await Promise.all(
    filters.map(async (filter) => {
      const client = await connect();
      await client.subscribe(filter, 2);
      return client;
    }),
  );
  const other = await connect();
  await other.subscribe([name('/a/c'), name('/a'), name('/marker')], 2);
  const publisher = await connect();
  await publisher.publish(name('/a/b'), 'to all', { qos: 1 });
  for (const client of here) assert.equal((await client.receive()).text, 'to all');
  for (const clientId of away) {
    const client = await connect({ clientId, clean: false });
    assert.equal((await client.receive()).text, 'to all');
    await client.ping();
  }
  await other.nothingBefore(publisher, name('/marker'));
});

test('[MQTT-4.5.0-1] the client that publishes gets it too if it is subscribed', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name('/t'), 2);
  for (const qos of [0, 1, 2] as const) {
    await client.publish(name('/t'), `QoS ${qos}`, { qos });
    assert.equal((await client.receive()).text, `QoS ${qos}`);
  }
});
