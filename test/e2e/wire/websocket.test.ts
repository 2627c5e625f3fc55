/** What is WebSocket's own: the handshake with its sub-protocols, and frames that are not binary. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../../support/broker.ts';
import { connectFrame } from '../../support/frames.ts';
import { openClient, RawClient } from '../../support/raw-client.ts';
import { assertUpgraded, encodeFrame, handshake, opcode } from '../../support/websocket-link.ts';

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
  const running = await startBroker(t);
  const other = await openClient(t, 'ws', running);
  const client = await openClient(t, 'ws', running);
  client.sendRaw(encodeFrame(opcode.text, connectFrame()));
  assert.equal((await client.closed()).code, 1003);
  other.send(Uint8Array.of(0xc0, 0));
  assert.equal(await other.nextHex(), 'd000');
});

test('a text frame before CONNECT closes with 1003', async (t) => {
  const { port } = await startBroker(t);
  const client = await RawClient.overWebSocket(port);
  t.after(() => client.destroy());
  client.sendRaw(encodeFrame(opcode.text, new TextEncoder().encode('hello')));
  assert.equal((await client.closed()).code, 1003);
});

test('a close frame is answered with a close frame, and the session ends', async (t) => {
  const running = await startBroker(t);
  const client = await openClient(t, 'ws', running);
  client.end();
  assert.equal((await client.closed()).code, 1000);
});

test('frames that WebSocket does not allow end that connection only', async (t) => {
  const running = await startBroker(t);
  const other = await openClient(t, 'ws', running);
  const ping = Uint8Array.of(0xc0, 0);
  const unmasked = Uint8Array.of(0x82, 2, 0xc0, 0);
  const reservedBit = encodeFrame(opcode.binary, ping).map((byte, index) =>
    index === 0 ? byte | 0x40 : byte,
  );
  const reservedOpcode = encodeFrame(3, ping);
  const longPing = encodeFrame(opcode.ping, new Uint8Array(126));
  const continuation = encodeFrame(opcode.continuation, ping);
  for (const bytes of [reservedBit, reservedOpcode, longPing, continuation]) {
    const client = await openClient(t, 'ws', running);
    client.sendRaw(bytes);
    await client.closed();
    assert.deepEqual(client.packets, []);
  }
  const client = await openClient(t, 'ws', running);
  client.sendRaw(unmasked, unmasked);
  other.send(ping);
  assert.equal(await other.nextHex(), 'd000');
});

test('a WebSocket message that is too large ends that connection only', async (t) => {
  const running = await startBroker(t);
  const other = await openClient(t, 'ws', running);
  const client = await openClient(t, 'ws', running);
  const header = Buffer.alloc(14);
  header[0] = 0x82;
  header[1] = 0xff;
  header.writeBigUInt64BE(1n << 40n, 2);
  client.sendRaw(header);
  await client.closed();
  other.send(Uint8Array.of(0xc0, 0));
  assert.equal(await other.nextHex(), 'd000');
});
