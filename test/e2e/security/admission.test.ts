/** Limits on connecting clients, bans, and programs that decide: over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { AuthorizedClient, BrokerOptions } from '../../../core/broker.ts';
import { ban } from '../../../core/command/ban.ts';
import { decodeConnack } from '../../../core/wire/decode-connack.ts';
import { encodePingreq } from '../../../core/wire/encode-ping.ts';
import type { ConnectPacket } from '../../../core/wire/packets.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { startBackEnd } from '../../support/back-end.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import {
  connectFrame,
  hexOf,
  publishFrame,
  publishOf,
  subscribeFrame,
  subscription,
  textOf,
} from '../../support/frames.ts';
import { openClient, openConnected, RawClient, transports } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const subscribeAll = (...filters: string[]): Uint8Array =>
  subscribeFrame('', 0, { subscriptions: filters.map((filter) => subscription(filter)) });

const behindProxy: BrokerOptions = { trustedProxies: ['127.0.0.0/8'] };

/** A client that a proxy speaks for. */
async function connectFrom(
  t: TestContext,
  { tcpPort }: RunningBroker,
  address: string,
  packet: Partial<ConnectPacket> = {},
) {
  const client = await RawClient.overTcp(tcpPort);
  t.after(() => client.destroy());
  client.sendRaw(Buffer.from(`PROXY TCP4 ${address} 198.51.100.1 56324 443\r\n`), connectFrame(packet));
  const { header, body } = await client.nextPacket();
  const connack = decodeConnack(header, body, 5);
  assert.ok(!isProtocolError(connack));
  return { client, reasonCode: connack.reasonCode };
}

test('an address and a user have so many connections; whoever leaves makes room', async (t) => {
  const folder = accessFolder(t);
  const running = await startBroker(t, {
    ...behindProxy,
    passwordFile: folder.write('users', passwordLines({ lee: 'x', kim: 'x' })),
    limits: { connectionsPerAddressMax: 2, connectionsPerUserMax: 2 },
  });
  const as = (clientId: string, username: string) => ({ clientId, username, password: Buffer.from('x') });
  const first = await connectFrom(t, running, '192.0.2.1', as('a', 'lee'));
  const second = await connectFrom(t, running, '192.0.2.1', as('b', 'kim'));
  assert.deepEqual([first.reasonCode, second.reasonCode], [0, 0]);
  assert.equal((await connectFrom(t, running, '192.0.2.1', as('c', 'kim'))).reasonCode, 0x97);
  assert.equal((await connectFrom(t, running, '192.0.2.2', as('c', 'kim'))).reasonCode, 0);
  assert.equal((await connectFrom(t, running, '192.0.2.3', as('d', 'kim'))).reasonCode, 0x97);
  const left = once(running.broker, 'clientDisconnected');
  second.client.destroy();
  await left;
  assert.equal((await connectFrom(t, running, '192.0.2.1', as('d', 'kim'))).reasonCode, 0);
});

test('sessions that are resumed at once, many of them on another worker, keep to the connections of an address', async (t) => {
  const connectionsMax = 5;
  const running = await startBroker(t, {
    ...behindProxy,
    allowAnonymous: true,
    workers: 2,
    limits: { connectionsPerAddressMax: connectionsMax },
  });
  const clientIds = Array.from({ length: 24 }, (_, index) => `c${index}`);
  const connectAs = (clientId: string) =>
    connectFrom(t, running, '192.0.2.1', {
      clientId,
      cleanStart: false,
      properties: { sessionExpiryInterval: 100 },
    });
  for (const clientId of clientIds) {
    const left = once(running.broker, 'clientDisconnected');
    (await connectAs(clientId)).client.destroy();
    await left;
  }
  const answers = await Promise.all(clientIds.map(connectAs));
  const accepted = answers.filter(({ reasonCode }) => reasonCode === 0).length;
  assert.equal(accepted, connectionsMax);
  assert.ok(answers.every(({ reasonCode }) => reasonCode === 0 || reasonCode === 0x97));
});

test('whoever guesses passwords is banned, by address and by user; others are not', async (t) => {
  const folder = accessFolder(t);
  const running = await startBroker(t, {
    ...behindProxy,
    passwordFile: folder.write('users', passwordLines({ lee: 'right', kim: 'right' })),
    limits: { failedLoginsPerAddressMax: 3, failedLoginsPerNameMax: 5, failedLoginDelayMsMax: 0 },
  });
  const login = async (address: string, username: string, password: string): Promise<number> => {
    const clientId = `${address} ${username} ${password} ${Math.random()}`;
    const packet = { clientId, username, password: Buffer.from(password) };
    return (await connectFrom(t, running, address, packet)).reasonCode;
  };
  for (let each = 0; each < 3; each++) assert.equal(await login('192.0.2.1', 'lee', 'wrong'), 0x86);
  assert.equal(await login('192.0.2.1', 'kim', 'right'), 0x8a);
  for (const address of ['192.0.2.2', '192.0.2.3']) assert.equal(await login(address, 'lee', 'wrong'), 0x86);
  assert.equal(await login('192.0.2.4', 'lee', 'right'), 0x8a);
  assert.equal(await login('192.0.2.4', 'kim', 'right'), 0);
  const { bans } = running.broker;
  assert.deepEqual(
    bans.list().map(({ kind, value, origin }) => `${kind} ${value} ${origin}`),
    ['address 192.0.2.1 failedLogins', 'username lee failedLogins'],
  );
  assert.ok(bans.remove('username', 'lee'));
  assert.equal(await login('192.0.2.4', 'lee', 'right'), 0);
});

test('a ban by hand ends the clients that it names, and not those under a ban by the broker itself', async (t) => {
  const folder = accessFolder(t);
  const running = await startBroker(t, {
    ...behindProxy,
    passwordFile: folder.write('users', passwordLines({ lee: 'right' })),
    limits: { failedLoginsPerAddressMax: 1 },
  });
  const as = (clientId: string, password: string) => ({
    clientId,
    username: 'lee',
    password: Buffer.from(password),
  });
  const [stays, goes] = [
    await connectFrom(t, running, '192.0.2.1', as('stays', 'right')),
    await connectFrom(t, running, '192.0.2.1', as('goes', 'right')),
  ];
  assert.equal((await connectFrom(t, running, '192.0.2.1', as('guesses', 'wrong'))).reasonCode, 0x86);
  assert.equal((await connectFrom(t, running, '192.0.2.1', as('more', 'right'))).reasonCode, 0x8a);
  running.broker.bans.add({ kind: 'clientId', value: 'goes' });
  assert.equal(await goes.client.nextHex(), hexOf('e0 01 98'));
  stays.client.sendRaw(encodePingreq());
  assert.equal(await stays.client.nextHex(), hexOf('d0 00'));
});

test('rallymq ban and broker.bans keep somebody out, and end who is connected', async (t) => {
  const folder = accessFolder(t);
  const banFile = folder.write('bans', '');
  const running = await startBroker(t, { banFile, authenticate: () => true });
  const { broker } = running;
  for (const transport of transports) {
    const lee = await openClient(t, transport, running, { clientId: 'c1', username: 'lee' });
    const kim = await openClient(t, transport, running, { clientId: 'c2', username: 'kim' });
    ban([banFile, 'username', 'lee', '--reason', 'spam'], Date.now());
    assert.equal(await lee.nextHex(), hexOf('e0 01 98'));
    await lee.closed();
    const again = await openConnected(t, transport, running, { clientId: 'c9', username: 'lee' });
    assert.equal(again.connack.reasonCode, 0x8a);
    assert.equal(broker.bans.list()[0]?.reason, 'spam');
    broker.bans.add({ kind: 'clientId', value: 'c2', expiresAt: new Date(Date.now() + 3_600_000) });
    assert.equal(await kim.nextHex(), hexOf('e0 01 98'));
    assert.ok(broker.bans.remove('username', 'lee'));
    assert.ok(broker.bans.remove('clientId', 'c2'));
    assert.ok(!broker.bans.remove('clientId', 'c2'));
  }
  assert.throws(() => broker.bans.add({ kind: 'address', value: 'lee' }), { code: 'BAN_INVALID' });
});

/** A broker whose program is asked about each publication, and answers when the test says. */
async function startAsking(t: TestContext) {
  const questions = { count: 0, answer: (_isAllowed: boolean): void => {} };
  const running = await startBroker(t, {
    authorizePublish: () =>
      new Promise<boolean>((resolve) => {
        questions.answer = resolve;
        questions.count++;
      }),
  });
  return { running, questions };
}

test('a client that is banned, or may have lost its rights, while a program is asked about its will is refused', async (t) => {
  const { running, questions } = await startAsking(t);
  const will = { topic: 'w', payload: new Uint8Array(), qos: 0, retain: false, properties: {} } as const;
  const connack = async (meanwhile: () => unknown): Promise<number> => {
    const before = questions.count;
    const connecting = openConnected(t, 'tcp', running, { clientId: 'a', will });
    await until('the question', () => questions.count > before);
    await meanwhile();
    questions.answer(true);
    return (await connecting).connack.reasonCode;
  };
  const { broker } = running;
  assert.equal(await connack(() => broker.bans.add({ kind: 'clientId', value: 'a' })), 0x8a);
  broker.bans.remove('clientId', 'a');
  assert.equal(await connack(() => broker.reload()), 0x89);
  assert.equal(await connack(() => undefined), 0);
});

test('what a program has decided while the files were read again counts once', async (t) => {
  const { running, questions } = await startAsking(t);
  const client = await openClient(t, 'tcp', running, { clientId: 'a' });
  const publish = async (packetId: number, meanwhile: () => unknown): Promise<void> => {
    client.send(publishFrame('t', 'x', { qos: 1, packetId }));
    await until('the question', () => questions.count === packetId);
    await meanwhile();
    questions.answer(true);
    await client.nextPacket();
  };
  await publish(1, () => running.broker.reload());
  await publish(2, () => undefined);
  client.send(publishFrame('t', 'x', { qos: 1, packetId: 3 }));
  await client.nextPacket();
  assert.equal(questions.count, 2); // that one is remembered
});

test('a client that sends too fast is not read for a moment and loses nothing, and a grant may say how fast', async (t) => {
  const running = await startBroker(t, {
    limits: { messagesPerSecondMax: 1 },
    authenticate: ({ clientId }) => (clientId === 'slow' ? true : { quotas: { messagesPerSecond: 200 } }),
  });
  for (const transport of transports) {
    const quick = await openClient(t, transport, running, { clientId: 'quick' });
    const startedMs = performance.now();
    for (let packetId = 1; packetId <= 260; packetId++)
      quick.send(publishFrame('t', 'x', { qos: 1, packetId }));
    await until('all acknowledgements', () => quick.packets.length === 260);
    assert.ok(performance.now() - startedMs >= 250, 'at its pace');
    const ids = quick.packets.map(({ body }) => Buffer.from(body).readUInt16BE(0));
    assert.deepEqual(
      ids,
      Array.from({ length: 260 }, (_, index) => index + 1),
    );
  }
  const slow = await openClient(t, 'tcp', running, { clientId: 'slow' });
  slow.send(publishFrame('t', 'x', { qos: 1, packetId: 1 }), publishFrame('t', 'x', { qos: 1, packetId: 2 }));
  await slow.nextPacket();
  assert.equal(slow.packets.length, 0);
});

test('a program decides about each topic, of PUBLISH, of a will and of SUBSCRIBE', async (t) => {
  const asked: string[] = [];
  const running = await startBroker(t, {
    workers: 2,
    authenticate: ({ clientId }) => ({ username: `user of ${clientId}`, attributes: { room: clientId } }),
    authorizePublish: async (client, { topic, qos, retain, isWill }) => {
      asked.push(`${client.username} ${topic} ${qos} ${retain} ${isWill}`);
      return topic.startsWith(`rooms/${(client.attributes as { room: string }).room}/`);
    },
    authorizeSubscribe: (_client: AuthorizedClient, { topicFilter }) => {
      if (topicFilter === 'throws') throw new Error('oh');
      return topicFilter !== '#';
    },
  });
  for (const transport of transports) {
    asked.length = 0;
    const client = await openClient(t, transport, running, { clientId: 'a' });
    client.send(subscribeAll('rooms/#', '#', 'throws', '$share/g/rooms/+'));
    assert.equal(await client.nextHex(), hexOf('90 07 0001 00 00 87 87 00'));
    const send = (topic: string, packetId: number) =>
      client.send(publishFrame(topic, topic, { qos: 1, packetId }));
    for (const [index, topic] of ['rooms/a/1', 'rooms/b/1', 'rooms/a/1', 'rooms/a/2'].entries())
      send(topic, index + 1);
    const acknowledged = async (): Promise<string> => {
      const { type, body } = await client.nextPacket();
      return type === 4 ? Buffer.from(body).toString('hex') : acknowledged();
    };
    const acknowledgements = [
      await acknowledged(),
      await acknowledged(),
      await acknowledged(),
      await acknowledged(),
    ];
    assert.deepEqual(acknowledgements, ['0001', '000287', '0003', '0004']);
    assert.deepEqual(asked, [
      'user of a rooms/a/1 1 false false',
      'user of a rooms/b/1 1 false false',
      'user of a rooms/a/2 1 false false',
    ]);
    const will = (topic: string) =>
      ({ topic, payload: Buffer.from('w'), qos: 2, retain: true, properties: {} }) as const;
    const refused = await openConnected(t, transport, running, { clientId: 'b', will: will('rooms/a/1') });
    assert.equal(refused.connack.reasonCode, 0x87);
    assert.equal(asked.at(-1), 'user of b rooms/a/1 2 true true');
    await openClient(t, transport, running, { clientId: 'b', will: will('rooms/b/1') });
  }
});

test('a back end decides who comes in and what they may, is asked once for what it says may be kept, and fails closed', async (t) => {
  let isDown = false;
  const questions: Record<string, unknown>[] = [];
  const answer = (question: Record<string, unknown>, response: ServerResponse): void => {
    questions.push(question);
    const isAllowed =
      question['action'] === 'connect'
        ? question['password'] === 'x'
        : question['topic'] === 'mine' || question['topicFilter'] === 'mine';
    response.writeHead(isDown ? 500 : 200, { 'cache-control': 'max-age=60' });
    response.end(JSON.stringify({ result: isAllowed ? 'allow' : 'deny' }));
  };
  const url = await startBackEnd(t, answer);
  const running = await startBroker(t, { authUrl: `${url}/auth`, authorizeUrl: `${url}/may` });
  const as = (clientId: string, password: string) => ({
    clientId,
    username: 'lee',
    password: Buffer.from(password),
  });
  const client = await openClient(t, 'ws', running, as('a', 'x'));
  client.send(subscribeAll('mine', 'theirs'), publishFrame('mine', '1', { qos: 1, packetId: 1 }));
  client.send(publishFrame('theirs', '2', { qos: 1, packetId: 2 }));
  assert.equal(await client.nextHex(), hexOf('90 05 0001 00 00 87'));
  const received = [await client.nextPacket(), await client.nextPacket(), await client.nextPacket()];
  const publish = received.find(({ type }) => type === 3);
  assert.ok(publish !== undefined);
  assert.equal(textOf(publishOf(publish)), '1');
  const acks = received.filter(({ type }) => type === 4).map(({ body }) => Buffer.from(body).toString('hex'));
  assert.deepEqual(acks, ['0001', '000287']);
  assert.equal((await openConnected(t, 'ws', running, as('b', 'wrong'))).connack.reasonCode, 0x86);
  isDown = true;
  await openClient(t, 'ws', running, as('a', 'x'));
  const before = questions.length;
  assert.equal((await openConnected(t, 'ws', running, as('c', 'x'))).connack.reasonCode, 0x88);
  assert.equal(questions.length, before + 1);
});
