import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../../core/config/resolve.ts';
import type { HttpAnswer, HttpQuestion } from '../../../core/http/answer.ts';
import type { Route, SiteSource } from '../../../core/http/route.ts';
import { findRoute, operatingRoutes, pageRoutes } from '../../../core/http/routes.ts';
import { Site } from '../../../core/http/site.ts';

const message = new TextEncoder().encode('40-30');

const source: SiteSource = {
  trouble: () => undefined,
  statistics: () => ({ connections: 3 }),
  retained: (topic) => Promise.resolve(topic === 'a/b ä' ? message : undefined),
  mayAnyoneReceive: () => true,
};

const question: HttpQuestion = {
  method: 'get',
  path: '/',
  host: 'localhost',
  acceptEncoding: '',
  ifNoneMatch: '',
  remoteAddress: '127.0.0.1',
  headBytes: 99,
};

function siteWith(options: object = {}, changed: Partial<SiteSource> = {}): Site {
  return new Site(resolveConfig(options), '9.9.9', { ...source, ...changed });
}

async function ask(site: Site, path: string, method = 'get'): Promise<HttpAnswer> {
  return await site.answer({ ...question, path, method });
}

async function statusOf(site: Site, path: string, method?: string): Promise<number> {
  return Number.parseInt((await ask(site, path, method)).status, 10);
}

test('each route answers GET and HEAD, and says of other methods what it has', async () => {
  const site = siteWith();
  for (const { path } of [...operatingRoutes, ...pageRoutes]) {
    const asked = path.replace('/*', '/a/b%20%C3%A4');
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

test('where clients must authenticate, what they could find out is not told', async () => {
  const site = siteWith({ authenticate: () => true });
  for (const { path, right } of [...operatingRoutes, ...pageRoutes]) {
    const expected = right === 'everyone' ? 200 : 403;
    assert.equal(await statusOf(site, path.replace('/*', '/a')), expected, path);
  }
});

test('without pages only what operators need is there', async () => {
  const site = siteWith({ pages: false });
  assert.equal(await statusOf(site, '/healthz'), 200);
  for (const { path } of pageRoutes) assert.equal(await statusOf(site, path.replace('/*', '/a')), 404, path);
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
  release?.();
  assert.equal(await first, 404);
  assert.equal(await statusOf(slow, '/api/retained/a'), 404);
});

test('answers that clients do not take have a bound in bytes, and one goes alone', async () => {
  const payload = new Uint8Array(3_000);
  const site = siteWith(
    { limits: { httpAnswersBytesMax: 5_000 } },
    { retained: () => Promise.resolve(payload) },
  );
  const first = await ask(site, '/api/retained/a');
  assert.equal(first.status, '200 OK');
  assert.equal(await statusOf(site, '/api/retained/a'), 503);
  first.onOver?.();
  assert.equal(await statusOf(site, '/api/retained/a'), 200);
  const small = siteWith(
    { limits: { httpAnswersBytesMax: 1_024 } },
    { retained: () => Promise.resolve(payload) },
  );
  assert.equal(await statusOf(small, '/api/retained/a'), 200);
  assert.equal(await statusOf(small, '/api/retained/a'), 503);
  assert.equal(await statusOf(small, '/'), 200);
});

test('a path has the routes of its methods', () => {
  const handle = (): HttpAnswer => ({ status: '200 OK', headers: [], body: new Uint8Array() });
  const get: Route = { method: 'get', path: '/a/*', right: 'everyone', handle };
  assert.deepEqual(findRoute([get], 'get', '/a/b/c'), { route: get, below: 'b/c' });
  assert.deepEqual(findRoute([get], 'head', '/a/'), { route: get, below: '' });
  assert.deepEqual(findRoute([get], 'put', '/a/b'), { methods: ['get', 'head'] });
  assert.equal(findRoute([get], 'get', '/a'), undefined);
  assert.equal(findRoute([get], 'get', '/ab'), undefined);
});

test('what the rules do not let everybody have is answered with 403', async () => {
  const site = siteWith({}, { mayAnyoneReceive: (topic) => topic === 'a/b ä' });
  assert.equal(await statusOf(site, '/api/retained/a/b%20%C3%A4'), 200);
  assert.equal(await statusOf(site, '/api/retained/a/b'), 403);
  assert.equal(await statusOf(site, '/api/statistics'), 403);
  const withSys = siteWith({}, { mayAnyoneReceive: (topic) => topic.startsWith('$SYS/') });
  assert.equal(await statusOf(withSys, '/api/statistics'), 200);
});
