/** Features specific to WebSocket: the handshake with its sub-protocols, and frames that are not binary. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import { connectFrame, pingreqFrame, publishFrame, subscribeFrame } from '../../support/frames.ts';
import { openClient, RawClient } from '../../support/raw-client.ts';
import { sharedBroker } from '../../support/shared-broker.ts';
import { until } from '../../support/wait.ts';
import {
  assertUpgraded,
  encodeFrame,
  handshake,
  opcode,
  ServerFrames,
} from '../../support/websocket-link.ts';

const granted: readonly (readonly [offer: string, chosen: string])[] = [
  ['mqtt', 'mqtt'],
  ['mqttv3.1, mqtt', 'mqtt'],
  ['mqtt, mqttv3.1', 'mqtt'],
  ['mqtt, foo', 'mqtt'],
  ['foo,mqtt', 'mqtt'],
  ['foo ,  mqtt  , bar', 'mqtt'],
  ['mqttv3.1', 'mqttv3.1'],
  ['mqttv3.1, foo', 'mqttv3.1'],
];

const refused: readonly (string | null)[] = [
  null,
  '',
  'foo',
  'mqttv3.1.1',
  'mqttv5',
  'xmqtt',
  'mqtt2',
  'MQTT',
  'mqtt mqtt',
];

test('exactly one of the offered sub-protocols is echoed [MQTT-6.0.0-4]', async (t) => {
  const { port } = await startBroker(t);
  for (const [offer, chosen] of granted) {
    const answer = await handshake(port, { subprotocols: offer });
    assertUpgraded(answer, chosen);
    answer.socket.destroy();
  }
});

test('an offer in two header lines is one offer', async (t) => {
  const { port } = await startBroker(t);
  const headers = ['Sec-WebSocket-Protocol: mqtt'];
  const answer = await handshake(port, { subprotocols: 'foo', headers });
  answer.socket.destroy();
  // RFC 6455, 11.3.4: the header may appear more than once in a request.
  assertUpgraded(answer, 'mqtt');
});

test('without a sub-protocol of MQTT the handshake is refused [MQTT-6.0.0-3]', async (t) => {
  const { port } = await startBroker(t);
  for (const offer of refused) {
    const { status, headers, socket } = await handshake(port, { subprotocols: offer });
    socket.destroy();
    assert.equal(status, 400, `offer: ${offer}`);
    assert.equal(headers.get('sec-websocket-protocol'), undefined);
  }
});

test('an upgrade on another path is refused', async (t) => {
  const { port } = await startBroker(t);
  for (const path of ['/', '/mqtt/', '/MQTT', '/mqttx', '/healthz']) {
    const { status, socket } = await handshake(port, { path });
    socket.destroy();
    assert.notEqual(status, 101, path);
  }
});

test('the path may have a query', async (t) => {
  const { port } = await startBroker(t);
  const answer = await handshake(port, { path: '/mqtt?token=1' });
  answer.socket.destroy();
  assertUpgraded(answer, 'mqtt');
});

test('no compression is agreed upon', async (t) => {
  const { port } = await startBroker(t);
  const answer = await handshake(port, { headers: ['Sec-WebSocket-Extensions: permessage-deflate'] });
  answer.socket.destroy();
  assertUpgraded(answer, 'mqtt');
  assert.equal(answer.headers.get('sec-websocket-extensions'), undefined);
});

test('a text frame closes with 1003 [MQTT-6.0.0-1], and only that connection', async (t) => {
  const running = await sharedBroker(t);
  const other = await openClient(t, 'ws', running);
  const client = await openClient(t, 'ws', running);
  client.sendRaw(encodeFrame(opcode.text, connectFrame()));
  assert.equal((await client.closed()).code, 1003);
  other.send(Uint8Array.of(0xc0, 0));
  assert.equal(await other.nextHex(), 'd000');
});

test('a text frame before CONNECT closes with 1003', async (t) => {
  const { port } = await sharedBroker(t);
  const client = await RawClient.overWebSocket(port);
  t.after(() => client.destroy());
  client.sendRaw(encodeFrame(opcode.text, new TextEncoder().encode('hello')));
  assert.equal((await client.closed()).code, 1003);
});

test('a close frame is answered with its own code, and the session ends', async (t) => {
  const running = await sharedBroker(t);
  for (const code of [1000, 1001, 3000, 4999]) {
    const client = await openClient(t, 'ws', running);
    client.sendRaw(encodeFrame(opcode.close, Uint8Array.of(code >> 8, code & 0xff, ...Buffer.from('bye'))));
    assert.equal((await client.closed()).code, code);
  }
  await until('the end of the connections', () => running.broker.statistics().connections === 0);
});

test('what came before a close frame is answered, and nothing follows the answer to it', async (t) => {
  const { port } = await sharedBroker(t);
  const { socket } = await handshake(port);
  t.after(() => socket.destroy());
  const frames = new ServerFrames();
  const codes: number[] = [];
  socket.on('data', (chunk: Buffer) => {
    for (const { code } of frames.push(chunk)) codes.push(code);
  });
  socket.resume();
  const messages = [
    connectFrame(),
    subscribeFrame('last/#', 1),
    publishFrame('last/one', 'words', { qos: 1 }),
    publishFrame('last/two', 'words', { qos: 2 }),
  ];
  const close = encodeFrame(opcode.close, Uint8Array.of(0x03, 0xe8));
  socket.write(Buffer.concat([...messages.map((each) => encodeFrame(opcode.binary, each)), close]));
  await once(socket, 'close');
  assert.ok(codes.length > 1, String(codes));
  assert.deepEqual(
    codes.flatMap((code, index) => (code === opcode.close ? [index] : [])),
    [codes.length - 1],
    String(codes),
  );
});

test('a close frame with a code that no client may send is answered with 1002', async (t) => {
  const running = await sharedBroker(t);
  for (const payload of ['00', '03ed', '03e7', '07d0', '1388']) {
    const client = await openClient(t, 'ws', running);
    client.sendRaw(encodeFrame(opcode.close, Buffer.from(payload, 'hex')));
    assert.equal((await client.closed()).code, 1002, payload);
  }
});

test('a close frame whose reason is not text is answered with 1007', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running);
  client.sendRaw(encodeFrame(opcode.close, Buffer.from('03e8ff', 'hex')));
  assert.equal((await client.closed()).code, 1007);
});

test('a Ping is answered with its payload, also inside a message and in pieces', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running);
  const long = new Uint8Array(125).fill(7);
  client.sendRaw(encodeFrame(opcode.ping, new Uint8Array()));
  await until('the first Pong', () => client.pongs.length === 1); // of those that come at once the last is answered
  client.sendRaw(encodeFrame(opcode.binary, Uint8Array.of(0xc0), false));
  for (const byte of encodeFrame(opcode.ping, long)) client.sendRaw(Uint8Array.of(byte));
  client.sendRaw(encodeFrame(opcode.pong, long));
  client.sendRaw(encodeFrame(opcode.continuation, new Uint8Array(), false));
  client.sendRaw(encodeFrame(opcode.continuation, Uint8Array.of(0)));
  assert.equal(await client.nextHex(), 'd000');
  assert.deepEqual(client.pongs, ['', '07'.repeat(125)]);
});

test('of many Pings at once the last is answered, so that a flood of them costs others nothing', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running);
  const names = Array.from({ length: 10_000 }, (_, index) => Buffer.from(`${index}`));
  client.sendRaw(Buffer.concat(names.map((name) => encodeFrame(opcode.ping, name))));
  await client.assertAlive();
  assert.equal(client.pongs.at(-1), names.at(-1)?.toString('hex'));
  assert.ok(client.pongs.length < 1_000, `${client.pongs.length} Pongs`);
});

test('who pings without reading gets no more memory than a few Pongs', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running);
  client.pause();
  const pings = Buffer.concat(
    Array.from({ length: 1_000 }, () => encodeFrame(opcode.ping, new Uint8Array(125))),
  );
  for (let round = 0; round < 100; round++) {
    client.sendRaw(pings);
    await client.flushed();
  }
  client.resume();
  await client.assertAlive();
  assert.ok(client.pongs.length > 0 && client.pongs.length <= 100_000);
});

test('frames that WebSocket does not allow close with 1002, and end that connection only', async (t) => {
  const running = await sharedBroker(t);
  const other = await openClient(t, 'ws', running);
  const unmasked = Uint8Array.of(0x82, 2, 0xc0, 0);
  const reservedBit = encodeFrame(opcode.binary, pingreqFrame).map((byte, index) =>
    index === 0 ? byte | 0x40 : byte,
  );
  const reservedOpcode = encodeFrame(3, pingreqFrame);
  const longPing = encodeFrame(opcode.ping, new Uint8Array(126));
  const halfPing = encodeFrame(opcode.ping, new Uint8Array(), false);
  const continuation = encodeFrame(opcode.continuation, pingreqFrame);
  const begun = encodeFrame(opcode.binary, new Uint8Array(), false);
  const twoMessages = Buffer.concat([begun, begun]);
  const longLength = Buffer.from('82fe000100000000c0', 'hex');
  const hugeLength = Buffer.from('82ffffffffffffffffff00000000c0', 'hex');
  const faults = [unmasked, reservedBit, reservedOpcode, longPing, halfPing, continuation, twoMessages];
  for (const bytes of [...faults, longLength, hugeLength]) {
    const client = await openClient(t, 'ws', running);
    client.sendRaw(bytes, encodeFrame(opcode.binary, pingreqFrame));
    assert.equal((await client.closed()).code, 1002, Buffer.from(bytes).toString('hex'));
    assert.deepEqual(client.packets, []);
  }
  await other.assertAlive();
});

test('a message without an end is a stream like any other', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running);
  const header = Buffer.alloc(14); // a mask of zeros
  header[0] = 0x82;
  header[1] = 0xff;
  header.writeBigUInt64BE(1n << 40n, 2);
  client.sendRaw(header);
  for (let round = 0; round < 10; round++) {
    client.sendRaw(pingreqFrame);
    assert.equal(await client.nextHex(), 'd000');
  }
});

test('what is delivered at once is one WebSocket message, however large', async (t) => {
  const running = await sharedBroker(t);
  const client = await openClient(t, 'ws', running);
  client.send(subscribeFrame('large', 0));
  await client.nextPacket();
  client.messageBytes.length = 0;
  await running.broker.publish('large', new Uint8Array(100_000));
  assert.equal((await client.nextPacket()).body.length, 2 + 5 + 1 + 100_000);
  assert.equal(client.messageBytes.length, 1);
});

test('another version of WebSocket is refused with the one that is spoken', async (t) => {
  const { port } = await startBroker(t);
  const { status, headers, socket } = await handshake(port, { version: '8' });
  socket.destroy();
  assert.equal(status, 426);
  assert.equal(headers.get('sec-websocket-version'), '13');
});
