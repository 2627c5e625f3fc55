/** The streams of bytes that carry MQTT. */
import assert from 'node:assert/strict';
import { connect, publish, subscribe } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('5.0', '4.2 Network Connections');

test('[MQTT-4.2.0-1] bytes arrive in order and without loss, in both directions', async ({
  connect,
  name,
}) => {
  const client = await connect();
  await client.subscribe(name());
  const sizes = [0, 1, 127, 128, 16_383, 16_384, 100_000];
  for (const size of sizes) {
    const payload = Uint8Array.from({ length: size }, (_, index) => (index * 31 + size) & 0xff);
    client.send(publish('5.0', name(), payload));
    assert.deepEqual((await client.nextPublish()).payload, payload, `${size} bytes`);
  }
});

test('[MQTT-4.2.0-1] it is a stream: packets may come byte by byte, and many in one piece', async ({
  open,
  name,
}) => {
  const client = await open();
  const all = Buffer.concat([
    connect('5.0', { clientId: name('c') }),
    subscribe('5.0', [[name(), 0]]),
    publish('5.0', name(), 'one'),
    publish('5.0', name(), 'two'),
  ]);
  for (const byte of all.subarray(0, 40)) client.send(Uint8Array.of(byte));
  client.send(all.subarray(40));
  assert.equal((await client.nextConnack()).code, 0);
  await client.expect('90 04 0001 00 00');
  assert.deepEqual(await client.receiveTexts(2), ['one', 'two']);
});
