import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpAnswer } from '../../../core/http/answer.ts';
import type { Route, SiteSource } from '../../../core/http/route.ts';
import { operatingRoutes, pageRoutes, RouteTable } from '../../../core/http/routes.ts';
import type { Site } from '../../../core/http/site.ts';
import { adminKey, plainQuestion, siteWith as quietSite } from '../../support/api-site.ts';

const message = new TextEncoder().encode('40-30');
const retainedMessage = { topic: 'a/b ä', payload: message, qos: 1, retain: true, properties: {} } as const;

/** What browsers and load balancers ask for, without a key. */
const openRoutes = [
  ...operatingRoutes.filter(({ path }) => !path.startsWith('/api/v1/') && path !== '/sse'),
  ...pageRoutes,
];

function siteWith(options: object = {}, changed: Partial<SiteSource> = {}): Site {
  const retained = (topic: string) => Promise.resolve(topic === 'a/b ä' ? retainedMessage : undefined);
  return quietSite(options, { retained, ...changed });
}

async function ask(site: Site, path: string, method = 'get'): Promise<HttpAnswer> {
  return await site.answer({ ...plainQuestion, path, method });
}

async function statusOf(site: Site, path: string, method?: string): Promise<number> {
  return Number.parseInt((await ask(site, path, method)).status, 10);
}

test('each route answers GET and HEAD, and says of other methods what it has', async () => {
  const site = siteWith();
  for (const { path } of openRoutes) {
    const asked = path.replace('{topic+}', 'a/b%20%C3%A4');
    assert.equal(await statusOf(site, asked), 200, asked);
    assert.equal(await statusOf(site, asked, 'head'), 200, asked);
    const { status, headers } = await ask(site, asked, 'post');
    assert.match(status, /^405 /);
    assert.deepEqual(
      headers.find(([name]) => name === 'allow'),
      ['allow', 'GET, HEAD'],
    );
  }
});

test('what is asked for is answered', async () => {
  const site = siteWith();
  assert.deepEqual(JSON.parse(Buffer.from((await ask(site, '/api/statistics')).body).toString()), {
    connections: 3,
  });
  assert.deepEqual((await ask(site, '/api/retained/a/b%20%C3%A4')).body, message);
  assert.equal(await statusOf(site, '/api/retained/a/c'), 404);
  assert.equal(await statusOf(site, '/api/retained/'), 400);
  assert.equal(await statusOf(site, '/api/retained/%ff'), 400);
  assert.equal(await statusOf(site, '/api/retained/a/%23'), 400);
  assert.equal(await statusOf(site, '/api/retained'), 404);
  assert.equal(await statusOf(site, '/nothing'), 404);
  assert.equal(await statusOf(site, '/nothing', 'delete'), 405);
  assert.equal(await statusOf(site, '/mqtt'), 426);
});

test("at MQTT's path, and where there is nothing, any page may read why it cannot connect", async () => {
  const site = siteWith();
  for (const [path, more, expected, sentence] of [
    ['/mqtt', {}, 426, /sub-protocol "mqtt"/],
    ['/mqtt', { origin: 'http://localhost:3000' }, 426, /sub-protocol "mqtt"/],
    ['/mqtt', { origin: 'https://evil.example' }, 403, /origin https:\/\/evil\.example may not connect/],
    ['/mqtt', { forwardedBy: 'Via' }, 403, /through a proxy \(Via\)/],
    ['/mqttx', { origin: 'https://evil.example' }, 404, /nothing here/],
  ] as const) {
    const { status, headers, body } = await site.answer({ ...plainQuestion, path, ...more });
    assert.equal(Number.parseInt(status, 10), expected);
    assert.match(Buffer.from(body).toString(), sentence);
    const allowed = headers.filter(([name]) => name.startsWith('access-control-'));
    assert.deepEqual(allowed, [['access-control-allow-origin', '*']]);
  }
});

test('where clients must authenticate, what they could find out is not told', async () => {
  const site = siteWith({ authenticate: () => true });
  for (const { path, right } of openRoutes) {
    const expected = right === 'everyone' ? 200 : right === 'observer' ? 401 : 403;
    assert.equal(await statusOf(site, path.replace('{topic+}', 'a')), expected, path);
  }
});

test('a broker of this machine tells a page nothing whose name leads to this machine', async () => {
  const site = siteWith();
  const statusFor = async (path: string, host: string, more: object = {}): Promise<number> => {
    const { status } = await site.answer({ ...plainQuestion, path, query: 'topic=a', host, ...more });
    return Number.parseInt(status, 10);
  };
  for (const path of ['/sse', '/api/statistics', '/api/retained/a/b%20%C3%A4']) {
    for (const host of [
      'localhost:8080',
      'LOCALHOST',
      'app.localhost',
      '127.0.0.1:8080',
      '[::1]:8080',
      'a',
      '',
    ])
      assert.equal(await statusFor(path, host), 200, `${path} ${host}`);
    for (const host of ['evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example', 'evil.'])
      assert.equal(await statusFor(path, host), 403, `${path} ${host}`);
    assert.equal(await statusFor(path, 'broker.example', { remoteAddress: 'unix' }), 200, path);
  }
  const open = siteWith({ host: '0.0.0.0', allowAnonymous: true });
  const { status } = await open.answer({ ...plainQuestion, path: '/api/statistics', host: 'broker.example' });
  assert.equal(status, '200 OK');
});

test('without pages only what operators need is there', async () => {
  const site = siteWith({ pages: false });
  assert.equal(await statusOf(site, '/healthz'), 200);
  for (const { path } of pageRoutes)
    assert.equal(await statusOf(site, path.replace('{topic+}', 'a')), 404, path);
});

test('whatever goes wrong below /api/v1 and at /sse is a problem', async () => {
  const failing = siteWith({}, { statistics: () => assert.fail(), metrics: () => assert.fail() });
  for (const [status, path, method] of [
    [404, '/api/v1', 'get'],
    [404, '/api/v1/nothing', 'get'],
    [405, '/api/v1/clients', 'post'],
    [404, '/api/v1/nothing', 'post'],
    [405, '/sse', 'post'],
    [503, '/api/v1/stats', 'get'],
  ] as const) {
    const answer = await failing.answer({
      ...plainQuestion,
      path,
      method,
      authorization: `Bearer ${adminKey}`,
    });
    assert.equal(Number.parseInt(answer.status, 10), status, path);
    assert.deepEqual(answer.headers[0], ['content-type', 'application/problem+json'], path);
    const { detail, ...problem } = JSON.parse(Buffer.from(answer.body).toString()) as Record<string, unknown>;
    assert.deepEqual([problem['status'], typeof detail], [status, 'string'], path);
  }
});

test('a broker that cannot say is busy, and one that is asked too much at once', async () => {
  const fails = (): never => {
    throw new Error('not running');
  };
  const failing = siteWith({}, { statistics: fails, retained: () => Promise.reject(new Error('stopped')) });
  assert.equal(await statusOf(failing, '/api/statistics'), 503);
  assert.equal(await statusOf(failing, '/api/retained/a'), 503);

  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = siteWith({ limits: { httpPendingMax: 1 } }, { retained: () => held.then(() => undefined) });
  const first = statusOf(slow, '/api/retained/a');
  assert.equal(await statusOf(slow, '/api/retained/a'), 503);
  for (const path of ['/livez', '/healthz', '/readyz']) assert.equal(await statusOf(slow, path), 200, path);
  release?.();
  assert.equal(await first, 404);
  assert.equal(await statusOf(slow, '/api/retained/a'), 404);
});

test('while too much is asked nobody is authenticated', async () => {
  const waiting: (() => void)[] = [];
  const signIn = () =>
    new Promise<'refused'>((resolve) => {
      waiting.push(() => resolve('refused'));
    });
  const site = siteWith({ limits: { httpPendingMax: 2 }, passwordFile: 'users' }, { signIn });
  const authorization = 'Basic bGVlOng=';
  const asked = [1, 2, 3].map(() => site.answer({ ...plainQuestion, path: '/sse', authorization }));
  assert.equal(waiting.length, 2);
  for (const settle of waiting) settle();
  const statuses = (await Promise.all(asked)).map(({ status }) => Number.parseInt(status, 10));
  assert.deepEqual(statuses, [401, 401, 503]);
});

test('answers that clients do not take have a bound in bytes, and one goes alone', async () => {
  const payload = new Uint8Array(3_000);
  const site = siteWith(
    { limits: { httpAnswersBytesMax: 5_000 } },
    { retained: () => Promise.resolve({ ...retainedMessage, payload }) },
  );
  const first = await ask(site, '/api/retained/a');
  assert.equal(first.status, '200 OK');
  assert.equal(await statusOf(site, '/api/retained/a'), 503);
  first.onOver?.();
  assert.equal(await statusOf(site, '/api/retained/a'), 200);
  const small = siteWith(
    { limits: { httpAnswersBytesMax: 1_024 } },
    { retained: () => Promise.resolve({ ...retainedMessage, payload }) },
  );
  assert.equal(await statusOf(small, '/api/retained/a'), 200);
  assert.equal(await statusOf(small, '/api/retained/a'), 503);
  for (const path of ['/', '/livez', '/healthz', '/readyz'])
    assert.equal(await statusOf(small, path), 200, path);
});

test('a path has the routes of its methods', () => {
  const handle = (): HttpAnswer => ({ status: '200 OK', headers: [], body: new Uint8Array() });
  const routes = ['/a/{rest+}', '/b/{one}/c', '/b.d'].map(
    (path): Route => ({ method: 'get', path, right: 'everyone', handle }),
  );
  const table = new RouteTable(routes);
  const valuesOf = (path: string, method = 'get'): readonly string[] | undefined => {
    const found = table.find(method, path);
    return found === undefined || 'methods' in found ? undefined : found.values;
  };
  assert.deepEqual(valuesOf('/a/b/c'), ['b/c']);
  assert.deepEqual(valuesOf('/a/', 'head'), ['']);
  assert.deepEqual(valuesOf('/b/x%2Fy/c'), ['x%2Fy']);
  assert.deepEqual(valuesOf('/b.d'), []);
  assert.deepEqual(table.find('put', '/a/b'), { methods: ['get', 'head'] });
  for (const path of ['/a', '/ab', '/b/x/y/c', '/b//c', '/bxd'])
    assert.equal(table.find('get', path), undefined, path);
});

test('what a client may not have although everyone may connect is answered with 403', async () => {
  for (const options of [
    { listeners: [{ port: 1, topicPrefix: 'acme/' }] },
    { authorizeSubscribe: () => true, allowAnonymous: true },
  ])
    for (const path of ['/api/retained/a', '/api/statistics'])
      assert.equal(await statusOf(siteWith(options), path), 403, path);
});

test('what the rules do not let everybody have is answered with 403', async () => {
  const site = siteWith({}, { mayAnyoneReceive: (topic) => topic === 'a/b ä' });
  assert.equal(await statusOf(site, '/api/retained/a/b%20%C3%A4'), 200);
  assert.equal(await statusOf(site, '/api/retained/a/b'), 403);
  assert.equal(await statusOf(site, '/api/statistics'), 403);
  const withSys = siteWith({}, { mayAnyoneReceive: (topic) => topic.startsWith('$SYS/') });
  assert.equal(await statusOf(withSys, '/api/statistics'), 200);
});
