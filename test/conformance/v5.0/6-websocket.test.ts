/** MQTT over WebSocket. */
import assert from 'node:assert/strict';
import { assertUpgraded, encodeFrame, handshake, opcode } from '../../support/websocket-link.ts';
import { octets, text } from '../support/octets.ts';
import { connect, pingreq, publish, subscribe } from '../support/packets.ts';
import { type Context, section } from '../support/section.ts';

const register = section('5.0', '6 Using WebSocket as a network transport');

/** Over TCP there is nothing to ask. */
function test(title: string, run: (context: Context) => Promise<void>): void {
  register(title, run, { transport: 'ws' });
}

for (const [what, payload] of [
  ['a text frame with a packet', pingreq],
  ['a text frame with a word', text('hello')],
  ['an empty text frame', octets()],
] as const) {
  test(`[MQTT-6.0.0-1] ${what} closes the connection`, async (context) => {
    const bystander = await context.connect();
    const client = await context.connect();
    client.raw.sendRaw(encodeFrame(opcode.text, payload));
    await client.raw.closed();
    await bystander.ping();
  });
}

test('[MQTT-6.0.0-1] a text frame in place of the CONNECT closes the connection', async (context) => {
  const client = await context.open();
  client.raw.sendRaw(encodeFrame(opcode.text, connect('5.0', { clientId: context.name() })));
  await client.closed();
});

test('[MQTT-6.0.0-1] what the server sends are binary frames', async (context) => {
  const client = await context.connect();
  client.send(subscribe('5.0', [[context.name(), 0]]), publish('5.0', context.name(), 'm'), pingreq);
  // Any other frame fails the client that reads them.
  await client.expect('90 04 0001 00 00');
  const types = [(await client.next()).type, (await client.next()).type];
  assert.deepEqual(
    types.sort((a, b) => a - b),
    [3, 13],
  );
  assert.ok(client.raw.messageBytes.length > 0);
});

test('[MQTT-6.0.0-2] one message may hold many packets', async (context) => {
  const client = await context.open();
  const topic = context.name();
  client.send(
    connect('5.0', { clientId: context.name('ws') }),
    subscribe('5.0', [[topic, 0]]),
    publish('5.0', topic, 'm'),
    pingreq,
  );
  assert.equal((await client.nextConnack()).code, 0);
  await client.expect('90 04 0001 00 00');
  const types = [(await client.next()).type, (await client.next()).type];
  assert.deepEqual(
    types.sort((a, b) => a - b),
    [3, 13],
  );
});

test('[MQTT-6.0.0-2] a packet may be spread over messages, byte by byte, even with empty ones between', async (context) => {
  const client = await context.open();
  for (const byte of connect('5.0', { clientId: context.name('ws') })) {
    client.send(Uint8Array.of(byte));
    client.send();
  }
  assert.equal((await client.nextConnack()).code, 0);
  const large = publish('5.0', context.name(), new Uint8Array(70_000), { qos: 1, id: 5 });
  for (let at = 0; at < large.length; at += 9_999) client.send(large.subarray(at, at + 9_999));
  assert.equal((await client.next()).header, 0x40);
});

test('[MQTT-6.0.0-2] a message may begin in the middle of a packet and end in the middle of another', async (context) => {
  const client = await context.connect();
  const ping = Buffer.concat([pingreq, pingreq, pingreq, pingreq]);
  client.send(ping.subarray(0, 3));
  client.send(ping.subarray(3, 5));
  client.send(ping.subarray(5));
  for (let count = 0; count < 4; count++) await client.expect('d0 00');
});

test('[MQTT-6.0.0-2] a message may come in fragments, with a ping between them', async (context) => {
  const client = await context.connect();
  const bytes = publish('5.0', context.name(), 'fragments', { qos: 1, id: 8 });
  client.raw.sendRaw(encodeFrame(opcode.binary, bytes.subarray(0, 4), false));
  client.raw.sendRaw(encodeFrame(opcode.ping, text('between')));
  client.raw.sendRaw(encodeFrame(opcode.continuation, bytes.subarray(4, 9), false));
  client.raw.sendRaw(encodeFrame(opcode.continuation, octets(), false));
  client.raw.sendRaw(encodeFrame(opcode.continuation, bytes.subarray(9)));
  assert.equal((await client.next()).header, 0x40);
});

for (const offer of ['mqtt', 'mqtt, x', 'x, mqtt', 'mqttv3.1, mqtt', 'mqtt,mqttv3.1']) {
  test(`[MQTT-6.0.0-4] of the sub-protocols "${offer}" the server chooses mqtt`, async ({ target }) => {
    const answer = await handshake(target.port, { ...target, subprotocols: offer, headers: [] });
    answer.socket.destroy();
    assertUpgraded(answer, 'mqtt');
  });
}
