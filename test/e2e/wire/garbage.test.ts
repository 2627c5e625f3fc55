/**
 * Invalid bytes, generated from seeds: the broker stays up, another client gets all its messages, and every client
 * that sent garbage is closed or simply waiting for more. `RALLYMQ_TEST_SEED` replays one seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import {
  bytesOf,
  connectFrame,
  frame,
  pingreqFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { Random, replayOf, seeds } from '../../support/random.ts';
import { openClient, RawClient, transports } from '../../support/raw-client.ts';
import { until, within } from '../../support/wait.ts';
import { encodeFrame, handshake } from '../../support/websocket-link.ts';

const garbageSeeds = seeds(150);

const goodFrames: readonly Uint8Array[] = [
  connectFrame({ clientId: 'garbage', properties: { sessionExpiryInterval: 60 } }),
  connectFrame({
    protocolVersion: 4,
    clientId: 'garbage',
    will: { topic: 'garbage/will', payload: bytesOf("'w'"), qos: 2, retain: true, properties: {} },
  }),
  subscribeFrame('garbage/#', 2, { properties: { subscriptionIdentifiers: [3] } }),
  publishFrame('garbage/a', 'payload', {
    qos: 0,
    properties: { topicAlias: 1, userProperties: [['k', 'v']] },
  }),
  publishFrame('garbage/b', 'payload', { qos: 1, packetId: 5, properties: { messageExpiryInterval: 9 } }),
  publishFrame('garbage/c', 'payload', { qos: 2, packetId: 6, retain: true }),
  bytesOf('40 02 0001'),
  bytesOf('50 04 0001 00 00'),
  bytesOf('62 02 0006'),
  bytesOf('70 02 0001'),
  bytesOf("a2 0a 0007 00 0005 'a/b/c'"),
  pingreqFrame,
  bytesOf('e0 00'),
  bytesOf("f0 09 18 07 15 0004 'none'"),
];

/** Bytes alone; frames of random bodies; or good frames with some bytes changed, cut, doubled or moved. */
function garbage(random: Random): Uint8Array {
  const kind = random.below(3);
  if (kind === 0) return random.bytes(1 + random.below(300));
  if (kind === 1) {
    const frames = Array.from({ length: 1 + random.below(8) }, () =>
      frame(random.below(256), random.bytes(random.below(60))),
    );
    return Buffer.concat(frames);
  }
  const stream = Buffer.concat(Array.from({ length: 1 + random.below(10) }, () => random.pick(goodFrames)));
  for (let changes = random.below(4); changes > 0; changes--)
    stream[random.below(stream.length)] = random.below(256);
  return stream.subarray(random.below(4) === 0 ? random.below(stream.length) : 0);
}

for (const transport of transports) {
  for (const workers of [1, 4]) {
    test(`${transport}, ${workers} workers: garbage ends its own connection at most`, async (t) => {
      const running = await startBroker(t, { workers });
      const publisher = await openClient(t, transport, running);
      const subscriber = await openClient(t, transport, running);
      subscriber.send(subscribeFrame('good', 1));
      await subscriber.nextPacket();
      for (const [index, seed] of garbageSeeds.entries()) {
        const replay = replayOf(seed);
        const random = new Random(seed);
        const client = await RawClient.open(transport, running);
        if (random.below(4) > 0) {
          const protocolVersion = random.pick([3, 4, 5] as const);
          client.send(connectFrame({ protocolVersion, clientId: `garbage-${random.below(3)}` }));
        }
        for (let pieces = 1 + random.below(4); pieces > 0; pieces--) client.send(garbage(random));
        if (random.below(2) === 0) await client.flushed();
        publisher.send(publishFrame('good', `${seed}`, { qos: 1, packetId: 1 + (index % 1_000) }));
        const { payload } = publishOf(await within(replay, subscriber.nextPacket()));
        assert.equal(textOf({ payload }), `${seed}`, replay);
        subscriber.send(bytesOf(`40 02 ${(1 + index).toString(16).padStart(4, '0')}`));
        assert.equal((await within(replay, publisher.nextPacket())).header, 0x40, replay);
        client.destroy();
      }
      await until('all that sent garbage are gone', () => running.broker.statistics().connections === 2);
    });
  }
}

test('garbage in place of WebSocket frames, and in place of HTTP', async (t) => {
  const running = await startBroker(t);
  const bystander = await openClient(t, 'ws', running);
  for (const seed of garbageSeeds) {
    const random = new Random(seed);
    if (random.below(2) === 0) {
      const { socket } = await handshake(running.port);
      socket.on('error', () => {});
      for (let pieces = 1 + random.below(4); pieces > 0; pieces--) {
        const isFrame = random.below(2) === 0;
        socket.write(
          isFrame ? encodeFrame(random.below(16), garbage(random), random.below(3) > 0) : random.bytes(50),
        );
      }
      socket.end();
      socket.resume();
    } else {
      const client = await RawClient.overTcp(running.port);
      client.send(
        random.below(2) === 0
          ? random.bytes(200)
          : Buffer.from(`GET /${'x'.repeat(random.below(9_000))}\r\n\r\n`),
      );
      client.end();
      client.destroy();
    }
    bystander.send(pingreqFrame);
    const hex = await within(`a PINGRESP; ${replayOf(seed)}`, bystander.nextHex());
    assert.equal(hex, 'd000');
  }
});
