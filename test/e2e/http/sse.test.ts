/** GET /sse of a running broker: the same messages as for a WebSocket subscriber, with both HTTP servers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { SignJWT } from 'jose';
import { apiKeyLine, hashOfApiKey, newApiKey } from '../../../core/security/api-keys.ts';
import { accessFolder, passwordLines } from '../../support/access-files.ts';
import { startBroker } from '../../support/broker.ts';
import { connectRally } from '../../support/rally.ts';
import { isOverTls, plainOnly } from '../../support/secure.ts';
import { until, within } from '../../support/wait.ts';

interface Opened {
  readonly status: number;
  text(): string;
  hasEnded(): boolean;
  close(): void;
}

function open(
  t: TestContext,
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: '127.0.0.1', port, path, headers }, (response: IncomingMessage) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', () => {}); // it was cut, as some tests want
      resolve({
        status: response.statusCode ?? 0,
        text: () => text,
        hasEnded: () => response.complete,
        close: () => response.destroy(),
      });
    });
    asked.on('error', reject);
    t.after(() => asked.destroy());
  });
}

function payloadsOf(stream: Opened): string[] {
  return [...stream.text().matchAll(/"payload":"([^"]*)"/g)].map(([, payload = '']) => payload);
}

test('streams and a WebSocket subscriber get the same messages in the same order', {
  skip: isOverTls,
}, async (t) => {
  const { broker, port, wsUrl } = await startBroker(t, { workers: 2 });
  await broker.publish('scores/1', 'kept', { retain: true });
  const streams: Opened[] = [];
  for (let n = 0; n < 100; n++) streams.push(await open(t, port, '/sse?topic=scores/%23'));
  const heard: string[] = [];
  const rally = await connectRally(t, wsUrl);
  await rally.subscribe('scores/#', (message) => void heard.push(message.text()), { qos: 1 }).ready;
  await until('all have what is retained', () =>
    [...streams.map((stream) => payloadsOf(stream).length), heard.length].every((count) => count === 1),
  );
  for (let n = 0; n < 200; n++) await broker.publish('scores/1', `${n}`, { qos: n % 2 === 0 ? 1 : 2 });
  await until('all have all', () =>
    [...streams.map((stream) => payloadsOf(stream).length), heard.length].every((count) => count === 201),
  );
  for (const stream of streams) assert.deepEqual(payloadsOf(stream), heard);
});

test('whoever is cut comes back and misses nothing', { skip: isOverTls }, async (t) => {
  const { broker, port } = await startBroker(t);
  const first = await open(t, port, '/sse?topic=a');
  await broker.publish('a', 'one');
  await until('the first', () => payloadsOf(first).length === 1);
  const [, id = ''] = /^id: (.*)$/m.exec(first.text()) ?? [];
  first.close();
  await broker.publish('a', 'two');
  const again = await open(t, port, '/sse?topic=a', { 'last-event-id': id });
  await broker.publish('a', 'three');
  await until('all', () => payloadsOf(again).length === 2);
  assert.deepEqual(payloadsOf(again), ['two', 'three']);
});

test('a stream ends as soon as its client sends no more, before it or after', plainOnly, async (t) => {
  const { port } = await startBroker(t);
  const request = 'GET /sse?topic=a HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const streams = async (): Promise<string | undefined> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return /^rallymq_event_streams (\d+)$/m.exec(text)?.[1];
  };
  const opened = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => opened.destroy());
  opened.write(request);
  await once(opened, 'data');
  assert.equal(await streams(), '1');
  opened.end();
  await within('the end of the stream', once(opened.resume(), 'end'), 5_000); // a heartbeat comes each 15 s
  const early = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => early.destroy());
  early.end(request);
  await within('the end of the other', once(early.resume(), 'end'), 5_000);
  await until('no stream is left', async () => (await streams()) === '0', 5_000);
});

test('rules hold for each message, and a key that is gone has no stream', { skip: isOverTls }, async (t) => {
  const folder = accessFolder(t);
  const key = newApiKey();
  const line = apiKeyLine({ name: 'page', scopes: new Set(['subscribe']) }, hashOfApiKey(key));
  const apiKeysFile = folder.write('keys', `${line}\n`);
  const rulesFile = folder.write('rules.json', {
    roles: { page: { allow: { subscribe: ['open/#'] } } },
    users: { page: 'page' },
  });
  const { broker, port } = await startBroker(t, { apiKeysFile, rulesFile });
  const stream = await open(t, port, `/sse?topic=%23&access_token=${key}`);
  assert.equal(stream.status, 200);
  await broker.publish('closed/1', 'not this');
  await broker.publish('open/1', 'this');
  await until('what it may have', () => payloadsOf(stream).length > 0);
  assert.deepEqual(payloadsOf(stream), ['this']);
  folder.write('keys', '# nobody\n');
  await broker.reload();
  assert.equal((await open(t, port, `/sse?topic=%23&access_token=${key}`)).status, 401);
});

test('a user of the broker reads what its rules give it, by password and by a token until that expires', {
  skip: isOverTls,
}, async (t) => {
  const folder = accessFolder(t);
  const secret = 'a secret of more than thirty-two bytes';
  const { broker, port } = await startBroker(t, {
    passwordFile: folder.write('users', passwordLines({ ada: 'sesame' })),
    tokenSecretFile: folder.write('secret', secret),
    rulesFile: folder.write('rules.json', {
      roles: { ada: { allow: { subscribe: ['ada/#'] } } },
      users: { ada: 'ada' },
    }),
  });
  const basic = (password: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`,
  });
  const exp = Math.floor(Date.now() / 1_000) + 2;
  const token = await new SignJWT({ sub: 'lee', exp, acl: { subscribe: ['lee/#'] } })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(secret));
  const ada = await open(t, port, '/sse?topic=%23', basic('sesame'));
  const lee = await open(t, port, `/sse?topic=%23&access_token=${token}`);
  assert.deepEqual([ada.status, lee.status], [200, 200]);
  for (const [path, headers] of [
    ['/sse?topic=a', {}],
    ['/sse?topic=a', basic('guess')],
    [`/sse?topic=a&access_token=${token}x`, {}],
  ] as const)
    assert.equal((await open(t, port, path, headers)).status, 401);
  await broker.publish('lee/1', 'for lee');
  await broker.publish('ada/1', 'for ada');
  await until('both have theirs', () => [ada, lee].every((stream) => payloadsOf(stream).length > 0));
  assert.deepEqual([ada, lee].map(payloadsOf), [['for ada'], ['for lee']]);
  await until('the end of the token', () => lee.hasEnded(), 4_000);
  assert.ok(Date.now() / 1_000 >= exp && Date.now() / 1_000 < exp + 1.5);
  assert.equal(ada.hasEnded(), false);
  broker.bans.add({ kind: 'username', value: 'ada' });
  await until('the end of a user who is banned', () => ada.hasEnded());
  assert.equal((await open(t, port, '/sse?topic=a', basic('sesame'))).status, 403);
});
