/** DISCONNECT: the last packet of a connection, from either side. */
import assert from 'node:assert/strict';
import type { ReceivedPacket } from '../../support/raw-client.ts';
import type { Client } from '../support/client.ts';
import { assertFits } from '../support/fitting.ts';
import { octets, packet, properties, string, u32, userProperty } from '../support/octets.ts';
import { publish } from '../support/packets.ts';
import { packetType, readGoodbye, valuesOf } from '../support/received.ts';
import { malformed, protocolError, refused } from '../support/refused.ts';
import { section } from '../support/section.ts';
import { secondsPass } from '../support/server-clock.ts';

const test = section('5.0', '3.14 DISCONNECT');

const allFlags = Array.from({ length: 16 }, (_, flags) => flags);
const sessionExpiry = (seconds: number): Uint8Array => octets('11', u32(seconds));

/** Table 3-10. */
const codesOfClients = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
const codesOfServers = [
  ...codesOfClients.filter((code) => code !== 0x04),
  ...[0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2],
];

const badConnects = [
  ['a CONNECT with a reserved flag', packet(0x11, "0004 'MQTT' 05 02 0000 00 0000")],
  ['a CONNECT of another protocol', packet(0x10, "0004 'MQTX' 05 02 0000 00 0000")],
  ['a CONNECT of an unknown version', packet(0x10, "0004 'MQTT' 09 02 0000 00 0000")],
  ['a CONNECT with a reserved connect flag', packet(0x10, "0004 'MQTT' 05 03 0000 00 0000")],
  ['a CONNECT with a Receive Maximum of 0', packet(0x10, "0004 'MQTT' 05 02 0000 03 21 0000 0000")],
  ['a PUBLISH in place of a CONNECT', publish('5.0', 't', 'm')],
  ['a DISCONNECT in place of a CONNECT', 'e0 00'],
] as const;

for (const [what, bytes] of badConnects) {
  test(`[MQTT-3.14.0-1] ${what} is not answered with a DISCONNECT`, async ({ open }) => {
    const client = await open();
    client.send(bytes);
    await client.raw.closed();
    for (const { type } of client.raw.packets) assert.equal(type, packetType.connack);
  });
}

refused(
  test,
  '[MQTT-3.14.1-1]',
  allFlags
    .filter((flags) => flags !== 0)
    .map((flags) => [`a DISCONNECT with the flags ${flags}`, packet(0xe0 | flags), malformed]),
);

refused(
  test,
  '[MQTT-4.13.1-1]',
  [0x01, 0x18, 0x8b, 0x8e, 0x9c, 0xff].map((code) => [
    `a DISCONNECT with the reason code 0x${code.toString(16)}, which no client sends,`,
    packet(0xe0, Uint8Array.of(code)),
    protocolError,
    malformed,
  ]),
);

refused(test, '[MQTT-4.13.1-1]', [
  [
    'a DISCONNECT with a session expiry where CONNECT had none',
    packet(0xe0, '00', properties(sessionExpiry(5))),
    protocolError,
  ],
  [
    'a DISCONNECT with two session expiries',
    packet(0xe0, '00', properties(sessionExpiry(0), sessionExpiry(0))),
    protocolError,
  ],
  [
    'a DISCONNECT with two reason strings',
    packet(0xe0, '00', properties("1f 0001 'x'", "1f 0001 'y'")),
    protocolError,
  ],
  [
    'a DISCONNECT with a property of PUBLISH',
    packet(0xe0, '00', properties('01 00')),
    malformed,
    protocolError,
  ],
  [
    'a DISCONNECT with an unknown property',
    packet(0xe0, '00', properties('7f 00')),
    malformed,
    protocolError,
  ],
  ['a DISCONNECT whose properties are longer than the packet', packet(0xe0, '00 05'), malformed],
  ['a DISCONNECT with something behind its properties', packet(0xe0, '00 00 00'), malformed],
]);

/** A SUBSCRIBE without a filter. */
const offence = octets('82 03 0001 00');

/** The DISCONNECT of a client that broke a rule; undefined if the server closed without a word. */
async function goodbyeTo(client: Client): Promise<ReceivedPacket | undefined> {
  client.send(offence);
  const goodbye = await client.next().catch(() => undefined);
  if (goodbye === undefined) return undefined;
  assert.equal(goodbye.type, packetType.disconnect);
  await client.closed();
  return goodbye;
}

test('[MQTT-3.14.2-1] the server gives a reason code of DISCONNECT', async ({ connect, target }) => {
  const goodbye = await goodbyeTo(await connect());
  assert.ok(goodbye !== undefined || !target.isOurs);
  if (goodbye === undefined) return;
  const { code } = readGoodbye(goodbye);
  assert.ok(codesOfServers.includes(code), `reason code ${code}`);
});

test('[MQTT-3.14.2-1] a client whose session is taken over is told so', async ({ connect, name }) => {
  const first = await connect({ clientId: name('s'), properties: sessionExpiry(60) });
  await connect({ clientId: name('s'), clean: false });
  await first.ended(0x8e);
});

for (const code of codesOfClients) {
  test(`[MQTT-3.14.2-1] [MQTT-3.14.4-2] a client may leave with 0x${code.toString(16).padStart(2, '0')}, in every form`, async ({
    connect,
  }) => {
    const said = octets("1f 0003 'why'", userProperty('k', 'v'));
    for (const rest of ['', '00', properties(said)]) {
      const client = await connect();
      client.send(packet(0xe0, Uint8Array.of(code), rest));
      await client.closed();
    }
  });
}

test('[MQTT-3.14.2-2] the server sends no session expiry', async ({ connect }) => {
  const goodbye = await goodbyeTo(await connect({ properties: sessionExpiry(60) }));
  if (goodbye !== undefined) assert.deepEqual(valuesOf(readGoodbye(goodbye).properties, 0x11), []);
});

test('[MQTT-3.14.2-3] [MQTT-3.14.2-4] a DISCONNECT says no more than the client takes', async (context) => {
  await assertFits(context, goodbyeTo);
});

test('[MQTT-3.14.4-1] behind its DISCONNECT the server sends nothing', async ({ connect, name }) => {
  const publisher = await connect();
  for (let round = 0; round < 10; round++) {
    const client = await connect({ clientId: name('s') });
    await client.subscribe(name());
    for (let index = 0; index < 20; index++) {
      publisher.send(publish('5.0', name(), 'm'));
      if (index === 10) client.send(offence, publish('5.0', name(), 'm', { qos: 1 }), 'c0 00');
    }
    await client.raw.closed();
    const types = client.raw.packets.map(({ type }) => type);
    const at = types.indexOf(packetType.disconnect);
    if (at >= 0) assert.equal(at, types.length - 1, `packet types ${types}`);
  }
});

test('[MQTT-3.14.4-1] what a client sends behind its DISCONNECT does not count', async ({
  connect,
  name,
}) => {
  const watcher = await connect();
  await watcher.subscribe(name());
  const client = await connect();
  client.send('e0 00', publish('5.0', name(), 'too late'), 'c0 00');
  await client.closed();
  await watcher.nothingBefore(await connect(), name());
});

test('[MQTT-3.14.4-2] behind a DISCONNECT the server closes the connection', async ({ connect }) => {
  const client = await connect();
  client.send('e0 00');
  await client.closed();
});

for (const form of ['e0 00', 'e0 01 00', 'e0 02 00 00', "e0 06 00 04 1f 0001 'x'"]) {
  test(`[MQTT-3.14.4-3] after ${form} the will is not published`, async ({ connect, name }) => {
    const watcher = await connect();
    await watcher.subscribe(name());
    const client = await connect({ will: { topic: name(), payload: 'will' } });
    client.send(form);
    await client.closed();
    await watcher.nothingBefore(await connect(), name());
  });
}

test('[MQTT-3.14.4-3] the will is discarded for good: the end of the session does not bring it back', async (context) => {
  const { connect, name } = context;
  const watcher = await connect();
  await watcher.subscribe(name());
  const will = { topic: name(), payload: 'will', properties: '18 00000001' };
  const client = await connect({ will, properties: sessionExpiry(1) });
  await client.disconnect();
  await secondsPass(context, 2);
  await watcher.nothingBefore(await connect(), name());
});

for (const code of codesOfClients.filter((code) => code !== 0)) {
  test(`[MQTT-3.1.2-8] after a DISCONNECT with 0x${code.toString(16).padStart(2, '0')} the will is published`, async ({
    connect,
    name,
  }) => {
    const watcher = await connect();
    await watcher.subscribe(name());
    const client = await connect({ will: { topic: name(), payload: 'will' } });
    client.send(packet(0xe0, Uint8Array.of(code)));
    assert.equal((await watcher.receive()).text, 'will');
  });
}

test('[MQTT-3.1.2-8] a DISCONNECT that breaks a rule is none: the will is published', async ({
  connect,
  name,
}) => {
  const watcher = await connect();
  await watcher.subscribe(name());
  const client = await connect({ will: { topic: name(), payload: 'will' } });
  client.send(packet(0xe0, '00', properties(sessionExpiry(5))));
  assert.equal((await watcher.receive()).text, 'will');
  await client.ended(protocolError);
});

test('[MQTT-4.1.0-2] a DISCONNECT may change how long the session lives', async ({ connect, name }) => {
  const leave = async (clientId: string, before: number, after: number): Promise<void> => {
    const client = await connect({ clientId, properties: sessionExpiry(before) });
    client.send(packet(0xe0, '00', properties(sessionExpiry(after))));
    await client.closed();
  };
  const isThere = async (clientId: string): Promise<boolean> => {
    const { connack } = await connect({ clientId, clean: false });
    return connack.sessionPresent;
  };
  await leave(name('a'), 60, 0);
  assert.equal(await isThere(name('a')), false, 'ended at once');
  await leave(name('b'), 1, 120);
  await leave(name('c'), 60, 120);
  assert.equal(await isThere(name('c')), true);
  const session = await connect({ clientId: name('d'), properties: sessionExpiry(60) });
  session.send(packet(0xe0, '00', properties(octets('1f', string('why')))));
  await session.closed();
  assert.equal(await isThere(name('d')), true, 'as CONNECT said');
});

test('[MQTT-4.1.0-2] a DISCONNECT with a longer session expiry keeps the session beyond the one of CONNECT', async (context) => {
  const { connect, name } = context;
  const client = await connect({ clientId: name('s'), properties: sessionExpiry(1) });
  client.send(packet(0xe0, '00', properties(sessionExpiry(120))));
  await client.closed();
  await secondsPass(context, 2);
  const { connack } = await connect({ clientId: name('s'), clean: false });
  assert.equal(connack.sessionPresent, true);
});
