/** Section 4.6: order. */
import assert from 'node:assert/strict';
import { octets } from '../support/octets.ts';
import { puback, pubcomp, publish, pubrec, pubrel } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '4.6 Message ordering');

// What some servers take of QoS 2 before they want the first to be completed.
const batch = 20;

const identifiers = [7, 3, 65_535, 1, 20, 4, 5, 300, 2, 9];

test('[MQTT-4.6.0-1] what is sent again keeps its order', async ({ connect, name }) => {
  const topic = name('/t');
  const clientId = name('c');
  const first = await connect({ clientId, clean: false });
  await first.subscribe(topic, 2);
  const publisher = await connect();
  const sent: string[] = [];
  for (let number = 0; number < 10; number++) {
    await publisher.publish(topic, `${number}`, { qos: number % 3 === 0 ? 2 : 1 });
    sent.push((await first.nextPublish()).text);
  }
  await first.drop();
  for (let round = 0; round < 2; round++) {
    const again = await connect({ clientId, clean: false });
    const received: string[] = [];
    while (received.length < sent.length) received.push((await again.nextPublish()).text);
    assert.deepEqual(received, sent);
    await again.drop();
  }
});

test('[MQTT-4.6.0-2] PUBACK packets have the order of their PUBLISH packets', async ({ connect, name }) => {
  const client = await connect();
  const topicOf = (index: number): string => name(`/${index}`);
  client.send(
    octets(...identifiers.map((id, index) => publish('3.1.1', topicOf(index), 'x', { qos: 1, id }))),
  );
  for (const id of identifiers) await client.expect(puback(id));
});

test('[MQTT-4.6.0-3] PUBREC packets have the order of their PUBLISH packets', async ({ connect, name }) => {
  const client = await connect();
  const topicOf = (index: number): string => name(`/${index}`);
  client.send(
    octets(...identifiers.map((id, index) => publish('3.1.1', topicOf(index), 'x', { qos: 2, id }))),
  );
  for (const id of identifiers) await client.expect(pubrec(id));
  client.send(octets(...identifiers.map(pubrel)));
  for (const id of identifiers) await client.expect(pubcomp(id));
});

test('[MQTT-4.6.0-4] PUBREL packets have the order of their PUBREC packets', async ({ connect, name }) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 2);
  const publisher = await connect();
  const received: number[] = [];
  for (let count = 0; count < 6; count++) {
    await publisher.publish(topic, 'x', { qos: 2 });
    received.push((await client.nextPublish()).id);
  }
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = received;
  const order = [c, a, f, b, e, d];
  client.send(octets(...order.map(pubrec)));
  for (const id of order) await client.expect(pubrel(id));
});

for (const qos of [0, 1, 2] as const) {
  test(`[MQTT-4.6.0-5] [MQTT-4.6.0-6] messages of one topic and QoS ${qos} keep their order`, async ({
    connect,
    name,
  }) => {
    const [topic, filter] = [name('/t'), name('/+')];
    const exact = await connect();
    await exact.subscribe(topic, qos);
    const wildcard = await connect();
    await wildcard.subscribe(filter, qos);
    const publisher = await connect();
    const numbers = Array.from({ length: 200 }, (_, number) => `${number}`);
    // Others publish there at the same time.
    const other = await connect();
    const noise = Array.from({ length: 3 }, () => publish('3.1.1', topic, 'noise'));
    const all = numbers.map((number, index) => publish('3.1.1', topic, number, { qos, id: index + 1 }));
    for (let start = 0; start < all.length; start += batch) {
      const identifiers = Array.from({ length: batch }, (_, index) => start + index + 1);
      publisher.send(octets(...all.slice(start, start + batch)));
      other.send(octets(...noise));
      if (qos === 0) await publisher.ping();
      if (qos === 1) for (const id of identifiers) await publisher.expect(puback(id));
      if (qos < 2) continue;
      for (const id of identifiers) await publisher.expect(pubrec(id));
      publisher.send(octets(...identifiers.map(pubrel)));
      for (const id of identifiers) await publisher.expect(pubcomp(id));
    }
    for (const client of [exact, wildcard]) {
      const received: string[] = [];
      while (received.length < numbers.length) {
        const { text } = await client.receive();
        if (text !== 'noise') received.push(text);
      }
      assert.deepEqual(received, numbers);
    }
  });
}
