/** More listeners, including Unix sockets, and tenants: prefixes of topics and identifiers that clients do not see. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Broker, type BrokerOptions, createBroker } from '../../../core/broker.ts';
import { encodeUnsubscribe } from '../../../core/wire/encode-subscribe.ts';
import type { ConnectPacket } from '../../../core/wire/packets.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import {
  bytesOf,
  connectFrame,
  disconnectFrame,
  hexOf,
  publishFrame,
  publishOf,
  subscribeFrame,
  subscription,
  textOf,
} from '../../support/frames.ts';
import { openClient, openConnected, type RawClient } from '../../support/raw-client.ts';
import { until, within } from '../../support/wait.ts';

async function start(t: TestContext, options: BrokerOptions): Promise<Broker> {
  const broker = createBroker({ port: 0, tcpPort: 0, workers: 2, ...options });
  t.after(() => broker.stop());
  await broker.start();
  return broker;
}

/** The ports of a listener, for openClient(). */
function at(broker: Broker, index: number): { port: number; tcpPort: number } {
  const port = broker.address().listeners[index]?.port ?? assert.fail('no port');
  return { port, tcpPort: port };
}

async function received(client: RawClient): Promise<string> {
  const packet = publishOf(await client.nextPacket());
  return `${packet.topic}=${textOf(packet)}`;
}

async function subscribed(client: RawClient, ...filters: string[]): Promise<void> {
  const subscriptions = filters.map((filter) => subscription(filter, 1));
  client.send(subscribeFrame('', 0, { packetId: 9, subscriptions }));
  assert.equal(
    await client.nextHex(),
    hexOf(`90 0${3 + filters.length} 0009 00${' 01'.repeat(filters.length)}`),
  );
}

test('each listener says who comes in, what is spoken, how many there may be and how fast', async (t) => {
  const folder = accessFolder(t);
  const broker = await start(t, {
    port: false,
    tcpPort: false,
    passwordFile: folder.write('users', passwordLines({ lee: 'x' })),
    listeners: [
      { name: 'guests', port: 0, anonymous: true, limits: { connectionsMax: 1, messagesPerSecondMax: 1 } },
      { port: 0, protocols: ['mqtt'], clientIdPrefix: 'factory/' },
    ],
  });
  assert.deepEqual(
    broker.address().listeners.map(({ name, tls }) => ({ name, tls })),
    [
      { name: 'guests', tls: false },
      { name: '127.0.0.1:0', tls: false },
    ],
  );
  assert.equal(broker.address().port, 0);
  const clients: string[] = [];
  broker.on('clientConnected', ({ clientId, listener }) => clients.push(`${clientId} ${listener}`));
  const guest = await openClient(t, 'ws', at(broker, 0), { clientId: 'g' });
  assert.equal((await openConnected(t, 'tcp', at(broker, 0), { clientId: 'h' })).connack.reasonCode, 0x97);
  guest.send(
    publishFrame('t', 'x', { qos: 1, packetId: 1 }),
    publishFrame('t', 'x', { qos: 1, packetId: 2 }),
  );
  assert.equal(await guest.nextHex(), hexOf('40 03 0001 10'));
  assert.equal(guest.packets.length, 0, 'it waits for its second');
  assert.equal((await openConnected(t, 'tcp', at(broker, 1), { clientId: 'g' })).connack.reasonCode, 0x87);
  const lee = { username: 'lee', password: Buffer.from('x') };
  await openClient(t, 'tcp', at(broker, 1), { clientId: 'g', ...lee });
  const { connack } = await openConnected(t, 'tcp', at(broker, 1), { clientId: '', ...lee });
  assert.match(
    connack.properties.assignedClientIdentifier ?? '',
    /^auto-/,
    'the prefix is not for the client',
  );
  assert.deepEqual(clients.slice(0, 2), ['g 1', 'factory/g 2']);
  assert.match(clients[2] ?? '', /^factory\/auto-.* 2$/);
  assert.equal(guest.isClosed, false, 'another client has the same identifier elsewhere');
});

test('a listener keeps to its number of clients, however many authenticate at once', async (t) => {
  let asked = 0;
  let letAllIn = (): void => {};
  const allHaveAsked = new Promise<void>((resolve) => {
    letAllIn = resolve;
  });
  const broker = await start(t, {
    port: false,
    tcpPort: false,
    authenticate: async () => {
      if (++asked === 3) letAllIn();
      await allHaveAsked;
      return true;
    },
    listeners: [{ port: 0, limits: { connectionsMax: 1 } }],
  });
  const connectAs = async (clientId: string): Promise<number> =>
    (await openConnected(t, 'tcp', at(broker, 0), { clientId })).connack.reasonCode;
  const clientIds = ['a', 'b', 'c'];
  const codes = await Promise.all(clientIds.map(connectAs));
  assert.deepEqual(codes.toSorted(), [0, 0x97, 0x97]);
  const admitted = clientIds[codes.indexOf(0)] ?? assert.fail('none');
  assert.equal(await connectAs(admitted), 0, 'it takes the place of its own earlier connection');
});

test('a Unix socket takes MQTT and HTTP, on all workers, and goes with the broker', async (t) => {
  const folder = accessFolder(t);
  const path = join(folder.write('x', '').slice(0, -2), 'mqtt');
  // A proxy is trusted for other listeners: who comes by the socket does not come through it.
  const trustedProxies = ['127.0.0.1'];
  const broker = await start(t, {
    port: false,
    tcpPort: false,
    trustedProxies,
    listeners: [{ socket: path }],
  });
  assert.equal(statSync(path).mode & 0o777, 0o660);
  const body = await new Promise<string>((resolve, reject) => {
    get({ socketPath: path, path: '/healthz' }, (response) => {
      response.setEncoding('utf8').once('data', resolve);
    }).once('error', reject);
  });
  assert.equal(body, '{"status":"ok"}\n');
  const addresses: string[] = [];
  broker.on('clientConnected', ({ remoteAddress }) => addresses.push(remoteAddress));
  for (let each = 0; each < 8; each++) {
    const socket = connect(path);
    t.after(() => socket.destroy());
    const connack = new Promise<string>((resolve) =>
      socket.once('data', (bytes) => resolve(bytes.toString('hex'))),
    );
    socket.write(connectFrame({ clientId: `c${each}`, protocolVersion: 4 }));
    assert.equal(await within('a CONNACK', connack), '20020000');
  }
  assert.deepEqual(new Set(addresses), new Set(['unix']));
  await broker.stop();
  assert.ok(!existsSync(path));
});

test('a socket that nobody listens on any more is taken, and one that somebody has is not', async (t) => {
  const folder = accessFolder(t);
  const file = folder.write('file', '');
  await assert.rejects(start(t, { listeners: [{ socket: file }] }), { code: 'ADDRESS_IN_USE' });
  const path = `${file}-socket`;
  const options = { port: false, tcpPort: false, listeners: [{ socket: path }] } as const;
  const first = await start(t, options);
  await assert.rejects(start(t, options), { code: 'ADDRESS_IN_USE', message: /in use/ });
  assert.ok(existsSync(path));
  await first.stop();
  await assert.rejects(start(t, { listeners: [{ socket: '/nowhere/mqtt' }] }), {
    code: 'ADDRESS_NOT_AVAILABLE',
  });
});

test('listeners that are wrong are named', () => {
  for (const [listeners, message] of [
    [[{}], /listeners\[0\] in the options needs one of 'port' and 'socket'/],
    [[{ port: 1, socket: '/x' }], /needs one of/],
    [[{ port: 0 }, { port: 70_000 }], /listeners\[1\] in the options has a wrong 'port'/],
    [[{ prot: 1 }], /has an unknown field 'prot'/],
    [[{ socket: '/x', host: '::1' }], /Unix socket/],
    [[{ port: 0, protocols: [] }], /wrong 'protocols'/],
    [[{ port: 0, topicPrefix: 'red' }], /wrong 'topicPrefix': give a topic that ends with/],
    [[{ port: 0, topicPrefix: '$SYS/' }], /wrong 'topicPrefix'/],
    [[{ port: 0, topicPrefix: 'a/+/' }], /wrong 'topicPrefix'/],
    [[{ port: 0, limits: { sessionsMax: 1 } }], /wrong 'limits'/],
    [[{ port: 0, tls: true }], /needs a certificate/],
  ] as const)
    assert.throws(() => createBroker({ listeners } as never), { code: 'CONFIG_INVALID', message });
  assert.throws(() => createBroker({ listeners: [{ port: 0, host: '0.0.0.0' }] }), {
    code: 'OPEN_WITHOUT_AUTHENTICATION',
  });
  assert.throws(() => createBroker({ port: false, tcpPort: false }), {
    code: 'CONFIG_INVALID',
    message: /All ports are off/,
  });
  createBroker({ port: false, tcpPort: false, host: '0.0.0.0', listeners: [{ port: 0, host: '::1' }] });
});

test('tenants see their own topics alone, and none sees the prefix: live, retained, queued, shared, will, alias', async (t) => {
  const broker = await start(t, {
    listeners: [
      { port: 0, topicPrefix: 'tenants/red/', clientIdPrefix: 'red:' },
      { port: 0, topicPrefix: 'tenants/blue/', clientIdPrefix: 'blue:' },
    ],
  });
  const red = at(broker, 0);
  const blue = at(broker, 1);
  const seen: string[] = [];
  await broker.subscribe('#', (message) => void seen.push(`${message.topic}=${textOf(message)}`));
  const will = {
    topic: 'last',
    payload: Buffer.from('will'),
    qos: 1,
    retain: false,
    properties: {},
  } as const;
  for (const transport of ['tcp', 'ws'] as const) {
    const persistent = {
      clientId: `away ${transport}`,
      cleanStart: false,
      properties: { sessionExpiryInterval: 600 },
    } as const;
    const others = await openClient(t, transport, blue, { clientId: 'others' });
    await subscribed(others, '#', '$share/g/#');
    const away = await openClient(t, transport, red, persistent);
    await subscribed(away, 'a/+');
    away.send(disconnectFrame);
    await away.closed();
    const client = await openClient(t, transport, red, { clientId: 'c' });
    const aliased = await openClient(t, transport, red, {
      clientId: 'aliased',
      properties: { topicAliasMaximum: 10 },
    });
    await subscribed(aliased, 'a/+');
    await subscribed(client, '#', '$share/g/b');
    const sender = await openClient(t, transport, red, { clientId: 's', will });
    sender.send(publishFrame('a/1', 'live', { properties: { topicAlias: 3 } }));
    assert.equal(await received(client), 'a/1=live');
    sender.send(publishFrame('', 'by alias', { properties: { topicAlias: 3 } }));
    assert.equal(await received(client), 'a/1=by alias');
    assert.deepEqual([await received(aliased), await received(aliased)], ['a/1=live', '=by alias']);
    sender.send(publishFrame('a/1', 'kept', { qos: 1, retain: true }));
    assert.equal(await sender.nextHex(), hexOf('40 02 0001'));
    assert.equal(await received(client), 'a/1=kept');
    sender.send(publishFrame('b', 'shared', {}));
    assert.deepEqual([await received(client), await received(client)], ['b=shared', 'b=shared']);
    sender.destroy();
    assert.equal(await received(client), 'last=will');
    const back = await openClient(t, transport, red, persistent);
    assert.equal(await received(back), 'a/1=kept', 'what had QoS 0 did not wait');
    const late = await openClient(t, transport, red, { clientId: 'late' });
    late.send(subscribeFrame('a/#', 0));
    await late.nextPacket();
    assert.equal(await received(late), 'a/1=kept');
    late.send(
      encodeUnsubscribe({ packetId: 2, topicFilters: ['a/#', 'tenants/red/a/#'], properties: {} }, 5),
    );
    assert.equal(await late.nextHex(), hexOf('b0 05 0002 00 00 11'));
    late.send(publishFrame('a/1', '', { qos: 1, retain: true }));
    assert.equal(await late.nextHex(), hexOf('40 02 0001'));
    others.send(publishFrame('ping', 'p', {}));
    assert.deepEqual([await received(others), await received(others)], ['ping=p', 'ping=p']);
    await broker.publish('tenants/red/', 'no topic', { retain: true });
    await broker.publish('tenants/red/x', 'of red', { qos: 1 });
    for (let next = ''; next !== 'x=of red'; next = await received(client))
      assert.doesNotMatch(next, /^=/, 'the prefix alone is no topic that a client could see');
    const later = await openClient(t, transport, red, { clientId: 'later' });
    await subscribed(later, '#');
    await broker.publish('tenants/red/x', 'again', { qos: 1 });
    assert.equal(await received(later), 'x=again');
    later.destroy();
    await broker.publish('tenants/red/', '', { retain: true });
    await until('what the host has', () => seen.includes('tenants/red/last=will'));
    for (const each of [client, aliased, away, back, late, others]) each.destroy();
  }
  assert.ok(
    seen.every((each) => /^tenants\/(red|blue)\//.test(each)),
    seen.join(),
  );
});

test('wildcards do not match topics that begin with $ for a tenant, whoever publishes them [MQTT-4.7.2-1]', async (t) => {
  const broker = await start(t, {
    port: 0,
    workers: 1,
    listeners: [{ port: 0, topicPrefix: 'tenants/red/' }],
  });
  const { port, tcpPort } = broker.address();
  const outsider = await openClient(t, 'tcp', { port, tcpPort: Number(tcpPort) }, { clientId: 'outsider' });
  await subscribed(outsider, '$share/g/tenants/red/#');
  for (const topic of ['tenants/red/$SYS/x', 'tenants/red/$x'])
    await broker.publish(topic, 'kept', { qos: 1, retain: true });
  for (const topic of ['$SYS/x', '$x']) assert.equal(await received(outsider), `tenants/red/${topic}=kept`);
  const away = { clientId: 'away', cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;
  const absent = await openClient(t, 'tcp', at(broker, 0), away);
  await subscribed(absent, '#', '+/x');
  absent.send(disconnectFrame);
  await absent.closed();
  const red = await openClient(t, 'tcp', at(broker, 0), { clientId: 'red' });
  await subscribed(red, '#', '+/x', '$share/g/#', '$share/h/+/x');
  const literal = await openClient(t, 'tcp', at(broker, 0), { clientId: 'literal' });
  await subscribed(literal, '$x/#', '$share/k/$SYS/+');
  assert.equal(await received(literal), '$x=kept', 'retained, and not for a share');
  for (const topic of ['$SYS/x', '$x'])
    outsider.send(publishFrame(`tenants/red/${topic}`, 'live', { qos: 1, packetId: 7 }));
  const ofLiteral = [await received(literal), await received(literal)];
  assert.deepEqual(ofLiteral.sort(), ['$SYS/x=live', '$x=live']);
  outsider.send(disconnectFrame);
  await outsider.closed();
  await broker.publish('tenants/red/end', 'seen', { qos: 1 });
  assert.deepEqual([await received(red), await received(red)], ['end=seen', 'end=seen']);
  const back = await openClient(t, 'tcp', at(broker, 0), away);
  assert.equal(await received(back), 'end=seen');
});

test('the levels of a prefix do not count: a tenant may subscribe to what it may publish to', async (t) => {
  const broker = await start(t, {
    workers: 1,
    limits: { topicLevelsMax: 4 },
    listeners: [{ port: 0, topicPrefix: 'tenants/red/' }],
  });
  const red = await openClient(t, 'tcp', at(broker, 0));
  await subscribed(red, 'a/b/c/d', '$share/g/a/b/c/+');
  red.send(publishFrame('a/b/c/d', 'x'));
  assert.deepEqual([await received(red), await received(red)], ['a/b/c/d=x', 'a/b/c/d=x']);
  red.send(subscribeFrame('', 0, { subscriptions: [subscription('a/b/c/d/e')] }));
  const { body } = await red.nextPacket();
  assert.equal(body.at(-1), 0x8f);
});

test('an empty topic is none for a tenant, also where somebody else has just published to the prefix itself', async (t) => {
  const broker = await start(t, { workers: 1, listeners: [{ port: 0, topicPrefix: 'tenants/red/' }] });
  const { port, tcpPort } = broker.address();
  for (const transport of ['tcp', 'ws'] as const) {
    const outsider = await openClient(t, transport, { port, tcpPort: Number(tcpPort) });
    outsider.send(publishFrame('tenants/red/', 'x', { qos: 1 }));
    await outsider.nextPacket();
    outsider.send(disconnectFrame);
    await outsider.closed();
    await until('its end', () => broker.statistics().connections === 0);
    const red = await openClient(t, transport, at(broker, 0)); // on the same slot
    red.send(publishFrame('', 'x', { qos: 1 }));
    const { header, body } = await red.nextPacket();
    assert.deepEqual([header, body[0]], [0xe0, 0x82], transport);
  }
});

test('rules, grants, users and claims: the rules are about what the client sees', async (t) => {
  const folder = accessFolder(t);
  const rules = {
    roles: {
      team: { allow: { publish: ['a/%u', 'last'], subscribe: 'a/#' }, deny: { subscribe: 'a/secret' } },
    },
    everyone: 'team',
    prefixes: { lee: 'tenants/lee/' },
  };
  const broker = await start(t, {
    rulesFile: folder.write('rules', rules),
    authenticate: ({ username }) => (username === 'kim' ? { topicPrefix: 'tenants/kim/' } : true),
  });
  const { port, tcpPort } = broker.address();
  const ports = { port, tcpPort: Number(tcpPort) };
  const seen: string[] = [];
  await broker.subscribe('#', ({ topic }) => void seen.push(topic));
  for (const username of ['lee', 'kim']) {
    const packet: Partial<ConnectPacket> = { clientId: username, username };
    const client = await openClient(t, 'ws', ports, {
      ...packet,
      will: { topic: 'last', payload: Buffer.from('w'), qos: 0, retain: false, properties: {} },
    });
    await subscribed(client, 'a/#');
    client.send(subscribeFrame('#', 0));
    assert.equal(await client.nextHex(), hexOf('90 04 0001 00 87'));
    client.send(
      publishFrame(`a/${username}`, 'x', { qos: 1 }),
      publishFrame('b', 'x', { qos: 1, packetId: 2 }),
    );
    const hexes = [await client.nextHex(), await client.nextHex(), await client.nextHex()];
    assert.ok(hexes.includes(hexOf('40 02 0001')) && hexes.includes(hexOf('40 03 0002 87')), hexes.join());
    await broker.publish(`tenants/${username}/a/secret`, 'no');
    await broker.publish(`tenants/${username}/a/2`, 'yes');
    assert.equal(await received(client), 'a/2=yes');
    const refused = await openConnected(t, 'ws', ports, {
      clientId: 'other',
      username,
      will: { topic: 'elsewhere', payload: bytesOf(''), qos: 0, retain: false, properties: {} },
    });
    assert.equal(refused.connack.reasonCode, 0x87);
    client.destroy();
    await until('the will', () => seen.includes(`tenants/${username}/last`));
  }
  assert.ok(!seen.some((topic) => topic === 'b' || topic.endsWith('/b')));
});
