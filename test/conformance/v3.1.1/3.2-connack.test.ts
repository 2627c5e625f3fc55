/** CONNACK: the answer to CONNECT. */
import assert from 'node:assert/strict';
import { octets, packet, string } from '../support/octets.ts';
import { connect as connectBytes, subscribe } from '../support/packets.ts';
import { section } from '../support/section.ts';

const test = section('3.1.1', '3.2 CONNACK');

test('[MQTT-3.2.0-1] the CONNACK comes before anything else', async ({ connect, open, name }) => {
  const clientId = name('c');
  const before = await connect({ clientId, clean: false });
  await before.subscribe(name('/t'), 1);
  await before.disconnect();
  const publisher = await connect();
  await publisher.publish(name('/t'), 'waiting', { qos: 1 });
  const client = await open();
  client.send(
    connectBytes('3.1.1', { clientId, clean: false }),
    subscribe('3.1.1', [[name('/u'), 0]]),
    'c0 00',
  );
  await client.expect('20 02 01 00');
  assert.equal((await client.receive()).text, 'waiting');
});

test('[MQTT-3.2.2-1] with clean session 1 no session is present', async ({ connect, open, name }) => {
  const clientId = name('c');
  const persistent = await connect({ clientId, clean: false });
  await persistent.subscribe(name('/t'), 1);
  await persistent.disconnect();
  const client = await open();
  client.send(connectBytes('3.1.1', { clientId }));
  await client.expect('20 02 00 00');
});

test('[MQTT-3.2.2-2] with clean session 0 a session that there is is present', async ({ connect, name }) => {
  const clientId = name('c');
  const first = await connect({ clientId, clean: false });
  await first.disconnect();
  const second = await connect({ clientId, clean: false });
  assert.equal(second.connack.sessionPresent, true, 'after DISCONNECT');
  await second.drop();
  const third = await connect({ clientId, clean: false });
  assert.equal(third.connack.sessionPresent, true, 'after a failure of the network');
  const fourth = await connect({ clientId, clean: false });
  assert.equal(fourth.connack.sessionPresent, true, 'taken over');
});

test('[MQTT-3.2.2-3] with clean session 0 a session that begins is not present', async ({
  connect,
  name,
}) => {
  const clientId = name('c');
  const fresh = await connect({ clientId, clean: false });
  assert.equal(fresh.connack.sessionPresent, false);
  await fresh.disconnect();
  const clean = await connect({ clientId });
  await clean.disconnect();
  const after = await connect({ clientId, clean: false });
  assert.equal(after.connack.sessionPresent, false, 'after a clean session');
});

test('[MQTT-3.2.2-4] [MQTT-3.2.2-5] a refusal has no session present and is the end', async ({
  connect,
  open,
  name,
}) => {
  const clientId = name('c');
  const persistent = await connect({ clientId, clean: false });
  await persistent.disconnect();
  const level = octets(packet(0x10, string('MQTT'), '07 00 0000', string(clientId)));
  for (const [bytes, code] of [
    [level, '01'],
    [connectBytes('3.1.1', { clean: false }), '02'],
  ] as const) {
    const client = await open();
    client.send(bytes, 'c0 00');
    await client.expect('20 02 00', code);
    await client.closed();
  }
});

test(
  '[MQTT-3.2.2-4] [MQTT-3.2.2-5] a user name or password that is refused is told with code 4, and is the end',
  async ({ connect, tryConnect, name }) => {
    const clientId = name('c');
    const persistent = await connect({ clientId, clean: false, username: 'good' });
    await persistent.disconnect();
    const client = await tryConnect({ clientId, clean: false, username: 'bad' });
    assert.deepEqual([client.connack.code, client.connack.sessionPresent], [4, false]);
    await client.closed();
  },
  { broker: { authenticate: ({ username }) => username === 'good' } },
);
