/** A broker that is broken or means harm: the client as it is delivered never throws uncaught, and never hangs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RallyError } from '../../../client/rally.ts';
import { type FakeWebSocket, startOnFake } from '../../support/fake-websocket.ts';
import { Random, seeds } from '../../support/random.ts';
import { until } from '../../support/wait.ts';

const rejectedWith = (reasonCode: number) => (error: unknown) =>
  error instanceof RallyError && error.reasonCode === reasonCode;

/** Packets of every type, whole; the random ones are made of them. */
const packets = [
  `20 0c 01 00 09 24 01 25 00 27 00000010`,
  `30 09 0003'a/b' 02 23 0001 'x'`,
  `34 0b 0001'a' 0007 04 0b 01 0b 02 'y'`,
  `3c 1a 0001'a' 0007 13 26 0001'k' 0001'v' 08 0003'r/1' 09 0002 0102`,
  '40 02 0001',
  `50 08 0002 87 04 1f 0001'n'`,
  '62 02 0007',
  '70 02 0002',
  '90 04 0001 00 02',
  'b0 04 0003 00 00',
  'd0 00',
  `e0 0a 9c 08 1c 0005'h:1 x'`,
  'f0 02 18 00',
];

const toHex = (packet: string): string =>
  packet.replace(/'([^']*)'/g, (_, text: string) => Buffer.from(text).toString('hex')).replaceAll(' ', '');

test('whatever bytes come, the client answers, or ends the connection and tries again', async () => {
  const [seed = 0] = seeds(1);
  const random = new Random(seed);
  for (let round = 0; round < 300; round++) {
    const { network, rally } = startOnFake({ queue: { max: 1e6 } });
    const loop = (async () => {
      for await (const message of rally.subscribe('#')) message.text();
    })();
    const published = rally.publish('a', 'b', { qos: 2 }).catch(() => {});
    const socket = await network.opened();
    if (random.below(4) > 0) socket.receive('20 03 00 00 00');
    for (let count = 0; count < 20 && !socket.isClosed; count++) {
      const bytes = Buffer.from(toHex(packets[random.below(packets.length)] ?? ''), 'hex');
      for (let changes = random.below(3); changes > 0; changes--)
        bytes[random.below(bytes.length)] = random.below(256);
      socket.receive(
        bytes.subarray(0, random.below(8) ? bytes.length : random.below(bytes.length) + 1).toString('hex'),
      );
    }
    rally.close();
    await Promise.all([loop.catch(() => {}), published]);
    assert.equal(rally.status, 'closed');
  }
});

/** As a WebSocket gives what is no binary message. */
function receiveText(socket: FakeWebSocket, text: string): void {
  socket.onmessage?.({ data: text as unknown as ArrayBuffer });
}

for (const text of ['hello', '99999999999', '3', '"', '{"a":1}']) {
  test(`the text ${text} ends the connection, and the next one is made`, async () => {
    const { network, rally } = startOnFake({ queue: { max: 1e6 } });
    const socket = await network.accepted();
    receiveText(socket, text.length > 1 ? text : `${text}0`);
    await socket.expect('e0 01 82');
    await network.accepted(1);
    rally.close();
  });
}

test('what comes after the connection has ended is nothing', async () => {
  const { network, rally } = startOnFake({ queue: { max: 1e6 } });
  const texts: string[] = [];
  rally.subscribe('a', (message) => texts.push(message.text()));
  const socket = await network.accepted();
  socket.receive('f0 00');
  socket.receive(`30 05 0001'a' 00 'x'`);
  assert.deepEqual(texts, []);
  rally.close();
});

test('a Receive Maximum of 0 holds nothing back', async () => {
  const { network, rally } = startOnFake({ queue: { max: 1e6 } });
  const socket = await network.accepted(0, '20 06 00 00 03 21 0000');
  void rally.publish('a', '', { qos: 1 }).catch(() => {});
  await socket.expect(`32 06 0001'a' 0001 00`);
  rally.close();
});

test('a QoS 2 message without a packet identifier hides none of QoS 0', async () => {
  const { network, rally } = startOnFake({ queue: { max: 1e6 } });
  const texts: string[] = [];
  rally.subscribe('a', (message) => texts.push(message.text()));
  const socket = await network.accepted();
  socket.receive(`34 07 0001'a' 0000 00 '2' 30 05 0001'a' 00 '0' 32 07 0001'a' 0000 00 '1'`);
  assert.deepEqual(texts, ['2', '0', '1']);
  rally.close();
});

test('a broker that answers nothing gets no more than there are packet identifiers', async () => {
  const { network, rally } = startOnFake({ queue: { max: 1e6 }, keepAliveSeconds: 0 }); // a busy machine is slow to send, and no ping may come between
  const socket = await network.accepted();
  for (let index = 0; index < 66_000; index++) rally.subscribe('a', { retainHandling: 2 }).unsubscribe();
  await until('they leave', () => socket.sent.length > 0);
  assert.equal(socket.sent.length, 65_535);
  const last = assert.rejects(rally.publish('a', '', { qos: 1 }), rejectedWith(0));
  rally.close();
  await last;
});

test('a DISCONNECT before the CONNACK because the broker shuts down is tried again', async () => {
  const { network, rally } = startOnFake({ queue: { max: 1e6 } });
  (await network.opened()).receive('e0 01 8b');
  await network.accepted(1);
  rally.close();
});
