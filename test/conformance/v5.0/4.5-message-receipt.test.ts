/** What the server owes for a message that it took. */
import assert from 'node:assert/strict';
import { octets, u32 } from '../support/octets.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '4.5 Message receipt');

const sessionExpiry = octets('11', u32(60));

for (const qos of [1, 2] as const) {
  test(`[MQTT-4.5.0-1] a QoS ${qos} message that is acknowledged reaches every session that subscribes, there or away`, async ({
    connect,
    name,
  }) => {
    const publisher = await connect();
    const filters = [name('/a/b'), name('/+/b'), name('/#')];
    const present = [];
    for (const [index, filter] of filters.entries()) {
      const client = await connect();
      await client.subscribe(filter, qos);
      present.push(client);
      const away = await connect({ clientId: name(`away${index}`), properties: sessionExpiry });
      await away.subscribe(filter, qos);
      await away.disconnect();
    }
    const texts = Array.from({ length: 20 }, (_, index) => `${index}`);
    for (const text of texts) await publisher.publish(name('/a/b'), text, { qos });
    for (const client of present) assert.deepEqual(await client.receiveTexts(texts.length), texts);
    for (const index of filters.keys()) {
      const back = await connect({ clientId: name(`away${index}`), clean: false, properties: sessionExpiry });
      assert.deepEqual(await back.receiveTexts(texts.length), texts);
    }
  });
}

test('[MQTT-4.5.0-1] a message that its publisher sent before it failed reaches its subscribers', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name(), 1);
  const publisher = await connect();
  await publisher.publish(name(), 'm', { qos: 1 });
  await publisher.drop();
  assert.equal((await client.receive()).text, 'm');
});
