/** The pages over HTTP: headers, variants, sizes, and the paths below /api/. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { sharedBroker } from '../../support/shared-broker.ts';
import { until } from '../../support/wait.ts';

const pages = [
  '/',
  '/demos/centre-court/',
  '/demos/centre-court/match/',
  '/demos/centre-court/umpire/',
  '/demos/push-or-poll/',
  '/demos/current-cost/',
  '/demos/rooms/',
];

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

/** Unlike fetch it shows the bytes as they came. */
function get(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, method }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** What a page needs for its first paint: itself, its style sheets, and its scripts with what they import. */
function linkedFiles(path: string, html: string): string[] {
  const links = [...html.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, file]) => file as string);
  return links.map((link) => new URL(link, `http://localhost${path}`).pathname);
}

test('every page is there, as HTML that runs nothing inline and nothing from elsewhere', async (t) => {
  const { port } = await sharedBroker(t);
  for (const path of pages) {
    const { status, headers, body } = await get(port, path);
    assert.equal(status, 200, path);
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    const policy = `${headers['content-security-policy']}`;
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;/);
    assert.doesNotMatch(policy, /unsafe|\*/);
    // The console of the landing page connects to whatever broker its user names.
    const sockets = path === '/' ? 'ws: wss:' : `ws://127.0.0.1:${port} wss://127.0.0.1:${port}`;
    assert.ok(policy.includes(`connect-src 'self' ${sockets};`), policy);
    const html = body.toString();
    assert.doesNotMatch(html, /<style|style="|<script>|onclick|https?:\/\//, path);
    for (const file of linkedFiles(path, html)) assert.equal((await get(port, file)).status, 200, file);
  }
});

test('a phone can put the pages on its home screen', async (t) => {
  const { port } = await sharedBroker(t);
  for (const path of pages) {
    const html = (await get(port, path)).body.toString();
    const [, manifest = ''] = /<link rel="manifest" href="([^"]+)">/.exec(html) ?? [];
    assert.equal(new URL(manifest, `http://localhost${path}`).pathname, '/manifest.webmanifest', path);
  }
  const { headers, body } = await get(port, '/manifest.webmanifest');
  assert.equal(headers['content-type'], 'application/manifest+json');
  const { icons, start_url } = JSON.parse(body.toString());
  assert.equal((await get(port, new URL(start_url, 'http://localhost/').pathname)).status, 200);
  for (const { src, type } of icons) {
    const icon = await get(port, `/${src}`);
    assert.deepEqual([icon.status, icon.headers['content-type']], [200, type], src);
  }
});

test('behind a proxy the policy names the host that the visitor has asked for, if it is one', async (t) => {
  const { port } = await sharedBroker(t);
  const policyFor = async (host: string): Promise<string> =>
    `${(await get(port, '/demos/rooms/', { host })).headers['content-security-policy']}`;
  assert.match(
    await policyFor('scores.example'),
    /connect-src 'self' ws:\/\/scores\.example wss:\/\/scores\.example;/,
  );
  assert.match(await policyFor('[::1]:8080'), /connect-src 'self' ws:\/\/\[::1\]:8080/);
  assert.match(await policyFor('*'), /connect-src 'self'; manifest-src/);
  for (const bad of ['x; script-src *', 'a b', "x' 'unsafe-inline"]) {
    assert.equal((await get(port, '/demos/rooms/', { host: bad })).status, 400, bad);
  }
});

const decoders = { br: brotliDecompressSync, gzip: gunzipSync } as const;

test('Brotli or gzip goes to those who accept it, and is the same file', async (t) => {
  const { port } = await sharedBroker(t);
  const codingFor = async (path: string, accepted: string) => {
    const { headers, body } = await get(port, path, { 'accept-encoding': accepted });
    return { coding: headers['content-encoding'], etag: headers['etag'], vary: `${headers['vary']}`, body };
  };
  for (const path of ['/', '/demos/rooms/', '/assets/style.css', '/rally.js', '/manifest.webmanifest']) {
    const plain = await get(port, path);
    assert.equal(plain.headers['content-encoding'], undefined);
    for (const [accepted, expected] of [
      ['gzip', 'gzip'],
      ['gzip, deflate, br, zstd', 'br'],
      ['br;q=0, gzip;q=0.5', 'gzip'],
      ['GZIP;q=1, br;q=0.0', 'gzip'],
      ['gzip;q=0, *', 'br'],
      ['*', 'br'],
    ] as const) {
      const { coding, etag, vary, body } = await codingFor(path, accepted);
      assert.equal(coding, expected, accepted);
      assert.match(vary, /accept-encoding/);
      assert.ok(decoders[expected](body).equals(plain.body), path);
      assert.notEqual(etag, plain.headers['etag']);
    }
    for (const refused of ['deflate', 'gzip;q=0', 'identity', 'x-br', '*;q=0']) {
      assert.equal((await codingFor(path, refused)).coding, undefined, refused);
    }
  }
});

test('what has not changed is not sent again', async (t) => {
  const { port } = await sharedBroker(t);
  const { headers } = await get(port, '/assets/style.css');
  const etag = `${headers['etag']}`;
  for (const condition of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const again = await get(port, '/assets/style.css', { 'if-none-match': condition });
    assert.equal(again.status, 304, condition);
    assert.equal(again.headers['etag'], etag);
    assert.equal(again.body.length, 0);
  }
  assert.equal((await get(port, '/assets/style.css', { 'if-none-match': '"other"' })).status, 200);
});

test('HEAD gets the headers of GET and no body, for whatever is asked', async (t) => {
  const { port } = await sharedBroker(t);
  for (const path of [
    ...pages,
    '/assets/style.css',
    '/healthz',
    '/api/broker',
    '/api/retained/a',
    '/nothing',
  ]) {
    const got = await get(port, path);
    const head = await get(port, path, {}, 'HEAD');
    assert.equal(head.status, got.status, path);
    assert.equal(head.headers['content-length'], `${got.body.length}`, path);
    assert.equal(head.headers['etag'], got.headers['etag']);
    assert.equal(head.body.length, 0);
  }
});

test('a visitor of an address that leads nowhere gets a page that leads home; programs and robots get text', async (t) => {
  const { port } = await sharedBroker(t);
  const accept = 'text/html,application/xhtml+xml,*/*;q=0.8';
  for (const path of ['/nothing', '/demos/nothing', '/demos/rooms/no/thing/']) {
    const { status, headers, body } = await get(port, path, { accept });
    assert.deepEqual([status, headers['content-type']], [404, 'text/html; charset=utf-8'], path);
    const html = body.toString();
    const [, home = ''] = /class="brand" href="([^"]+)"/.exec(html) ?? [];
    assert.equal(new URL(home, `http://localhost${path}`).pathname, '/', path);
    for (const file of linkedFiles(path, html)) assert.equal((await get(port, file)).status, 200, file);
  }
  const deep = `/${'a/'.repeat(5_000)}`;
  for (const [path, headers] of [
    ['/nothing', {}],
    [deep, { accept }],
  ] as const) {
    const { status, body } = await get(port, path, headers);
    assert.deepEqual([status, body.toString()], [404, 'There is nothing here.\n']);
  }
  assert.match((await get(port, '/robots.txt')).body.toString(), /^Disallow: \/$/m);
});

test('what is not there is 404, another method 405, a folder without its slash redirects to it', async (t) => {
  const { port } = await sharedBroker(t);
  const absent = [
    '/nothing',
    '/demos',
    '/assets',
    '/..%2f..%2fpackage.json',
    '/index.html.gz',
    '/assets/style.css.gz',
  ];
  for (const path of absent) assert.equal((await get(port, path)).status, 404, path);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const { status, headers } = await get(port, '/', {}, method);
    assert.equal(status, 405, method);
    assert.equal(headers['allow'], 'GET, HEAD');
  }
  const moved = await get(port, '/demos/rooms');
  assert.equal(moved.status, 308);
  assert.equal(
    new URL(`${moved.headers['location']}`, 'http://localhost/demos/rooms').pathname,
    '/demos/rooms/',
  );
});

test('the client library is for pages of any origin, the pages are not', async (t) => {
  const { port } = await sharedBroker(t);
  for (const path of ['/rally.js', '/rally.global.js']) {
    assert.equal((await get(port, path)).headers['access-control-allow-origin'], '*', path);
  }
  assert.equal((await get(port, '/')).headers['access-control-allow-origin'], undefined);
});

test('pages find a broker on another path', async (t) => {
  const { port } = await startBroker(t, { path: '/live/mqtt' });
  for (const path of pages) {
    assert.match((await get(port, path)).body.toString(), /data-mqtt="\/live\/mqtt"/, path);
    const zipped = await get(port, path, { 'accept-encoding': 'br' });
    assert.match(brotliDecompressSync(zipped.body).toString(), /data-mqtt="\/live\/mqtt"/, path);
  }
});

test('a reader who takes little at a time gets a large file whole', async (t) => {
  const { port, broker } = await startBroker(t);
  const large = 'x'.repeat(900_000);
  await broker.publish('large', large, { retain: true });
  const socket = connect({ host: '127.0.0.1', port });
  atEnd(t, () => socket.destroy());
  socket.write('GET /api/retained/large HTTP/1.1\r\nhost: localhost\r\n\r\n');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
    socket.pause();
    setImmediate(() => socket.resume());
  });
  await until('the whole file', () => received.length >= large.length && received.endsWith('x'));
  const body = received.slice(received.indexOf('\r\n\r\n') + 4);
  assert.equal(body.length, large.length);
});

test('clients that leave before they are answered do no harm', async (t) => {
  const { port } = await startBroker(t);
  for (let count = 0; count < 50; count += 1) {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', () => {}); // it may be reset, which is the point
    socket.write(
      'GET /api/retained/a HTTP/1.1\r\nhost: localhost\r\n\r\nGET /rally.js HTTP/1.1\r\nhost: localhost\r\n\r\n',
    );
    socket.once('connect', () => setImmediate(() => socket.resetAndDestroy()));
  }
  assert.equal((await get(port, '/healthz')).status, 200);
});

test('GET /api/retained/ gives the retained message of a topic', async (t) => {
  const { port, broker } = await startBroker(t, { workers: 2 });
  await broker.publish('scores/court 1', '40-30', { retain: true });
  await broker.publish('scores/court 1', 'not retained');
  const found = await get(port, '/api/retained/scores/court%201');
  assert.equal(found.status, 200);
  assert.equal(found.body.toString(), '40-30');
  assert.equal(found.headers['content-type'], 'application/octet-stream');
  assert.equal(found.headers['cache-control'], 'no-store');
  assert.ok(Number(found.headers['x-request-bytes']) > 40);
  assert.equal((await get(port, '/api/retained/scores%2Fcourt%201')).body.toString(), '40-30');
  assert.equal((await get(port, '/api/retained/scores')).status, 404);
  for (const bad of ['', '%23', 'a/%2B', '%ff', 'a%00b']) {
    assert.equal((await get(port, `/api/retained/${bad}`)).status, 400, bad);
  }
  await broker.publish('scores/court 1', '', { retain: true });
  assert.equal((await get(port, '/api/retained/scores/court%201')).status, 404);
});

test('many look-ups at once are all answered, each with its own topic', async (t) => {
  const { port, broker } = await startBroker(t, { workers: 2 });
  for (let index = 0; index < 20; index += 1)
    await broker.publish(`t/${index}`, `${index}`, { retain: true });
  const answers = await Promise.all(
    Array.from({ length: 400 }, async (_, index) =>
      (await get(port, `/api/retained/t/${index % 20}`)).body.toString(),
    ),
  );
  assert.deepEqual(
    answers,
    answers.map((_, index) => `${index % 20}`),
  );
});

test('a look-up takes nothing from the host program, and gives it nothing twice', async (t) => {
  const { port, broker } = await startBroker(t);
  await broker.publish('a', 'first', { retain: true });
  const heard: string[] = [];
  const listener = ({ payload }: { payload: Uint8Array }): void =>
    void heard.push(Buffer.from(payload).toString());
  await broker.subscribe('a', listener);
  await until('the retained message', () => heard.length === 1);
  assert.equal((await get(port, '/api/retained/a')).body.toString(), 'first');
  await broker.publish('a', 'second', { retain: true });
  await until('the next message', () => heard.length >= 2);
  assert.deepEqual(heard, ['first', 'second']);
  // And subscribing while one is looked up.
  const [found] = await Promise.all([get(port, '/api/retained/b'), broker.subscribe('b', listener)]);
  assert.equal(found.status, 404);
  await broker.publish('b', 'third');
  await until('the last message', () => heard.length >= 3);
  assert.deepEqual(heard, ['first', 'second', 'third']);
});

test('GET /api/broker and /api/statistics tell what runs', async (t) => {
  const { port, tcpPort, broker } = await startBroker(t);
  const facts = JSON.parse((await get(port, '/api/broker')).body.toString());
  assert.equal(facts.name, 'RallyMQ');
  assert.match(facts.version, /^\d+\.\d+\.\d+/);
  assert.deepEqual([facts.port, facts.tcpPort, facts.path], [port, tcpPort, '/mqtt']);
  await broker.publish('a', 'b');
  const statistics = JSON.parse((await get(port, '/api/statistics')).body.toString());
  assert.ok(statistics.publishReceived >= 1);
  assert.ok(statistics.uptimeMs >= 0 && statistics.cpuUs > 0);
});

test('a broker that asks who connects tells nothing of its clients over HTTP', async (t) => {
  const { port, broker } = await startBroker(t, { authenticate: () => true });
  await broker.publish('secret', '42', { retain: true });
  for (const path of ['/api/statistics', '/api/retained/secret']) {
    const { status, body } = await get(port, path);
    assert.equal(status, 403, path);
    assert.doesNotMatch(body.toString(), /42/);
  }
  assert.equal((await get(port, '/')).status, 200);
});

test('without pages there are none, and health is still told', async (t) => {
  const { port } = await startBroker(t, { pages: false });
  for (const path of [...pages, '/assets/style.css', '/api/statistics', '/api/retained/a', '/api/broker']) {
    assert.equal((await get(port, path)).status, 404, path);
  }
  assert.equal((await get(port, '/healthz')).body.toString(), '{"status":"ok"}\n');
});
