/** Tokens (JWT): admission, rights, expiry, renewal and revocation. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { exportJWK, type JWTPayload, SignJWT } from 'jose';
import { renewing } from '../../../client/renew.ts';
import type { BrokerOptions } from '../../../core/broker.ts';
import { mintToken } from '../../../core/command/token.ts';
import { encodeAuth } from '../../../core/wire/encode-disconnect.ts';
import type { ConnectPacket } from '../../../core/wire/packets.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { altered } from '../../support/altered.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { startCommand } from '../../support/command.ts';
import {
  connectFrame,
  hexOf,
  publishFrame,
  publishOf,
  subscribeFrame,
  textOf,
} from '../../support/frames.ts';
import { connectRally } from '../../support/rally.ts';
import { openClient, openConnected, RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

const secret = 'a secret of more than thirty-two bytes';
const nobody = { roles: { team: { allow: { subscribe: 'teams/%{team}/#' } } } };

interface Stage {
  readonly running: RunningBroker;
  readonly folder: ReturnType<typeof accessFolder>;
}

async function start(t: TestContext, options: BrokerOptions = {}): Promise<Stage> {
  const folder = accessFolder(t);
  const running = await startBroker(t, {
    tokenSecretFile: folder.write('secret', `${secret}\n`),
    rulesFile: folder.write('rules', nobody),
    workers: 2,
    ...options,
  });
  return { running, folder };
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;

async function token(claims: JWTPayload, key: string | KeyObject = secret, alg = 'HS256'): Promise<string> {
  const all = { sub: 'lee', exp: inSeconds(60), ...claims };
  return await new SignJWT(all)
    .setProtectedHeader({ alg })
    .sign(typeof key === 'string' ? Buffer.from(key) : key);
}

async function withPassword(claims: JWTPayload): Promise<Partial<ConnectPacket>> {
  return { password: Buffer.from(await token(claims)) };
}

async function reasonOf(t: TestContext, running: RunningBroker, password: string): Promise<number> {
  return (await openConnected(t, 'tcp', running, { password: Buffer.from(password) })).connack.reasonCode;
}

async function publishes(client: RawClient, topic: string): Promise<boolean> {
  client.send(publishFrame(topic, 'x', { qos: 1, packetId: 1 }));
  return (await client.nextHex()) !== hexOf('40 03 0001 87');
}

function authFrame(reasonCode: number, text: string): Uint8Array {
  return encodeAuth({
    reasonCode,
    properties: { authenticationMethod: 'OAUTH2-JWT', authenticationData: Buffer.from(text) },
  });
}

test('a token as password lets its subject in, and its rules say what it may do', async (t) => {
  const { running } = await start(t);
  const acl = { publish: ['scores/%u/+', 'c/%c'], subscribe: ['scores/#'] };
  const client = await openClient(t, 'tcp', running, { clientId: 'c1', ...(await withPassword({ acl })) });
  assert.ok(await publishes(client, 'scores/lee/1'));
  assert.ok(await publishes(client, 'c/c1'));
  assert.ok(!(await publishes(client, 'scores/kim/1')));
  client.send(subscribeFrame('scores/+', 0));
  assert.equal(await client.nextHex(), hexOf('90 04 0001 00 00'));
  client.send(subscribeFrame('#', 0));
  assert.equal(await client.nextHex(), hexOf('90 04 0001 00 87'));
  const other = await openClient(
    t,
    'tcp',
    running,
    await withPassword({ roles: ['team', 'unknown'], team: 'red' }),
  );
  other.send(subscribeFrame('teams/red/#', 0));
  assert.equal(await other.nextHex(), hexOf('90 04 0001 00 00'));
  other.send(subscribeFrame('teams/blue/#', 0));
  assert.equal(await other.nextHex(), hexOf('90 04 0001 00 87'));
});

test('a token may be for one client identifier alone', async (t) => {
  const { running } = await start(t, { tokenClientIdClaim: 'client' });
  const packet = async (clientId: string, claims: JWTPayload) => ({
    clientId,
    ...(await withPassword(claims)),
  });
  const open = async (clientId: string, claims: JWTPayload) =>
    (await openConnected(t, 'tcp', running, await packet(clientId, claims))).connack.reasonCode;
  assert.equal(await open('c1', { client: 'c1' }), 0);
  assert.equal(await open('c2', { client: 'c1' }), 0x85);
  assert.equal(await open('c1', {}), 0x87);
  assert.equal(await open('c1', { client: 7 }), 0x87);
});

test('a page renews its token on the same connection, and has the rights of the new one then', async (t) => {
  const { running } = await start(t);
  let asked = 0;
  let isAsserted = (): void => {};
  const asserted = new Promise<void>((resolve) => {
    isAsserted = resolve;
  });
  const next = async (): Promise<string> => {
    if (++asked > 1) await asserted;
    const acl = { publish: [asked === 1 ? 'a' : 'b'] };
    return await token({ acl, exp: inSeconds(600), iat: inSeconds(599) }); // as if it had a second
  };
  const rally = await connectRally(t, running.wsUrl, { ...renewing(next), clientId: 'page' });
  await rally.publish('a', 'x', { qos: 1 });
  await assert.rejects(rally.publish('b', 'x', { qos: 1 }), { reasonCode: 0x87 });
  isAsserted();
  let connections = 0;
  rally.on('connected', () => connections++);
  await until('the new rights', async () => {
    return await rally.publish('b', 'x', { qos: 1 }).then(
      () => true,
      () => false,
    );
  });
  assert.ok(asked >= 2);
  assert.equal(connections, 0, 'it is the same connection');
});

test('what is no good token lets nobody in', async (t) => {
  const { running } = await start(t, { tokenIssuer: 'us', tokenAudience: 'mqtt' });
  const good = { iss: 'us', aud: ['mqtt', 'http'] };
  assert.equal(await reasonOf(t, running, await token(good)), 0);
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await token(good)).split('.')[1]}.`;
  const bad = [
    await token({ ...good, exp: inSeconds(-60) }),
    await token({ ...good, nbf: inSeconds(60) }),
    await token({ ...good, iss: 'them' }),
    await token({ ...good, aud: 'http' }),
    await token({ aud: 'mqtt' }),
    await token({ ...good, sub: '' }),
    await token({ ...good, exp: undefined as unknown as number }),
    await token(good, 'another secret of more than thirty-two bytes'),
    await token({ ...good, acl: ['#'] }),
    await token({ ...good, acl: { publish: ['a#'] } }),
    await token({ ...good, acl: { publish: [], read: ['#'] } }),
    await token({ ...good, roles: [1] }),
    await token({ ...good, subs: [{ filter: 'a', qos: 3 }] }),
    altered(await token(good)),
  ];
  for (const each of bad) assert.equal(await reasonOf(t, running, each), 0x87, each);
  for (const each of [unsigned, 'a.b', 'secret', ''])
    assert.ok([0x86, 0x87].includes(await reasonOf(t, running, each)), each);
});

test('a key is used with its own algorithms alone', async (t) => {
  const pairs = {
    RS256: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
    ES256: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
    EdDSA: generateKeyPairSync('ed25519'),
  };
  for (const [alg, { publicKey, privateKey }] of Object.entries(pairs)) {
    const folder = accessFolder(t);
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const running = await startBroker(t, { tokenKeyFile: folder.write('key', pem) });
    assert.equal(await reasonOf(t, running, await token({}, privateKey, alg)), 0, alg);
    // The public key as a secret: the oldest trick.
    assert.equal(await reasonOf(t, running, await token({}, pem)), 0x87, alg);
  }
  const folder = accessFolder(t);
  const privatePem = pairs.ES256.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  for (const [content, message] of [
    [privatePem, /is a private key/],
    ['x', /is not a public key/],
  ] as const)
    await assert.rejects(startBroker(t, { tokenKeyFile: folder.write('key', content) }), {
      code: 'ACCESS_FILE_INVALID',
      message,
    });
  await assert.rejects(startBroker(t, { tokenSecretFile: folder.write('short', 'x') }), {
    message: /at least 32 bytes/,
  });
});

test('a JWKS is asked for once, again for a key that is new, and a broker without it says 0x88', async (t) => {
  const first = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const keys = [{ ...(await exportJWK(first.publicKey)), kid: '1', alg: 'ES256' }];
  let asked = 0;
  const server = createServer((_, response) => {
    asked++;
    response.end(JSON.stringify({ keys }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const running = await startBroker(t, { tokenJwksUrl: `http://127.0.0.1:${address.port}/keys` });
  const sign = (kid: string, key: KeyObject): Promise<string> =>
    new SignJWT({ sub: 'lee', exp: inSeconds(60) }).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
  for (let i = 0; i < 3; i++) assert.equal(await reasonOf(t, running, await sign('1', first.privateKey)), 0);
  assert.equal(asked, 1);
  assert.equal(await reasonOf(t, running, await sign('2', first.privateKey)), 0x87);
  assert.equal(asked, 1, 'anybody can invent a key');
  const elsewhere = await startBroker(t, { tokenJwksUrl: 'http://127.0.0.1:9/keys' });
  const good = await sign('1', first.privateKey);
  assert.equal(await reasonOf(t, elsewhere, good), 0x88);
  const properties = { authenticationMethod: 'OAUTH2-JWT', authenticationData: Buffer.from(good) };
  assert.equal((await openConnected(t, 'tcp', elsewhere, { properties })).connack.reasonCode, 0x88);
});

test('a token comes with the opening of a WebSocket too: in the query, as bearer, and by option in a cookie', async (t) => {
  const { running } = await start(t, { tokenCookie: 'session' });
  const good = await token({});
  const openings = [
    { path: `/mqtt?access_token=${good}` },
    { path: '/mqtt', headers: [`Authorization: Bearer ${good}`] },
    { path: '/mqtt', headers: [`Cookie: a=b; session=${good}; c=d`] },
  ];
  for (const opening of openings) {
    const client = await RawClient.overWebSocket(running.port, opening);
    t.after(() => client.destroy());
    client.send(connectFrame());
    assert.match(await client.nextHex(), /^20..0000/);
  }
  const wrong = await RawClient.overWebSocket(running.port, { path: `/mqtt?access_token=${good}x` });
  t.after(() => wrong.destroy());
  wrong.send(connectFrame({ password: Buffer.from(good) }));
  assert.match(await wrong.nextHex(), /^20..0087/);
});

test('a cookie does not replace the password that a client presents', async (t) => {
  const passwordFile = accessFolder(t).write('users', passwordLines({ umpire: 'secret' }));
  const { running } = await start(t, { tokenCookie: 'session', passwordFile });
  const expired = await token({ exp: inSeconds(-60) });
  const open = async (headers: readonly string[], packet: Partial<ConnectPacket>) => {
    const client = await RawClient.overWebSocket(running.port, { path: '/mqtt', headers });
    t.after(() => client.destroy());
    client.send(connectFrame(packet));
    return await client.nextHex();
  };
  const umpire = { username: 'umpire', password: Buffer.from('secret') };
  const own = { password: Buffer.from(await token({})) };
  for (const cookie of [expired, await token({}), 'no token']) {
    assert.match(await open([`Cookie: session=${cookie}`], umpire), /^20..0000/, cookie);
    assert.match(await open([`Cookie: session=${cookie}`], own), /^20..0000/, cookie);
    const wrong = { ...umpire, password: Buffer.from('wrong') };
    assert.match(await open([`Cookie: session=${cookie}`], wrong), /^20..0086/, cookie);
  }
  assert.match(await open([`Cookie: session=${expired}`], {}), /^20..0087/);
  assert.match(await open([`Authorization: Bearer ${expired}`], umpire), /^20..0087/);
});

test('a program knows the session in a cookie, which no key could verify', async (t) => {
  const { port } = await startBroker(t, {
    tokenCookie: 'session',
    authenticate: ({ token: session }) => session === 'a1b2c3' && { username: 'lee' },
  });
  for (const [cookie, expected] of [
    ['session=a1b2c3', /^20..0000/],
    ['session=other', /^20..0086/],
    ['another=a1b2c3', /^20..0086/],
  ] as const) {
    const client = await RawClient.overWebSocket(port, { path: '/mqtt', headers: [`Cookie: ${cookie}`] });
    t.after(() => client.destroy());
    client.send(connectFrame());
    assert.match(await client.nextHex(), expected, cookie);
  }
});

test('a token that expires ends its connection with 0x87, and its will goes out', async (t) => {
  const { running } = await start(t);
  const watcher = await openClient(t, 'tcp', running, await withPassword({ acl: { subscribe: ['#'] } }));
  watcher.send(subscribeFrame('w', 0));
  await watcher.nextPacket();
  const will = { topic: 'w', payload: Buffer.from('gone'), qos: 0, retain: false, properties: {} } as const;
  const exp = inSeconds(2);
  const client = await openClient(t, 'tcp', running, {
    will,
    ...(await withPassword({ exp, acl: { publish: ['w'] } })),
  });
  assert.match(await client.nextHex(), /^e0..87/);
  assert.ok(Date.now() >= exp * 1_000);
  await client.closed();
  assert.equal(textOf(publishOf(await watcher.nextPacket())), 'gone');
});

test('a token is renewed in the session by AUTH: it goes on, with the rights of the new one', async (t) => {
  const { running } = await start(t);
  const properties = { authenticationMethod: 'OAUTH2-JWT' };
  const exp = inSeconds(3);
  const data = Buffer.from(await token({ exp, acl: { publish: ['a'], subscribe: ['#'] } }));
  const client = await openClient(t, 'tcp', running, {
    clientId: 'r',
    properties: { ...properties, authenticationData: data },
  });
  client.send(subscribeFrame('a', 0));
  await client.nextPacket();
  assert.ok(!(await publishes(client, 'b')));
  client.send(
    authFrame(0x19, await token({ exp: inSeconds(60), acl: { publish: ['b'], subscribe: ['#'] } })),
  );
  assert.match(await client.nextHex(), /^f0..00/);
  assert.ok(await publishes(client, 'b'));
  assert.ok(!(await publishes(client, 'a')));
  await until('the first token has expired', () => Date.now() > exp * 1_000 + 1_000);
  await client.assertAlive();
  await running.broker.publish('a', 'still here', { qos: 1 });
  assert.equal(textOf(publishOf(await client.nextPacket())), 'still here');
  // Nobody becomes somebody else in a session.
  client.send(authFrame(0x19, await token({ sub: 'kim', acl: { publish: ['#'] } })));
  assert.match(await client.nextHex(), /^e0..87/);
});

test('a renewal with a bad token ends the connection with 0x87', async (t) => {
  const { running } = await start(t);
  const authenticationData = Buffer.from(await token({}));
  const client = await openClient(t, 'tcp', running, {
    properties: { authenticationMethod: 'OAUTH2-JWT', authenticationData },
  });
  client.send(authFrame(0x19, await token({ exp: inSeconds(-60) })));
  assert.match(await client.nextHex(), /^e0..87/);
  await client.closed();
});

test('a client that is connected renews its token under a ban that others have caused', async (t) => {
  const { running } = await start(t, { limits: { failedLoginsPerNameMax: 1 } });
  const as = (text: string) => ({
    clientId: 'r',
    properties: { authenticationMethod: 'OAUTH2-JWT', authenticationData: Buffer.from(text) },
  });
  const client = await openClient(t, 'tcp', running, as(await token({})));
  assert.equal((await openConnected(t, 'tcp', running, as('wrong'))).connack.reasonCode, 0x87);
  assert.equal(running.broker.bans.list()[0]?.value, 'r');
  client.send(authFrame(0x19, await token({})));
  assert.match(await client.nextHex(), /^f0..00/);
});

test('the log says why a token was refused, when it is presented and when it is renewed', async (t) => {
  const secretFile = accessFolder(t).write('secret', secret);
  const command = startCommand(t, ['--token-secret-file', secretFile]);
  const ports = await command.ready();
  const openWith = async (text: string) =>
    await openConnected(t, 'tcp', ports, {
      clientId: 'c',
      properties: { authenticationMethod: 'OAUTH2-JWT', authenticationData: Buffer.from(text) },
    });
  const late = await token({ exp: Date.UTC(2020, 0) / 1_000 });
  assert.equal((await openWith(late)).connack.reasonCode, 0x87);
  for (const text of [late, await token({ sub: 'kim' })]) {
    const { client } = await openWith(await token({}));
    client.send(authFrame(0x19, text));
    assert.match(await client.nextHex(), /^e0..87/);
  }
  await until('the lines', () => command.stderr.split('loginRefused').length > 3);
  const refusals = command.stderr.split('\n').filter((line) => line.includes('loginRefused'));
  const shown = refusals.map((line) => JSON.parse(line)).map(({ username, why }) => [username, why]);
  const expired = 'the token expired at 2020-01-01T00:00:00.000Z';
  assert.deepEqual(shown, [
    [undefined, expired],
    ['lee', expired],
    ['lee', 'this is for another user'],
  ]);
});

test('subscriptions of a token are made by the broker, as far as its rules allow', async (t) => {
  const { running } = await start(t);
  const claims = {
    acl: { subscribe: ['scores/#'] },
    subs: ['scores/1', { filter: 'scores/2', qos: 1 }, 'other'],
  };
  const client = await openClient(t, 'tcp', running, await withPassword(claims));
  await until('they are there', () => running.broker.statistics().subscriptions === 2);
  await running.broker.publish('other', 'no', { qos: 1 });
  await running.broker.publish('scores/2', 'yes', { qos: 1 });
  const message = publishOf(await client.nextPacket());
  assert.deepEqual([message.topic, message.qos], ['scores/2', 1]);
});

test('tokens are revoked by jti, by user, and by user and time', async (t) => {
  const { running, folder } = await start(t);
  const revokedFile = folder.write('revoked', '# none\n');
  const other = await start(t, { revokedFile });
  assert.ok(running !== other.running);
  const iat = inSeconds(-100);
  const all = [
    await token({ jti: 'a', iat }),
    await token({ sub: 'kim', iat }),
    await token({ sub: 'old', iat }),
    await token({ sub: 'old', iat: inSeconds(-10) }),
    await token({ sub: 'max', iat }),
  ];
  const clients = await Promise.all(
    all.map((each) => openClient(t, 'tcp', other.running, { password: Buffer.from(each) })),
  );
  const time = new Date(inSeconds(-50) * 1_000).toISOString();
  folder.write('revoked', `token a\nuser kim\nuser old ${time}\n`);
  await other.running.broker.reload();
  const isOver = [true, true, true, false, false];
  for (const [index, client] of clients.entries()) {
    if (isOver[index]) assert.match(await client.nextHex(), /^e0..87/);
    else assert.ok(!(await publishes(client, 'x')), 'it is there still');
    assert.equal(await reasonOf(t, other.running, all[index] ?? ''), isOver[index] ? 0x87 : 0);
  }
  folder.write('revoked', 'user old yesterday\n');
  await assert.rejects(other.running.broker.reload(), {
    code: 'ACCESS_FILE_INVALID',
    message: /line 1, column 10: 'yesterday'/,
  });
});

test('rallymq token mints one', async (t) => {
  const { running, folder } = await start(t);
  const path = folder.write('secret', secret);
  const args = ['--secret-file', path, '--user', 'lee', '--publish', 'a', '--subscribe', '#'];
  const minted = (await mintToken(args, Date.now())).trim();
  const client = await openClient(t, 'tcp', running, { password: Buffer.from(minted) });
  assert.ok(await publishes(client, 'a'));
  assert.ok(!(await publishes(client, 'b')));
  for (const wrong of [
    [],
    ['--user', 'x'],
    [...args, '--minutes', '0'],
    [...args, '--publish', 'a#'],
    [...args, '--x'],
  ])
    await assert.rejects(mintToken(wrong, 0), { name: 'BrokerError' });
});
