/** Chapter 6: MQTT over WebSocket. */
import assert from 'node:assert/strict';
import { encodeFrame, handshake, opcode } from '../../support/websocket-link.ts';
import { octets } from '../support/octets.ts';
import { connect as connectBytes, publish } from '../support/packets.ts';
import { hexOf } from '../support/received.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '6 Using WebSocket as a network transport');
const overWebSocket = { transport: 'ws' } as const;

test(
  '[MQTT-6.0.0-1] a text frame ends the connection',
  async ({ connect, open }) => {
    const connected = await connect();
    connected.raw.sendRaw(encodeFrame(opcode.text, octets('c0 00')));
    await connected.closed();
    const fresh = await open();
    fresh.raw.sendRaw(encodeFrame(opcode.text, connectBytes('3.1.1')));
    await fresh.closed();
  },
  overWebSocket,
);

test(
  '[MQTT-6.0.0-1] the server sends binary frames',
  async ({ connect, name }) => {
    // The client fails on any other frame of data.
    const client = await connect();
    await client.subscribe(name('/t'), 1);
    await client.publish(name('/t'), 'x', { qos: 1 });
    assert.equal((await client.receive()).text, 'x');
    assert.ok(client.raw.messageBytes.length > 0);
  },
  overWebSocket,
);

test(
  '[MQTT-6.0.0-2] packets may be cut into frames, and frames may hold many packets',
  async ({ open, name }) => {
    const topic = name('/t');
    const bytes = octets(
      connectBytes('3.1.1', { clientId: name() }),
      publish('3.1.1', topic, 'x'.repeat(300), { qos: 1, id: 1 }),
      publish('3.1.1', topic, 'y', { qos: 1, id: 2 }),
      'c0 00',
    );
    for (const size of [1, 2, 3, 7, 100, bytes.length]) {
      const client = await open();
      for (let start = 0; start < bytes.length; start += size)
        client.send(bytes.subarray(start, start + size));
      await client.expect('20 02 00 00');
      const answers = [await client.next(), await client.next(), await client.next()].map(hexOf);
      assert.deepEqual(answers.sort(), ['40020001', '40020002', 'd000']);
      await client.drop();
    }
  },
  overWebSocket,
);

test(
  '[MQTT-6.0.0-2] a packet may be in several fragments of one message',
  async ({ open, name }) => {
    const client = await open();
    const bytes = octets(connectBytes('3.1.1', { clientId: name() }), 'c0 00 c0 00');
    client.raw.sendRaw(
      encodeFrame(opcode.binary, bytes.subarray(0, 5), false),
      encodeFrame(opcode.continuation, bytes.subarray(5, 20), false),
      encodeFrame(opcode.ping, octets('01')),
      encodeFrame(opcode.continuation, bytes.subarray(20)),
    );
    for (const answer of ['20 02 00 00', 'd0 00', 'd0 00']) await client.expect(answer);
  },
  overWebSocket,
);

test(
  '[MQTT-6.0.0-4] the sub-protocol that is chosen is mqtt',
  async ({ target: { host = '127.0.0.1', port, path = '/mqtt' } }) => {
    for (const subprotocols of ['mqtt', 'other, mqtt', 'mqtt, other', 'mqtt, mqttv3.1']) {
      const { socket, status, headers } = await handshake(port, { host, path, subprotocols });
      socket.destroy();
      assert.equal(status, 101, subprotocols);
      assert.equal(headers.get('sec-websocket-protocol'), 'mqtt', subprotocols);
    }
  },
  overWebSocket,
);
