/** MQTT is a stream: its boundaries in TCP segments and WebSocket messages mean nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunningBroker } from '../../support/broker.ts';
import { startBroker } from '../../support/broker.ts';
import {
  connectFrame,
  hexOf,
  publishFrame,
  publishOf,
  pubrelFrame,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import {
  openClient,
  RawClient,
  sendInPieces,
  type TransportName,
  transports,
} from '../../support/raw-client.ts';
import { sharedBroker } from '../../support/shared-broker.ts';
import { encodeFrame, opcode } from '../../support/websocket-link.ts';

/** One packet and what a connection gets back for it, by itself subscribed to `t` with QoS 2. */
interface Step {
  readonly name: string;
  readonly frame: Uint8Array;
  readonly answers: readonly string[];
}

const connectStep: Step = {
  name: 'CONNECT',
  frame: connectFrame({ protocolVersion: 4 }),
  answers: ['20020000'],
};
const subscribeStep: Step = {
  name: 'SUBSCRIBE',
  frame: subscribeFrame('t', 2, { packetId: 10 }, 4),
  answers: [hexOf('90 03 000a 02')],
};
const steps: readonly Step[] = [
  {
    name: 'PUBLISH QoS 0',
    frame: publishFrame('t', 'zero', {}, 4),
    answers: [hexOf("30 07 0001 't' 'zero'")],
  },
  {
    name: 'PUBLISH QoS 1',
    frame: publishFrame('t', 'one', { qos: 1, packetId: 21 }, 4),
    answers: [hexOf("32 08 0001 't' 0001 'one'"), hexOf('40 02 0015')],
  },
  {
    name: 'PUBLISH QoS 2',
    frame: publishFrame('t', 'two', { qos: 2, packetId: 22 }, 4),
    answers: [hexOf("34 08 0001 't' 0002 'two'"), hexOf('50 02 0016')],
  },
  { name: 'PUBREL', frame: pubrelFrame(22), answers: [hexOf('70 02 0016')] },
];

/** Goes through all packets, `cut` after the given byte of each, on one new connection. */
async function converse(running: RunningBroker, transport: TransportName, cut: Cut): Promise<void> {
  const client = await RawClient.open(transport, running);
  const bytesReceived = () => running.broker.statistics().bytesReceived;
  try {
    for (const { name, frame, answers } of [connectStep, subscribeStep, ...steps]) {
      await sendInPieces(client, cut(frame), bytesReceived);
      const got = await client.nextHexes(answers.length);
      assert.deepEqual(got.sort(), [...answers].sort(), name);
    }
    assert.equal(client.packets.length, 0);
  } finally {
    client.destroy();
  }
}

type Cut = (frame: Uint8Array) => Uint8Array[];

const longest = Math.max(...[connectStep, subscribeStep, ...steps].map(({ frame }) => frame.length));

for (const transport of transports) {
  test(`${transport}: every packet in two pieces, cut at every byte`, async (t) => {
    const running = await startBroker(t);
    for (let at = 1; at < longest; at++) {
      await converse(running, transport, (frame) =>
        [frame.subarray(0, at), frame.subarray(at)].filter(isFilled),
      );
    }
  });

  test(`${transport}: every packet byte by byte`, async (t) => {
    await converse(await startBroker(t), transport, (frame) => [...frame].map((byte) => Uint8Array.of(byte)));
  });

  test(`${transport}: the end of one packet and the begin of the next in one piece`, async (t) => {
    const running = await startBroker(t);
    const client = await openClient(t, transport, running, { protocolVersion: 4 });
    const stream = Buffer.concat(
      ['a', 'b', 'c'].flatMap((text) => [publishFrame('t', text, { qos: 1 }, 4), Uint8Array.of(0xc0, 0)]),
    );
    const bytesReceived = () => running.broker.statistics().bytesReceived;
    for (let size = 1; size < stream.length; size++) {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += size) pieces.push(stream.subarray(at, at + size));
      await sendInPieces(client, pieces, bytesReceived);
      const expected = ['40020001', 'd000', '40020001', 'd000', '40020001', 'd000'];
      assert.deepEqual(await client.nextHexes(6), expected, `pieces of ${size}`);
    }
  });

  test(`${transport}: CONNECT and all behind it in one piece`, async (t) => {
    const client = await RawClient.open(transport, await sharedBroker(t));
    t.after(() => client.destroy());
    client.send(connectStep.frame, subscribeStep.frame, ...steps.map(({ frame }) => frame));
    const expected = [connectStep, subscribeStep, ...steps].flatMap(({ answers }) => answers);
    const got = await client.nextHexes(expected.length);
    assert.deepEqual(got.slice(0, 2), expected.slice(0, 2));
    assert.deepEqual(got.sort(), [...expected].sort());
  });

  test(`${transport}: a large PUBLISH in small pieces arrives as it was`, async (t) => {
    const running = await sharedBroker(t);
    const subscriber = await openClient(t, transport, running);
    subscriber.send(subscribeFrame('large'));
    await subscriber.nextPacket();
    const publisher = await openClient(t, transport, running);
    const payload = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 7919) >> 5);
    const frame = publishFrame('large', payload);
    for (let at = 0; at < frame.length; at += 997) publisher.send(frame.subarray(at, at + 997));
    assert.deepEqual(Buffer.from(publishOf(await subscriber.nextPacket()).payload), Buffer.from(payload));
  });
}

test('ws: 1,000 packets in one message, and each comes once and in order', async (t) => {
  const running = await sharedBroker(t);
  const subscriber = await openClient(t, 'ws', running, { protocolVersion: 4 });
  subscriber.send(subscribeFrame('many', 1, {}, 4));
  await subscriber.nextPacket();
  const publisher = await openClient(t, 'ws', running, { protocolVersion: 4 });
  const frames = Array.from({ length: 1_000 }, (_, index) =>
    publishFrame('many', `${index}`, { qos: 1, packetId: index + 1 }, 4),
  );
  publisher.send(...frames);
  for (let index = 0; index < 1_000; index++) {
    assert.equal(textOf(publishOf(await subscriber.nextPacket(), 4)), `${index}`);
    const { header, body } = await publisher.nextPacket();
    assert.deepEqual([header, ...body], [0x40, (index + 1) >> 8, (index + 1) & 0xff]);
  }
});

test('ws: what a loop turn brings for one client leaves in few messages', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running);
  const before = client.messageBytes.length;
  client.send(...Array.from({ length: 200 }, () => Uint8Array.of(0xc0, 0)));
  await client.nextHexes(200);
  assert.ok(client.messageBytes.length - before <= 2, `${client.messageBytes.length - before} messages`);
});

test('ws: one message in many WebSocket fragments, and a ping between them', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running, { protocolVersion: 4 });
  const frame = publishFrame('t', 'fragments', { qos: 1 }, 4);
  const fragments = [...frame].map((byte, index) =>
    encodeFrame(
      index === 0 ? opcode.binary : opcode.continuation,
      Uint8Array.of(byte),
      index === frame.length - 1,
    ),
  );
  client.sendRaw(...fragments);
  assert.equal(await client.nextHex(), '40020001');
});

test('ws: WebSocket frames cut at every byte of the TCP stream', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running, { protocolVersion: 4 });
  for (const byte of encodeFrame(opcode.binary, publishFrame('t', 'bytes', { qos: 1 }, 4))) {
    client.sendRaw(Uint8Array.of(byte));
    await client.flushed();
  }
  assert.equal(await client.nextHex(), '40020001');
});

test('ws: empty messages mean nothing', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running);
  client.send(new Uint8Array());
  client.send(Uint8Array.of(0xc0));
  client.send(new Uint8Array());
  client.send(Uint8Array.of(0));
  assert.equal(await client.nextHex(), 'd000');
});

function isFilled(piece: Uint8Array): boolean {
  return piece.length > 0;
}
