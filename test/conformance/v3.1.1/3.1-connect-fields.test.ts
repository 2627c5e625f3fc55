/** Section 3.1: the fields of CONNECT, and those that are not as they should be. */
import assert from 'node:assert/strict';
import { octets, type Part, packet, string } from '../support/octets.ts';
import { connect as connectBytes } from '../support/packets.ts';
import { type Context, section } from '../support/section.ts';

const test = section('3.1.1', '3.1 CONNECT: its fields');

/** The connection must end without a byte. */
async function assertRefused({ open }: Context, ...body: readonly Part[]): Promise<void> {
  const client = await open();
  client.send(packet(0x10, ...body));
  await client.closed();
}

/** The parts of a CONNECT with these flags. */
function withFlags(flags: number, ...payload: readonly Part[]): Part[] {
  return [string('MQTT'), '04', Uint8Array.of(flags), '0000', ...payload];
}

test('[MQTT-3.1.0-1] any other first packet ends the connection', async ({ open, name }) => {
  for (const bytes of [
    packet(0x20, '0000'),
    packet(0x30, string(name('/t'))),
    packet(0x32, string(name('/t')), '0001'),
    packet(0x82, '0001', string(name('/t')), '00'),
    packet(0xa2, '0001', string(name('/t'))),
    octets('62 02 0001'),
    octets('c0 00'),
    octets('e0 00'),
  ]) {
    const client = await open();
    client.send(bytes, connectBytes('3.1.1'));
    await client.closed();
  }
});

test('[MQTT-3.1.0-2] a second CONNECT ends the connection', async ({ connect, open }) => {
  const client = await connect();
  client.send(connectBytes('3.1.1', { clientId: client.clientId }));
  await client.closed();
  const inOnePiece = await open();
  inOnePiece.send(connectBytes('3.1.1'), connectBytes('3.1.1'), 'c0 00');
  await inOnePiece.nextConnack();
  await inOnePiece.closed();
});

test('[MQTT-3.1.2-1] another protocol name is not taken for this protocol', async ({ open, name }) => {
  for (const protocol of ['MQTX', 'mqtt', 'MQT', 'MQTTT', '', 'HTTP', 'MQ\u0000T']) {
    const client = await open();
    client.send(packet(0x10, string(protocol), '04 02 0000', string(name())), 'c0 00');
    await client.raw.closed();
    const [answer] = client.raw.packets;
    assert.ok(answer?.body[1] !== 0, `${protocol} was accepted`);
  }
});

test('[MQTT-3.1.2-2] a protocol level that there is not is refused with code 1', async ({ open, name }) => {
  for (const level of [0, 1, 2, 6, 7, 127]) {
    const client = await open();
    client.send(packet(0x10, string('MQTT'), Uint8Array.of(level), '02 0000', string(name())));
    await client.expect('20 02 00 01');
    await client.closed();
  }
});

test('[MQTT-3.1.2-3] the reserved flag ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x03, string(context.name())));
  await assertRefused(context, ...withFlags(0x01, string(context.name())));
});

test('[MQTT-3.1.2-11] [MQTT-3.1.2-13] a will QoS without the will flag ends the connection', async (context) => {
  for (const flags of [0x0a, 0x12, 0x1a])
    await assertRefused(context, ...withFlags(flags, string(context.name())));
});

test('[MQTT-3.1.2-11] [MQTT-3.1.2-15] will retain without the will flag ends the connection', async (context) => {
  for (const flags of [0x22, 0x2a]) await assertRefused(context, ...withFlags(flags, string(context.name())));
});

test('[MQTT-3.1.2-11] a will in the payload without the will flag ends the connection', async (context) => {
  const will = [string(context.name('/w')), string('x')];
  await assertRefused(context, ...withFlags(0x02, string(context.name()), ...will));
});

test('[MQTT-3.1.2-9] a will that is missing or cut off ends the connection', async (context) => {
  const clientId = string(context.name());
  await assertRefused(context, ...withFlags(0x06, clientId));
  await assertRefused(context, ...withFlags(0x06, clientId, string('w')));
  await assertRefused(context, ...withFlags(0x06, clientId, string('w'), "0002 'x'"));
});

test('[MQTT-3.1.2-14] a will of QoS 3 ends the connection', async (context) => {
  for (const flags of [0x1e, 0x3e]) {
    await assertRefused(context, ...withFlags(flags, string(context.name()), string('w'), string('x')));
  }
});

test('[MQTT-3.1.2-18] a user name without its flag ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x02, string(context.name()), string('user')));
});

test('[MQTT-3.1.2-19] a user name that is missing or cut off ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x82, string(context.name())));
  await assertRefused(context, ...withFlags(0x82, string(context.name()), "0005 'user'"));
});

test('[MQTT-3.1.2-20] a password without its flag ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x82, string(context.name()), string('user'), string('pass')));
});

test('[MQTT-3.1.2-21] a password that is missing or cut off ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0xc2, string(context.name()), string('user')));
  await assertRefused(context, ...withFlags(0xc2, string(context.name()), string('user'), "0005 'pass'"));
});

test('[MQTT-3.1.2-22] a password without a user name ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x42, string(context.name()), string('pass')));
});

test('[MQTT-3.1.3-3] a CONNECT without a client identifier ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x02));
  await assertRefused(context, ...withFlags(0x02), '00');
  await assertRefused(context, ...withFlags(0x02), "0005 'abcd'");
});

test('[MQTT-3.1.4-1] a CONNECT that is cut off or too long ends the connection without a CONNACK', async (context) => {
  const whole = octets(...withFlags(0x02, string(context.name())));
  for (let length = 0; length < whole.length; length++)
    await assertRefused(context, whole.subarray(0, length));
  await assertRefused(context, whole, '00');
});

test('[MQTT-3.1.3-4] a client identifier that is not UTF-8 ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x02, '0002 c328'));
  await assertRefused(context, ...withFlags(0x02, '0003 eda080'));
});

test('[MQTT-3.1.3-4] a client identifier may have any characters of UTF-8, or is refused with code 2', async ({
  tryConnect,
  name,
}) => {
  const client = await tryConnect({ clientId: name('ä€😀') });
  assert.ok([0, 2].includes(client.connack.code));
  if (client.connack.code === 0) await client.ping();
});

test('[MQTT-3.1.3-10] a will topic that is not UTF-8 ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x06, string(context.name()), '0002 c328 0000'));
  await assertRefused(context, ...withFlags(0x06, string(context.name()), '0003 eda080 0000'));
});

test('[MQTT-3.1.3-11] a user name that is not UTF-8 ends the connection', async (context) => {
  await assertRefused(context, ...withFlags(0x82, string(context.name()), '0002 c328'));
  await assertRefused(context, ...withFlags(0xc2, string(context.name()), '0003 eda080 0000'));
});

test('[MQTT-3.1.3-11] a user name may have any characters of UTF-8', async ({ tryConnect }) => {
  const client = await tryConnect({ username: 'Jürgen 😀 é', password: Uint8Array.of(0xff, 0, 0xfe) });
  assert.ok([0, 4, 5].includes(client.connack.code));
});

test('[MQTT-3.1.3-1] the fields of the payload are read in their order', async ({ tryConnect, name }) => {
  // Each is long enough to be taken for another one, if they were read in another order.
  const fields = { clientId: name('client'), username: name('user'), password: name('password') };
  const will = { topic: name('/will'), payload: name('message') };
  const watcher = await tryConnect();
  await watcher.subscribe(will.topic);
  const client = await tryConnect({ ...fields, will });
  assert.equal(client.connack.code, 0);
  await client.drop();
  const { topic, text } = await watcher.receive();
  assert.deepEqual({ topic, payload: text }, will);
});
