/** Chapter 7: what a server has to be. */
import assert from 'node:assert/strict';
import { octets, text } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '7 Conformance');

test('[MQTT-7.1.1-1] bytes arrive in their order and without loss, both ways', async ({ connect, name }) => {
  const topic = name('/t');
  const client = await connect();
  await client.subscribe(topic, 1);
  const numbers = Array.from({ length: 60 }, (_, number) => number);
  const payloadOf = (number: number) => octets(text(`${number} `), new Uint8Array(5_000).fill(number));
  const publisher = await connect();
  // Pieces that end anywhere.
  const bytes = octets(
    ...numbers.map((number) => publish('3.1.1', topic, payloadOf(number), { qos: 1, id: number + 1 })),
  );
  for (let start = 0; start < bytes.length; start += 1_449)
    publisher.send(bytes.subarray(start, start + 1_449));
  for (const number of numbers) {
    assert.equal((await publisher.next()).body[1], number + 1);
    assert.deepEqual((await client.receive()).payload, new Uint8Array(payloadOf(number)));
  }
});
