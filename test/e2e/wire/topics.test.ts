/** Topics of the maximum length and depth; a broker that builds a node per level ends here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import {
  bytesOf,
  connectFrame,
  hexOf,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { openClient, RawClient, transports } from '../../support/raw-client.ts';
import { sharedBroker } from '../../support/shared-broker.ts';

const slashes = '/'.repeat(65_535);

const brokers = [1, 4].map((workers) => ({ workers }));

for (const transport of transports) {
  for (const options of brokers) {
    const { workers } = options;
    test(`${transport}, ${workers} workers: 65,535 slashes in a PUBLISH get 0x90`, async (t) => {
      const running = await sharedBroker(t, options);
      const everything = await openClient(t, transport, running);
      everything.send(subscribeFrame('#'));
      await everything.nextPacket();
      for (const qos of [0, 1, 2] as const) {
        const client = await openClient(t, transport, running);
        client.send(publishFrame(slashes, 'deep', { qos, retain: true }));
        const answers = ['e0 01 90', '40 03 0001 90', '50 03 0001 90'];
        assert.equal(await client.nextHex(), hexOf(`${answers[qos]}`));
        if (qos === 0) await client.closed();
        else await client.assertAlive();
      }
      await everything.assertAlive();
    });

    test(`${transport}, ${workers} workers: 65,535 slashes in a filter are refused with 0x8F`, async (t) => {
      const running = await sharedBroker(t, options);
      const client = await openClient(t, transport, running);
      for (const filter of [slashes, `${'+/'.repeat(32_767)}#`, `${'/'.repeat(65_534)}#`]) {
        client.send(subscribeFrame(filter));
        assert.equal(await client.nextHex(), hexOf('90 04 0001 00 8f'));
        client.send(unsubscribe(filter));
        assert.equal(await client.nextHex(), hexOf('b0 04 0001 00 11'));
      }
      await client.assertAlive();
    });

    test(`${transport}, ${workers} workers: 65,535 slashes in a will do no harm`, async (t) => {
      const running = await sharedBroker(t, options);
      const everything = await openClient(t, transport, running);
      everything.send(subscribeFrame('#'));
      await everything.nextPacket();
      const will = { topic: slashes, payload: bytesOf("'w'"), qos: 1, retain: true, properties: {} } as const;
      const client = await RawClient.open(transport, running);
      client.send(connectFrame({ will }));
      await client.nextPacket();
      client.destroy();
      await everything.assertAlive();
    });
  }
}

test('the most levels that are allowed, and one more', async (t) => {
  const topicLevelsMax = 8;
  const running = await startBroker(t, { limits: { topicLevelsMax } });
  const client = await openClient(t, 'tcp', running);
  const topic = '/'.repeat(topicLevelsMax - 1);
  client.send(subscribeFrame(topic));
  assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
  client.send(publishFrame(topic, 'm'));
  assert.equal(textOf(publishOf(await client.nextPacket())), 'm');
  client.send(subscribeFrame(`${topic}/`));
  assert.equal(await client.nextHex(), hexOf('90 04 0001 00 8f'));
  // With an acknowledgement the message alone is refused, so that the client does not send it again and again.
  const tooDeep = (qos: 1 | 2): Uint8Array => publishFrame(`${topic}/`, 'm', { qos, packetId: 7 });
  client.send(tooDeep(1));
  assert.equal(await client.nextHex(), hexOf('40 03 0007 90'));
  client.send(tooDeep(2));
  assert.equal(await client.nextHex(), hexOf('50 03 0007 90'));
  // A message that was accepted under this packet identifier is not another one.
  client.send(publishFrame('a', 'm', { qos: 2, packetId: 7 }));
  assert.equal(await client.nextHex(), hexOf('50 03 0007 10'));
  client.send(tooDeep(2));
  assert.equal(await client.nextHex(), 'e00190');
  for (const frame of [
    publishFrame(`${topic}/`, 'm'),
    publishFrame(`${topic}/`, 'm', { qos: 1, packetId: 7, properties: { topicAlias: 1 } }),
  ]) {
    const other = await openClient(t, 'tcp', running);
    other.send(frame);
    assert.equal(await other.nextHex(), 'e00190');
  }
});

test('a topic of 65,535 bytes without a slash', async (t) => {
  const running = await startBroker(t, { workers: 4 });
  const client = await openClient(t, 'ws', running);
  const topic = 'ü'.repeat(32_767);
  client.send(subscribeFrame(topic));
  assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
  client.send(publishFrame(topic, 'm', { retain: true }));
  const publish = publishOf(await client.nextPacket());
  assert.equal(publish.topic, topic);
  const later = await openClient(t, 'tcp', running);
  later.send(subscribeFrame('+'));
  assert.equal(await later.nextHex(), hexOf('90 04 0001 00 00'));
  assert.equal(publishOf(await later.nextPacket()).topic, topic);
});

function unsubscribe(filter: string): Uint8Array {
  const bytes = new TextEncoder().encode(filter);
  const bodyBytes = 2 + 1 + 2 + bytes.length;
  const length = [(bodyBytes & 0x7f) | 0x80, ((bodyBytes >> 7) & 0x7f) | 0x80, bodyBytes >> 14];
  return new Uint8Array([0xa2, ...length, 0, 1, 0, bytes.length >> 8, bytes.length & 0xff, ...bytes]);
}
