/** From the first byte to the CONNACK: which clients are accepted, and the answers to the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { startBroker } from '../../support/broker.ts';
import { bytesOf, connectFrame, frame, hexOf, publishFrame } from '../../support/frames.ts';
import { openClient, openConnected, RawClient, transports } from '../../support/raw-client.ts';
import { sharedBroker } from '../../support/shared-broker.ts';
import { until } from '../../support/wait.ts';

/** The body of a CONNECT, and all that comes before the connection is closed. */
const refusals: readonly (readonly [name: string, body: string, answer: string | undefined])[] = [
  ['3.1.1 with level 3', "0004 'MQTT' 03 02 0000 0001 'c'", '20 02 00 01'],
  ['3.1.1 with level 6', "0004 'MQTT' 06 02 0000 0001 'c'", '20 02 00 01'],
  ['3.1.1 with level 0', "0004 'MQTT' 00 02 0000 0001 'c'", '20 02 00 01'],
  // The bit 0x80 is for the levels 3 and 4 of the names that they belong to: bridge.test.ts.
  ['3.1.1 with level 0x83', "0004 'MQTT' 83 02 0000 0001 'c'", '20 02 00 01'],
  ['5.0 with level 0x85', "0004 'MQTT' 85 02 0000 00 0001 'c'", '20 02 00 01'],
  ['3.1 with level 0x84', "0006 'MQIsdp' 84 02 0000 0001 'c'", '20 02 00 01'],
  ['3.1 with level 4', "0006 'MQIsdp' 04 02 0000 0001 'c'", '20 02 00 01'],
  ['3.1.1, no client identifier and no clean session', "0004 'MQTT' 04 00 0000 0000", '20 02 00 02'],
  ['3.1, no client identifier', "0006 'MQIsdp' 03 02 0000 0000", '20 02 00 02'],
  ['3.1.1, the reserved flag', "0004 'MQTT' 04 03 0000 0001 'c'", undefined],
  ['3.1.1, a password without a user name', "0004 'MQTT' 04 42 0000 0001 'c' 0001 'p'", undefined],
  ['3.1.1, a will of QoS 3', "0004 'MQTT' 04 1e 0000 0001 'c' 0001 't' 0000", undefined],
  ['3.1.1, bytes behind the end', "0004 'MQTT' 04 02 0000 0001 'c' 00", undefined],
  ['3.1.1, a client identifier that is not UTF-8', "0004 'MQTT' 04 02 0000 0002 c328", undefined],
  ['3.1.1, a will topic with a wildcard', "0004 'MQTT' 04 06 0000 0001 'c' 0001 '#' 0000", undefined],
  ['5.0, the reserved flag', "0004 'MQTT' 05 03 0000 00 0001 'c'", '20 03 00 81 00'],
  ['5.0, a property twice', "0004 'MQTT' 05 02 0000 0a 11 00000001 11 00000001 0001 'c'", '20 03 00 82 00'],
  ['5.0, receive maximum 0', "0004 'MQTT' 05 02 0000 03 21 0000 0001 'c'", '20 03 00 82 00'],
  ['5.0, maximum packet size 0', "0004 'MQTT' 05 02 0000 05 27 00000000 0001 'c'", '20 03 00 82 00'],
  ['5.0, an authentication method', "0004 'MQTT' 05 02 0000 04 15 0001 'x' 0001 'c'", '20 03 00 8c 00'],
  [
    '5.0, a will topic with a wildcard',
    "0004 'MQTT' 05 06 0000 00 0001 'c' 00 0001 '#' 0000",
    '20 03 00 81 00',
  ],
  ['5.0, cut off', "0004 'MQTT' 05 02", '20 03 00 81 00'],
  ['not MQTT', "0004 'HTTP' 05 02 0000 00 0001 'c'", undefined],
  ['no body', '', undefined],
];

for (const transport of transports) {
  test(`${transport}: refused CONNECTs`, async (t) => {
    const running = await sharedBroker(t);
    for (const [name, body, answer] of refusals) {
      const client = await RawClient.open(transport, running);
      t.after(() => client.destroy());
      client.send(frame(0x10, bytesOf(body)));
      if (answer !== undefined) assert.equal(await client.nextHex(), hexOf(answer), name);
      await client.closed();
      assert.deepEqual(client.packets, [], name);
    }
    await until('nobody is left', () => {
      const { connections, sessions } = running.broker.statistics();
      return connections === 0 && sessions === 0;
    });
  });

  test(`${transport}: the first packet must be CONNECT [MQTT-3.1.0-1]`, async (t) => {
    const running = await sharedBroker(t);
    const bystander = await openClient(t, transport, running);
    for (const type of [0, ...Object.values(PacketType)]) {
      if (type === PacketType.connect) continue;
      const client = await RawClient.open(transport, running);
      t.after(() => client.destroy());
      client.send(frame(type << 4, bytesOf("0004 'MQTT' 04 02 0000 0001 'c'")), connectFrame());
      await client.closed();
      assert.deepEqual(client.packets, [], `packet type ${type}`);
    }
    await bystander.assertAlive();
  });

  test(`${transport}: a second CONNECT in the same piece ends the connection [MQTT-3.1.0-2]`, async (t) => {
    const running = await sharedBroker(t);
    const client = await RawClient.open(transport, running);
    t.after(() => client.destroy());
    client.send(connectFrame({ clientId: 'twice' }), connectFrame({ clientId: 'twice' }));
    assert.equal((await client.nextPacket()).type, PacketType.connack);
    assert.equal(await client.nextHex(), 'e00182');
    await client.closed();
  });

  test(`${transport}: CONNECT and DISCONNECT in one piece leave nothing behind`, async (t) => {
    const running = await sharedBroker(t);
    for (let round = 0; round < 20; round++) {
      const client = await RawClient.open(transport, running);
      t.after(() => client.destroy());
      client.send(connectFrame({ clientId: `round-${round}` }), bytesOf('e000'));
      assert.equal((await client.nextPacket()).type, PacketType.connack);
      await client.closed();
    }
    await until('no session is left', () => running.broker.statistics().sessions === 0);
  });

  test(`${transport}: a client that leaves before its CONNACK leaves nothing behind`, async (t) => {
    const running = await startBroker(t, { workers: 4 });
    for (let round = 0; round < 20; round++) {
      const client = await RawClient.open(transport, running);
      client.send(connectFrame({ clientId: `round-${round % 3}`, cleanStart: false }));
      await client.flushed();
      client.destroy();
    }
    await until('no session is left', () => running.broker.statistics().sessions === 0);
    const { connack } = await openConnected(t, transport, running, {
      clientId: 'round-0',
      cleanStart: false,
    });
    assert.deepEqual([connack.reasonCode, connack.sessionPresent], [0, false]);
  });

  test(`${transport}: nothing, or half a CONNECT, until the connect timeout`, async (t) => {
    const running = await startBroker(t, { limits: { connectTimeoutMs: 3_000 } });
    const late: RawClient[] = [];
    for (const bytes of [new Uint8Array(), connectFrame().subarray(0, 1), connectFrame().subarray(0, 9)]) {
      const client = await RawClient.open(transport, running);
      t.after(() => client.destroy());
      if (bytes.length > 0) client.send(bytes);
      late.push(client);
    }
    const inTime = await openClient(t, transport, running);
    for (const client of late) {
      await client.closed();
      assert.deepEqual(client.packets, []);
    }
    await inTime.assertAlive();
  });

  test(`${transport}: what the authenticate hook refuses`, async (t) => {
    const asked: unknown[] = [];
    const running = await startBroker(t, {
      authenticate: async ({ clientId, username, password, transport: way }) => {
        asked.push([clientId, username, password && Buffer.from(password).toString(), way]);
        if (username === 'throw') throw new Error('the database is away');
        return username === 'good' && Buffer.from(password ?? []).toString() === 'pw';
      },
    });
    const password = new TextEncoder().encode('pw');
    const attempts = [
      [4, 'good', '20020000'],
      [4, 'bad', '20020004'],
      [4, 'throw', '20020003'],
      [3, 'bad', '20020004'],
      [3, 'throw', '20020003'],
      [5, 'bad', '2003008600'],
      [5, 'throw', '2003008800'],
    ] as const;
    for (const [protocolVersion, username, answer] of attempts) {
      const client = await RawClient.open(transport, running);
      t.after(() => client.destroy());
      client.send(connectFrame({ protocolVersion, clientId: 'c', username, password }));
      assert.equal(await client.nextHex(), answer, `${protocolVersion} ${username}`);
      if (username !== 'good') await client.closed();
    }
    const anonymous = await openConnected(t, transport, running, {
      protocolVersion: 4,
      clientId: 'anonymous',
    });
    assert.equal(anonymous.connack.reasonCode, 0x86);
    assert.deepEqual(asked[0], ['c', 'good', 'pw', transport]);
    assert.deepEqual(asked.at(-1), ['anonymous', undefined, undefined, transport]);
  });

  test(`${transport}: more connections than allowed are refused`, async (t) => {
    const running = await startBroker(t, { limits: { connectionsMax: 2 } });
    const first = await openClient(t, transport, running, { clientId: 'first' });
    await openClient(t, transport, running, { clientId: 'second' });
    const five = await openConnected(t, transport, running, { clientId: 'third' });
    assert.equal(five.connack.reasonCode, 0x97);
    const four = await openConnected(t, transport, running, { protocolVersion: 4, clientId: 'third' });
    assert.equal(four.connack.reasonCode, 0x88);
    first.send(bytesOf('e000'));
    await first.closed();
    await openClient(t, transport, running, { clientId: 'third' });
  });

  test(`${transport}: frames behind a CONNECT that is refused are not looked at`, async (t) => {
    const running = await startBroker(t, { authenticate: () => false });
    const client = await RawClient.open(transport, running);
    t.after(() => client.destroy());
    client.send(connectFrame(), publishFrame('t', 'x', { qos: 1 }), publishFrame('t', 'x', { qos: 0 }));
    assert.equal(await client.nextHex(), '2003008600');
    await client.closed();
    assert.deepEqual(client.packets, []);
    assert.equal(running.broker.statistics().publishReceived, 0);
  });
}
