/** The fields behind the properties of CONNECT: client identifier, user name, password, and their order. */
import assert from 'node:assert/strict';
import { type Octets, octets, type Part, packet, string, u16 } from '../support/octets.ts';
import { connect as connectPacket } from '../support/packets.ts';
import { identifier, sessionExpiryInterval } from '../support/properties.ts';
import { singleValueOf } from '../support/received.ts';
import { type Context, section } from '../support/section.ts';

const test = section('5.0', '3.1 CONNECT, payload');

const malformedPacket = 0x81;
const clientIdentifierNotValid = 0x85;

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** What the hook of each broker of a test was asked. */
const asked = new Map<string, unknown[]>();

test(
  '[MQTT-3.1.3-1] the fields come in the order client identifier, will, user name, password',
  async (context) => {
    const { connect, name, open } = context;
    const watcher = await connect({ username: name('watcher') });
    await watcher.subscribe(name('/will'));
    const client = await open();
    const will = ['00', string(name('/will')), string('the will')];
    const credentials = [string(name('user')), string(octets('00 ff'))];
    client.send(connectWith('c6', string(name('id')), ...will, ...credentials));
    assert.equal((await client.nextConnack()).code, 0);
    assert.deepEqual(asked.get(name('user')), [name('id'), octets('00 ff')]);
    await client.drop();
    assert.equal((await watcher.receive()).text, 'the will');
  },
  {
    broker: {
      authenticate: ({ clientId, username = '', password }) => {
        asked.set(username, [clientId, password && new Uint8Array(password)]);
        return true;
      },
    },
  },
);

test('[MQTT-3.1.3-1] fields in another order make a CONNECT that means something else', async ({
  open,
  name,
}) => {
  // The user name before the will: "0004 user" is read as a property length of 0 and the topic's length.
  const client = await open();
  client.send(connectWith('86', string(name()), string('user'), '00', string('t'), u16(0)));
  await client.ended(malformedPacket);
});

test('[MQTT-3.1.3-2] what the server holds, it holds by client identifier', async ({ connect, name }) => {
  const properties = sessionExpiryInterval(100);
  for (const id of ['a', 'b', 'A']) {
    const client = await connect({ clientId: name(id), properties });
    await client.subscribe(name(`/${id}`), 1);
    await client.disconnect();
  }
  const publisher = await connect();
  for (const id of ['a', 'b', 'A']) await publisher.publish(name(`/${id}`), `for ${id}`, { qos: 1 });
  for (const id of ['A', 'a', 'b']) {
    const client = await connect({
      clientId: name(id),
      clean: false,
      properties: sessionExpiryInterval(0),
    });
    assert.equal(client.connack.sessionPresent, true);
    assert.equal((await client.receive()).text, `for ${id}`);
    await client.ping();
  }
});

test('[MQTT-3.1.3-3] a CONNECT without a client identifier is malformed', async ({ open }) => {
  for (const rest of ['', '00', '0004 61']) {
    const client = await open();
    client.send(connectWith('02', rest));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-3.1.3-4] a client identifier that is not UTF-8 makes a CONNECT malformed', async ({ open }) => {
  for (const bytes of ['c3 28', 'ed a0 80', 'ff', '61 00']) {
    const client = await open();
    client.send(connectWith('02', string(octets(bytes))));
    await client.ended(malformedPacket);
  }
});

test('[MQTT-3.1.3-5] letters and digits, 1 to 23 of them, are a client identifier', async ({
  connect,
  name,
}) => {
  const ids = [0, 15, 30, 47].map((at) => name(alphabet.slice(at, at + 15)));
  for (const clientId of ids) {
    assert.ok(clientId.length <= 23);
    const client = await connect({ clientId });
    assert.equal(singleValueOf(client.connack.properties, identifier.assignedClientIdentifier), undefined);
    await client.ping();
    await client.disconnect();
  }
  // Those of one character are everybody's: another test may take them over at once.
  await connect({ clientId: 'Q' });
});

/** Connects with an identifier of length 0, where the server takes it; gives the one that it assigned. */
async function connectNameless({ tryConnect }: Context, fields: { properties?: Part; clean?: boolean } = {}) {
  const client = await tryConnect({ ...fields, clientId: '' });
  const assigned = singleValueOf(client.connack.properties, identifier.assignedClientIdentifier);
  if (client.connack.code === clientIdentifierNotValid) return undefined;
  assert.equal(client.connack.code, 0);
  assert.ok(typeof assigned === 'string' && assigned.length > 0, 'no Assigned Client Identifier');
  return { client, assigned };
}

test('[MQTT-3.1.3-6] a client without an identifier is assigned one of its own', async (context) => {
  const first = await connectNameless(context);
  const second = await connectNameless(context);
  if (first === undefined || second === undefined) return; // a server may refuse it
  assert.notEqual(first.assigned, second.assigned);
  await first.client.ping();
  await second.client.ping();
});

test('[MQTT-3.1.3-6] a clean start is not needed for an assigned identifier', async (context) => {
  const nameless = await connectNameless(context, { clean: false });
  assert.ok(nameless === undefined || !nameless.client.connack.sessionPresent);
  await nameless?.client.ping();
});

test('[MQTT-3.1.3-7] the assigned identifier is the client’s, as if it had sent it', async (context) => {
  const { connect, name } = context;
  const nameless = await connectNameless(context, { properties: sessionExpiryInterval(100) });
  if (nameless === undefined) return;
  await nameless.client.subscribe(name(), 1);
  await nameless.client.disconnect();
  await (await connect()).publish(name(), 'kept', { qos: 1 });
  const named = await connect({
    clientId: nameless.assigned,
    clean: false,
    properties: sessionExpiryInterval(0),
  });
  assert.equal(named.connack.sessionPresent, true);
  assert.equal(singleValueOf(named.connack.properties, identifier.assignedClientIdentifier), undefined);
  assert.equal((await named.receive()).text, 'kept');
});

test('[MQTT-3.1.3-7] the assigned identifier can be taken over like any other', async (context) => {
  const nameless = await connectNameless(context);
  if (nameless === undefined) return;
  const other = await context.connect({ clientId: nameless.assigned });
  await nameless.client.ended(0x8e);
  await other.ping();
});

test(
  '[MQTT-3.1.3-8] any other client identifier is accepted, or refused with 0x85',
  async (context) => {
    const { name, open } = context;
    const ids = [
      ' ',
      '/',
      '+',
      '#',
      '$SYS',
      'a/b',
      'ä',
      '🎾',
      '%s',
      '../x',
      'x'.repeat(24),
      'x'.repeat(65_527),
    ];
    for (const id of ids) {
      const client = await open();
      client.send(connectPacket('5.0', { clientId: `${name()}${id}` }));
      const { code } = await client.nextConnack();
      assert.ok(code === 0 || code === clientIdentifierNotValid, `${code}`);
      if (code === 0) await client.ping();
      else await client.closed();
      await client.drop();
    }
  },
  { broker: { limits: { connectPacketSizeBytesMax: 131_072 } } },
);

test('[MQTT-3.1.3-12] a user name that is not UTF-8 makes a CONNECT malformed', async ({ open, name }) => {
  for (const bytes of ['c3 28', 'ed a0 80', 'ff', '61 00']) {
    const client = await open();
    client.send(connectWith('82', string(name()), string(octets(bytes))));
    await client.ended(malformedPacket);
  }
});

function connectWith(flags: string, ...payload: readonly Part[]): Octets {
  return packet(0x10, string('MQTT'), '05', flags, u16(0), '00', ...payload);
}
