/** The HTTP API with a broker that is played here: each route with good, refused and bad input. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerError } from '../../../core/broker-error.ts';
import type { NodeQuestion, OtherNodes } from '../../../core/cluster/node-messages.ts';
import type { PublishOptions } from '../../../core/host/host-message.ts';
import { textAnswer } from '../../../core/http/answer.ts';
import { Idempotency } from '../../../core/http/idempotency.ts';
import type { SiteSource } from '../../../core/http/route.ts';
import { routePathOf } from '../../../core/http/route-path.ts';
import { apiRoutes } from '../../../core/http/routes.ts';
import type { Site } from '../../../core/http/site.ts';
import type { ApiCaller } from '../../../core/security/api-caller.ts';
import { apiScopes } from '../../../core/security/api-scope.ts';
import type { HttpCredentials, SignInRefusal } from '../../../core/security/sign-in.ts';
import type { ClientQuery, ClientState } from '../../../core/sessions/client-list.ts';
import { altered } from '../../support/altered.ts';
import { adminKey, ask, keyWith, siteWith } from '../../support/api-site.ts';

const ada: ClientState = {
  session: 7,
  worker: 1,
  client: {
    clientId: 'ada/1',
    protocolVersion: 5,
    transport: 'ws',
    remoteAddress: '192.0.2.1',
    username: 'ada',
  },
  isConnected: true,
  forMs: 5_000,
  endsInMs: undefined,
};
const subscription = {
  topicFilter: 'a/+',
  qos: 1,
  noLocal: true,
  retainAsPublished: false,
  subscriptionId: 3,
} as const;

interface Published {
  readonly topic: string;
  readonly payload: string;
  readonly options: PublishOptions;
}

/** A site that keeps what it publishes. */
function publishingSite(reasonCode = 0, mayPublish = (_topic: string) => true) {
  const published: Published[] = [];
  const site = siteWith(
    {},
    {
      publish: (topic, payload, options) => {
        published.push({ topic, payload: Buffer.from(payload).toString(), options });
        return Promise.resolve(reasonCode);
      },
      mayPublish: (_key, topic) => mayPublish(topic),
    },
  );
  return { site, published };
}

const dashboardId = 'dashboard-0123456789abcdef';

// A path and a body with which each route does what it is for.
const examples: Readonly<Record<string, readonly [path: string, body?: unknown]>> = {
  'post /api/v1/publish': ['/api/v1/publish', { topic: 'a' }],
  'post /api/v1/publish/bulk': ['/api/v1/publish/bulk', [{ topic: 'a' }]],
  'get /sse': ['/sse?topic=a'],
  'get /api/v1/clients': ['/api/v1/clients'],
  'get /api/v1/clients/{clientid}': ['/api/v1/clients/ada%2F1'],
  'delete /api/v1/clients/{clientid}': ['/api/v1/clients/ada%2F1'],
  'get /api/v1/clients/{clientid}/subscriptions': ['/api/v1/clients/ada%2F1/subscriptions'],
  'post /api/v1/clients/{clientid}/subscriptions': ['/api/v1/clients/ada%2F1/subscriptions', { topic: 'a' }],
  'delete /api/v1/clients/{clientid}/subscriptions': ['/api/v1/clients/ada%2F1/subscriptions?topic=a/%2B'],
  'get /api/v1/nodes': ['/api/v1/nodes'],
  'get /api/v1/slow-subscriptions': ['/api/v1/slow-subscriptions'],
  'get /api/v1/banned': ['/api/v1/banned'],
  'post /api/v1/banned': ['/api/v1/banned', { as: 'clientid', who: 'a' }],
  'delete /api/v1/banned/{as}/{who}': ['/api/v1/banned/clientid/a%2Fb'],
  'get /api/v1/clients/{clientid}/events': ['/api/v1/clients/ada%2F1/events'],
  'get /api/v1/subscriptions': ['/api/v1/subscriptions?match_topic=a'],
  'get /api/v1/topics': ['/api/v1/topics?prefix=a'],
  'get /api/v1/retained': ['/api/v1/retained'],
  'get /api/v1/retained/{topic}': ['/api/v1/retained/a/b'],
  'put /api/v1/retained/{topic}': ['/api/v1/retained/a/b', { payload: 'x' }],
  'delete /api/v1/retained/{topic}': ['/api/v1/retained/a/b'],
  'get /api/v1/traces': ['/api/v1/traces'],
  'post /api/v1/traces': ['/api/v1/traces', { clientid: 'ada' }],
  'get /api/v1/traces/{id}': ['/api/v1/traces/t1'],
  'delete /api/v1/traces/{id}': ['/api/v1/traces/t1'],
  'post /api/v1/traces/{id}/stop': ['/api/v1/traces/t1/stop'],
  'get /api/v1/traces/{id}/log': ['/api/v1/traces/t1/log'],
  'get /api/v1/traces/{id}/events': ['/api/v1/traces/t1/events'],
  'get /api/v1/stats': ['/api/v1/stats'],
  'get /api/v1/overview': ['/api/v1/overview'],
  'post /api/v1/dashboard/ticket': ['/api/v1/dashboard/ticket', { clientid: dashboardId }],
  'get /api/v1/config': ['/api/v1/config'],
  'post /api/v1/config/reload': ['/api/v1/config/reload'],
  'put /api/v1/log-level': ['/api/v1/log-level', { level: 'debug' }],
  'post /api/v1/drain': ['/api/v1/drain'],
  'get /api/v1/openapi.json': ['/api/v1/openapi.json'],
};

const inTwo = {
  epoch: 9,
  isReached: true,
  isSettled: true,
  clientIdentifiers: 3,
  messagesResent: 0,
  logsNotTakenOver: 1,
  lanes: new Map([
    ['b', { waitingBytes: 1, waitingMs: 2, framesSent: 3, framesResent: 4, bytesSent: 5, bytesReceived: 6 }],
  ]),
  nodes: [
    { name: 'a', incarnation: 1, isHere: true, state: 'serving', workers: 2, slots: 517 },
    {
      name: 'b',
      incarnation: 2,
      isHere: false,
      state: 'suspect',
      workers: 2,
      slots: 507,
      takeOver: { failed: 2, reason: 'the disk here is full or has failed' },
    },
  ],
} as const;

const trace = {
  id: 't1',
  target: { kind: 'client', clientId: 'ada' },
  startedAtMs: 0,
  endsAtMs: 600_000,
  payloadBytesMax: 0,
  endedBy: undefined,
  lines: [{ text: '{"event":"published"}', payload: { topic: 'secret', members: '"payload":"x"' } }],
  bytes: 21,
} as const;

const helpful = {
  traces: () => [trace],
  trace: (id: string) => (id === 't1' ? trace : undefined),
  startTrace: () => trace,
  stopTrace: (id: string) => id === 't1',
  deleteTrace: (id: string) => id === 't1',
  client: (id: string) => (id === 'ada/1' ? ada : undefined),
  clients: () => ({ rows: [ada], cursor: undefined }),
  events: (id: string) =>
    id === 'ada/1' ? [{ atMs: 0, kind: 'connected', detail: 'So.' } as const] : undefined,
  cluster: () => inTwo,
  disconnect: (id: string) => id === 'ada/1',
  unsubscribe: (_client: ClientState, filter: string) => Promise.resolve(filter === 'a/+'),
  liftBan: (kind: string, value: string) => kind === 'clientId' && value === 'a/b',
  retained: (topic: string) =>
    Promise.resolve(
      topic === 'a/b'
        ? ({ topic, payload: new Uint8Array([0xff]), qos: 1, retain: true, properties: {} } as const)
        : undefined,
    ),
};

test('each route of the table has an example here, answers it as it says, and needs its scope', async () => {
  assert.deepEqual(
    apiRoutes.map(({ method, path }) => `${method} ${routePathOf(path).shown}`).sort(),
    Object.keys(examples).sort(),
  );
  const site = siteWith({}, helpful);
  for (const { method, path, right, operation } of apiRoutes) {
    const name = `${method} ${routePathOf(path).shown}`;
    const [url = '', body] = examples[name] ?? [];
    const { status } = await ask(site, url, { method, body });
    assert.ok(status >= 200 && status < 300, `${name}: ${status}`);
    assert.ok(
      operation !== undefined && Object.hasOwn(operation.answers, status),
      `${name} does not say ${status}`,
    );
    if (right === 'everyone') continue;
    for (const scope of apiScopes) {
      const asked = await ask(site, url, { method, body, key: keyWith(scope) });
      assert.equal(asked.status, scope === right ? status : 403, `${name} with ${scope}`);
    }
  }
});

test('without a key, with one that nobody has and without a file of keys nothing is told', async () => {
  const site = siteWith({}, helpful);
  const closed = siteWith({}, { ...helpful, apiKeys: () => undefined });
  for (const { method, path, right } of apiRoutes) {
    const [url = '', body] = examples[`${method} ${routePathOf(path).shown}`] ?? [];
    if (right === 'everyone') continue;
    const without = await ask(site, url, { method, body, key: undefined });
    if (right === 'subscribe') {
      assert.equal(without.status, 200, 'where everyone may connect');
    } else {
      assert.equal(without.status, 401);
      assert.match(JSON.stringify(without.body), /Authorization: Bearer KEY/);
      assert.ok(without.answer.headers.some(([name]) => name === 'www-authenticate'));
    }
    assert.equal((await ask(site, url, { method, body, key: 'rmq_other', remoteAddress: url })).status, 401);
    const refused = await ask(closed, url, { method, body });
    assert.equal(refused.status, 403);
    assert.match(JSON.stringify(refused.body), /--api-keys FILE/);
  }
});

test('whoever tries keys is slowed down, and others are not', async () => {
  const site = siteWith();
  for (let tries = 0; tries < 20; tries++)
    assert.equal((await ask(site, '/api/v1/stats', { key: `rmq_${tries}` })).status, 401);
  assert.equal((await ask(site, '/api/v1/stats')).status, 429);
  assert.equal((await ask(site, '/api/v1/stats', { remoteAddress: '192.0.2.9' })).status, 200);
});

test('other addresses of the same IPv6 network are slowed down too', async () => {
  const site = siteWith();
  for (let tries = 1; tries <= 20; tries++)
    await ask(site, '/api/v1/stats', { key: 'rmq_wrong', remoteAddress: `2001:db8:1:2::${tries}` });
  assert.equal((await ask(site, '/api/v1/stats', { remoteAddress: '2001:db8:1:2:3::9' })).status, 429);
  assert.equal((await ask(site, '/api/v1/stats', { remoteAddress: '2001:db8:1:3::1' })).status, 200);
});

const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

test('a user asks with its password or token, and has its scopes; whoever is refused is told why', async () => {
  const asked: HttpCredentials[] = [];
  const users: Readonly<Record<string, ApiCaller | SignInRefusal>> = {
    ada: { name: 'ada', scopes: new Set(['read', 'publish']), user: { username: 'ada' } },
    kim: 'banned',
    lee: 'tenant',
    ann: 'unavailable',
  };
  const published: string[] = [];
  const source = {
    signIn: (credentials: HttpCredentials) => {
      asked.push(credentials);
      return Promise.resolve(users[credentials.username ?? credentials.token ?? ''] ?? 'refused');
    },
    publish: (topic: string) => {
      published.push(topic);
      return Promise.resolve(0);
    },
    mayPublish: ({ user }: ApiCaller, topic: string) => user?.username === 'ada' && topic !== 'closed',
  };
  const site = siteWith({ passwordFile: 'users' }, source);
  const statusOf = async (path: string, authorization: string, body?: unknown) => {
    const method = body === undefined ? 'get' : 'post';
    return (await ask(site, path, { method, body, authorization })).status;
  };
  assert.equal(await statusOf('/api/v1/stats', basic('ada', 'a:secret')), 200);
  const { username, password, token } = asked[0] ?? {};
  assert.deepEqual([username, `${password}`, token], ['ada', 'a:secret', undefined]);
  assert.equal(await statusOf('/api/v1/stats', 'bearer ada'), 200);
  assert.deepEqual(asked[1], { remoteAddress: '127.0.0.1', token: 'ada' });
  assert.equal(await statusOf('/api/v1/config', basic('ada', '')), 403);
  assert.equal(await statusOf('/api/v1/publish', basic('ada', ''), { topic: 'open' }), 200);
  assert.equal(await statusOf('/api/v1/publish', basic('ada', ''), { topic: 'closed' }), 403);
  assert.equal(await statusOf('/api/v1/publish', basic('bob', ''), { topic: 'open' }), 401);
  assert.deepEqual(published, ['open']);
  assert.equal(await statusOf('/api/v1/stats', basic('kim', '')), 403);
  assert.equal(await statusOf('/api/v1/stats', basic('lee', '')), 403);
  assert.equal(await statusOf('/api/v1/stats', basic('ann', '')), 503);
  const before = asked.length;
  for (const authorization of ['Basic', 'Basic YQ==', 'Digest YTpi', 'Bearer a b'])
    assert.equal(await statusOf('/api/v1/stats', authorization), 401, authorization);
  assert.equal(await statusOf('/api/v1/stats', 'Bearer rmq_x'), 401);
  assert.equal(asked.length, before, 'a key is no token');
  const { answer } = await ask(site, '/api/v1/stats', { authorization: basic('bob', '') });
  const challenges = answer.headers.filter(([name]) => name === 'www-authenticate').map(([, value]) => value);
  assert.match(challenges.join(), /^Bearer /, 'no browser asks for a password');
});

test('whoever guesses passwords is slowed down, and a broker without users asks nobody', async () => {
  const site = siteWith({ passwordFile: 'users' });
  const authorization = basic('bob', 'guess');
  for (let tries = 0; tries < 20; tries++)
    assert.equal((await ask(site, '/api/v1/stats', { authorization })).status, 401);
  assert.equal((await ask(site, '/api/v1/stats', { authorization })).status, 429);
  const open = siteWith({}, { signIn: () => assert.fail('it has no users') });
  assert.equal((await ask(open, '/api/v1/stats', { authorization })).status, 401);
  assert.equal((await ask(open, '/sse?topic=a', { authorization })).status, 401);
});

test('a message is published with all that it has', async () => {
  const { site, published } = publishingSite();
  const properties = {
    payload_format_indicator: 1,
    message_expiry_interval: 60,
    content_type: 'text/plain',
    response_topic: 'answers',
    correlation_data: 'AQI=',
    user_properties: { a: '1', b: ['2', '3'] },
  };
  const { status, body } = await ask(site, '/api/v1/publish', {
    method: 'post',
    body: { topic: 'a/b', payload: 'aGk=', payload_encoding: 'base64', qos: 2, retain: true, properties },
  });
  assert.equal(status, 200);
  assert.match((body as { id: string }).id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(published, [
    {
      topic: 'a/b',
      payload: 'hi',
      options: {
        qos: 2,
        retain: true,
        properties: {
          payloadFormatIndicator: 1,
          messageExpiryInterval: 60,
          contentType: 'text/plain',
          responseTopic: 'answers',
          correlationData: Buffer.from([1, 2]),
          userProperties: [
            ['a', '1'],
            ['b', '2'],
            ['b', '3'],
          ],
        },
      },
    },
  ]);
});

test('202 says that nobody subscribes', async () => {
  const { site } = publishingSite(0x10);
  const one = await ask(site, '/api/v1/publish', { method: 'post', body: { topic: 'a', qos: 1 } });
  assert.equal(one.status, 202);
  assert.equal((one.body as { reason_code: string }).reason_code, 'noMatchingSubscribers');
  assert.equal(
    (await ask(site, '/api/v1/publish/bulk', { method: 'post', body: [{ topic: 'a' }] })).status,
    202,
  );
});

test('a message that is not right is not published, and the answer says why', async () => {
  const { site, published } = publishingSite();
  const bad: [unknown, RegExp][] = [
    ['{', /JSON/],
    [[], /object/],
    [{}, /topic/],
    [{ topic: '' }, /topic/],
    [{ topic: 'a/#' }, /topic/],
    [{ topic: '$SYS/broker/uptime' }, /topic/],
    [{ topic: 'a\0' }, /topic/],
    [{ topic: 'a', qos: 3 }, /qos/],
    [{ topic: 'a', retain: 1 }, /retain/],
    [{ topic: 'a', payload: 1 }, /payload/],
    [{ topic: 'a', payload: '?', payload_encoding: 'base64' }, /base64/],
    [{ topic: 'a', payload_encoding: 'hex' }, /payload_encoding/],
    [{ topic: 'a', properties: { topic_alias: 1 } }, /topic_alias/],
    [{ topic: 'a', properties: { __proto__: 1, toString: 'x' } }, /toString/],
    [{ topic: 'a', properties: { message_expiry_interval: -1 } }, /message_expiry_interval/],
    [{ topic: 'a', properties: { response_topic: 'a/+' } }, /response_topic/],
    [{ topic: 'a', properties: { user_properties: { a: 1 } } }, /user_properties/],
    [{ topic: 'a', clientid: 'x' }, /clientid/],
  ];
  for (const [body, sentence] of bad) {
    const asked = await ask(site, '/api/v1/publish', { method: 'post', body });
    assert.equal(asked.status, 400, JSON.stringify(body));
    assert.match((asked.body as { detail: string }).detail, sentence);
    assert.ok(asked.answer.headers.some(([, value]) => value === 'application/problem+json'));
  }
  const many = Array.from({ length: 1_001 }, () => ({ topic: 'a' }));
  const deep = { topic: 'x/'.repeat(200) };
  for (const body of [[], {}, many, [{ topic: 'a' }, { topic: '#' }], [{ topic: 'a' }, deep]])
    assert.equal((await ask(site, '/api/v1/publish/bulk', { method: 'post', body })).status, 400);
  assert.deepEqual(published, []);
});

test('the rules hold for what is published', async () => {
  const { site, published } = publishingSite(0, (topic) => topic !== 'secret');
  const body = { topic: 'secret' };
  assert.equal((await ask(site, '/api/v1/publish', { method: 'post', body })).status, 403);
  assert.equal(
    (await ask(site, '/api/v1/publish/bulk', { method: 'post', body: [{ topic: 'a' }, body] })).status,
    403,
  );
  assert.equal(
    (await ask(site, '/api/v1/retained/secret', { method: 'put', body: { payload: 'x' } })).status,
    403,
  );
  assert.equal((await ask(site, '/api/v1/retained/secret', { method: 'delete' })).status, 403);
  assert.deepEqual(published, []);
});

test('what the broker refuses is said of one, and of each of many', async () => {
  const site = siteWith(
    {},
    {
      publish: (topic) =>
        topic === 'a' ? Promise.resolve(0) : Promise.reject(new BrokerError('HOST_PUBLISH_REFUSED', 'No.')),
    },
  );
  assert.equal((await ask(site, '/api/v1/publish', { method: 'post', body: { topic: 'b' } })).status, 403);
  const many = await ask(site, '/api/v1/publish/bulk', {
    method: 'post',
    body: [{ topic: 'a' }, { topic: 'b' }],
  });
  assert.equal(many.status, 207);
  assert.match(
    JSON.stringify(many.body),
    /^\[\{"id":"[^"]+"\},\{"reason_code":"notAuthorized","message":"No."\}\]$/,
  );
});

test('an Idempotency-Key publishes once, also of two at the same time', async () => {
  const { site, published } = publishingSite();
  const send = (body: unknown) =>
    ask(site, '/api/v1/publish', { method: 'post', body, idempotencyKey: 'k1' });
  const [first, second] = await Promise.all([send({ topic: 'a' }), send({ topic: 'a' })]);
  assert.deepEqual([first.status, second.status], [200, 409]);
  const third = await send({ topic: 'a' });
  assert.deepEqual(third.body, first.body);
  assert.equal((await send({ topic: 'b' })).status, 422);
  assert.equal(published.length, 1);
});

test('a request with an Idempotency-Key that takes long is not forgotten before it is answered', async () => {
  let nowMs = 0;
  const idempotency = new Idempotency(() => nowMs);
  const request = { caller: 'key shop', path: '/api/v1/publish', body: {} };
  const answer = textAnswer('200 OK', 'done');
  let finish = (): void => {};
  const slow = idempotency.once({ ...request, key: 'slow' }, async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return answer;
  });
  nowMs = 700_000;
  await idempotency.once({ ...request, key: 'other' }, async () => answer);
  const again = await idempotency.once({ ...request, key: 'slow' }, () => assert.fail('done twice'));
  assert.match(again.status, /^409 /);
  finish();
  assert.deepEqual((await slow).body, answer.body);
});

test('lists have filters, limits and a cursor', async () => {
  const queries: ClientQuery[] = [];
  const site = siteWith(
    {},
    {
      clients: (query) => {
        queries.push(query);
        return { rows: [ada], cursor: 7 };
      },
    },
  );
  const asked = await ask(
    site,
    '/api/v1/clients?limit=1&cursor=3&like_clientid=AD&username=ada&like_username=D&ip_address=::ffff:192.0.2.1&conn_state=connected&proto_ver=5',
  );
  assert.deepEqual(queries, [
    {
      after: 3,
      limit: 1,
      clientIdPart: 'AD',
      username: 'ada',
      usernamePart: 'D',
      remoteAddress: '192.0.2.1',
      isConnected: true,
      protocolVersion: 5,
    },
  ]);
  const { data, meta } = asked.body as { data: Record<string, unknown>[]; meta: unknown };
  assert.deepEqual(meta, { limit: 1, hasnext: true, cursor: '7' });
  assert.equal(data[0]?.['clientid'], 'ada/1');
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=x',
    'cursor=-1',
    'conn_state=x',
    'proto_ver=6',
    'page=2',
  ])
    assert.equal((await ask(site, `/api/v1/clients?${query}`)).status, 400, query);
});

test('a client has figures, subscriptions, events and an end', async () => {
  const ended: unknown[] = [];
  const site = siteWith(
    {},
    {
      ...helpful,
      figures: () =>
        Promise.resolve({
          subscriptions: 1,
          subscriptionBytes: 2,
          queued: 3,
          inFlight: 4,
          heldBytes: 5,
          qos2Pending: 6,
          unsentBytes: 7,
          expirySeconds: 8,
          keepAliveMs: 9,
          bytesReceived: 10,
          bytesSent: 11,
          messagesReceived: 12,
          messagesSent: 13,
        }),
      dropsOf: (id) => (id === 'ada/1' ? { messages: 14, atMs: 0, reason: 'queue_full' } : undefined),
      subscriptions: (_client, below = 3, max) => {
        const rest = Math.max(0, below - max);
        return Promise.resolve({
          rest: rest === 0 ? undefined : rest,
          rows: Array.from({ length: below - rest }, () => subscription),
        });
      },
      disconnect: (id, keepsSession, { name }) => {
        ended.push([id, keepsSession, name]);
        return id === 'ada/1';
      },
    },
  );
  const { body } = await ask(site, '/api/v1/clients/ada%2F1');
  const {
    mqueue_len: queued,
    recv_oct,
    send_oct,
    recv_msg,
    send_msg,
    ...more
  } = body as Record<string, unknown>;
  assert.deepEqual(
    [queued, recv_oct, send_oct, recv_msg, send_msg, more['send_msg.dropped']],
    [3, 10, 11, 12, 13, 14],
  );
  const first = (await ask(site, '/api/v1/clients/ada%2F1/subscriptions?limit=2')).body as {
    data: unknown[];
    meta: { cursor: string };
  };
  assert.deepEqual(first.data[0], { topic: 'a/+', qos: 1, nl: 1, rap: 0, subid: 3 });
  assert.equal(first.data.length, 2);
  const rest = await ask(site, `/api/v1/clients/ada%2F1/subscriptions?limit=2&cursor=${first.meta.cursor}`);
  assert.deepEqual((rest.body as { meta: unknown }).meta, { limit: 2, hasnext: false });
  const end = (query: string) => ask(site, `/api/v1/clients/ada%2F1${query}`, { method: 'delete' });
  assert.equal((await end('')).status, 204);
  assert.equal((await end('?keep_session=true')).status, 204);
  assert.equal((await end('?keep_session=maybe')).status, 400);
  assert.deepEqual(ended, [
    ['ada/1', false, 'admin'],
    ['ada/1', true, 'admin'],
  ]);
  for (const path of ['', '/subscriptions', '/events'])
    assert.equal((await ask(site, `/api/v1/clients/bob${path}`)).status, 404);
  assert.equal((await ask(site, '/api/v1/clients/bob', { method: 'delete' })).status, 404);
  assert.equal((await ask(site, '/api/v1/clients/%ff')).status, 400);
  // Programs remove such segments from paths: the name is in the query.
  for (const path of ['', '/subscriptions', '/events'])
    assert.equal((await ask(site, `/api/v1/clients/-${path}?clientid=ada%2F1`)).status, 200, path);
  assert.equal((await ask(site, '/api/v1/clients/ada%2F1?clientid=..')).status, 200);
  assert.match(JSON.stringify((await ask(site, '/api/v1/clients/-?clientid=..')).body), /'\.\.'/);
  const unsubscribed = '/api/v1/clients/-/subscriptions?clientid=ada/1&topic=a/%2B';
  assert.equal((await ask(site, unsubscribed, { method: 'delete' })).status, 204);
  assert.equal((await ask(site, '/api/v1/banned/clientid/-?who=a/b', { method: 'delete' })).status, 204);
  assert.equal((await ask(site, '/api/v1/retained/-?topic=a/b')).status, 200);
  assert.equal((await ask(site, '/api/v1/retained/-?topic=a/%23')).status, 400);
});

test('who gets a topic', async () => {
  const rows = [
    { ...subscription, session: 7, clientId: 'ada/1' },
    { ...subscription, session: 9, clientId: undefined },
  ];
  const next = { worker: 1, place: { filter: 7, below: 3 } };
  const asked: unknown[] = [];
  const site = siteWith(
    {},
    {
      matches: (_topic, _max, from) => {
        asked.push(from);
        return Promise.resolve({ count: 5, rows, next: from === undefined ? next : undefined });
      },
    },
  );
  const url = '/api/v1/subscriptions?match_topic=a/b';
  const { body } = await ask(site, url);
  const { data, meta } = body as { data: { clientid: unknown }[]; meta: { cursor: string } };
  const { cursor, ...others } = meta;
  assert.deepEqual(others, { limit: 100, hasnext: true, count: 5 });
  const second = await ask(site, `${url}&cursor=${cursor}`);
  assert.deepEqual((second.body as { meta: unknown }).meta, { limit: 100, hasnext: false, count: 5 });
  assert.deepEqual(asked, [undefined, next]);
  for (const bad of ['1', altered(cursor), cursor.slice(1)])
    assert.equal((await ask(site, `${url}&cursor=${bad}`)).status, 400, bad);
  assert.equal((await ask(site, `/api/v1/retained?cursor=${cursor}`)).status, 400, 'of another list');
  assert.deepEqual(
    data.map(({ clientid }) => clientid),
    ['ada/1', null],
  );
  for (const query of ['', '?match_topic=', '?match_topic=a/%23'])
    assert.equal((await ask(site, `/api/v1/subscriptions${query}`)).status, 400);
});

test('retained messages are shown in text or base64, and as the rules allow', async () => {
  const { site, published } = publishingSite();
  const reading = siteWith({}, { ...helpful, mayReceive: (_key, topic) => topic === 'a/b' });
  const { body } = await ask(reading, '/api/v1/retained/a%2Fb');
  assert.deepEqual(body, {
    topic: 'a/b',
    payload: '/w==',
    payload_encoding: 'base64',
    qos: 1,
    properties: {},
  });
  assert.equal((await ask(reading, '/api/v1/retained/secret')).status, 403);
  assert.equal((await ask(site, '/api/v1/retained/a/b')).status, 404);
  assert.equal((await ask(site, '/api/v1/retained/a/%23')).status, 400);
  assert.equal((await ask(site, '/api/v1/retained/a/b', { method: 'delete' })).status, 404);
  const put = (given: unknown) => ask(site, '/api/v1/retained/a/b', { method: 'put', body: given });
  assert.equal((await put({ payload: '' })).status, 400);
  assert.equal((await put('x')).status, 400);
  assert.equal((await put({ payload: '40-30' })).status, 204);
  assert.deepEqual(published, [
    { topic: 'a/b', payload: '40-30', options: { qos: 1, retain: true, properties: {} } },
  ]);
});

test('the list of retained messages has only what the rules allow', async () => {
  const rows = ['a', 'secret'].map((topic) => ({ topic, payloadBytes: 2, qos: 0 }) as const);
  const next = { worker: 0, place: 'secret/of/others' };
  const site = siteWith(
    {},
    {
      retainedTopics: (_filter, _max, from) =>
        Promise.resolve({
          rows: from === undefined ? rows : [],
          next: from === undefined ? next : undefined,
        }),
      mayReceive: (_key, topic) => topic === 'a',
    },
  );
  const { body } = await ask(site, '/api/v1/retained?topic=%2B');
  const { data, meta } = body as { data: unknown; meta: { hasnext: boolean; cursor: string } };
  assert.deepEqual(data, [{ topic: 'a', payload_size: 2, qos: 0 }]);
  assert.equal(meta.hasnext, true);
  assert.doesNotMatch(Buffer.from(meta.cursor, 'base64url').toString('latin1'), /secret/);
  const second = await ask(site, `/api/v1/retained?topic=%2B&cursor=${meta.cursor}`);
  assert.deepEqual(second.body, { data: [], meta: { limit: 100, hasnext: false } });
  for (const filter of ['a%23', '%24share/g/a', ''])
    assert.equal((await ask(site, `/api/v1/retained?topic=${filter}`)).status, 400, filter);
});

test('a reload says what came of it, and what is wrong with a file', async () => {
  const outcome = { certificates: 'unchanged', changed: ['logLevel'], needsRestart: ['port'] } as const;
  const good = siteWith({}, { reload: () => Promise.resolve(outcome), needsRestart: () => ['port'] });
  const { body } = await ask(good, '/api/v1/config/reload', { method: 'post' });
  assert.deepEqual(body, { reloaded: true, ...outcome });
  const { body: shown } = await ask(good, '/api/v1/config');
  assert.deepEqual((shown as { needsRestart: unknown }).needsRestart, ['port']);
  for (const code of ['ACCESS_FILE_INVALID', 'CONFIG_INVALID', 'CONFIG_FILE_UNREADABLE'] as const) {
    const bad = siteWith({}, { reload: () => Promise.reject(new BrokerError(code, 'rules, line 3: no.')) });
    const refused = await ask(bad, '/api/v1/config/reload', { method: 'post' });
    assert.equal(refused.status, 422);
    assert.match(JSON.stringify(refused.body), /rules, line 3: no\./);
  }
});

test('a ticket is for a client identifier that nobody else can have', async () => {
  const issued: unknown[] = [];
  const site = siteWith(
    {},
    {
      issueTicket: ({ name }, clientId) => {
        issued.push([name, clientId]);
        return 'rmqt_1';
      },
    },
  );
  const path = '/api/v1/dashboard/ticket';
  const given = await ask(site, path, { method: 'post', body: { clientid: dashboardId } });
  assert.deepEqual([given.body, issued], [{ ticket: 'rmqt_1' }, [['admin', dashboardId]]]);
  for (const clientid of [
    undefined,
    7,
    'dashboard-',
    'dashboard-short',
    'court/1',
    `${dashboardId}/`,
    `x${dashboardId}`,
  ])
    assert.equal((await ask(site, path, { method: 'post', body: { clientid } })).status, 400, `${clientid}`);
  const more = { clientid: dashboardId, scopes: 'all' };
  assert.equal((await ask(site, path, { method: 'post', body: more })).status, 400);
  assert.equal(issued.length, 1);
});

test('the configuration has no secret', async () => {
  const site = siteWith({ passwordFile: '/etc/users', tokenSecretFile: '/etc/secret' });
  const { body } = await ask(site, '/api/v1/config');
  const { options } = body as { options: Record<string, unknown> };
  assert.equal(options['passwordFile'], '/etc/users');
  assert.equal(options['authenticate'], undefined);
});

test('metrics are for whoever could read $SYS, and for keys that may read', async () => {
  const open = siteWith();
  assert.equal((await ask(open, '/metrics', { key: undefined })).status, 200);
  const strict = siteWith({ allowAnonymous: true, passwordFile: 'x' });
  assert.equal((await ask(strict, '/metrics', { key: undefined })).status, 401);
  assert.equal((await ask(strict, '/metrics', { key: keyWith('read') })).status, 200);
  assert.equal((await ask(strict, '/metrics', { key: keyWith('publish') })).status, 403);
  const ruled = siteWith({}, { mayAnyoneReceive: () => false });
  assert.equal((await ask(ruled, '/metrics', { key: undefined })).status, 401);
});

test('a broker that stops is alive and not ready', async () => {
  const site = siteWith({}, { unreadiness: () => 'it stops' });
  assert.equal((await ask(site, '/livez', { key: undefined })).status, 200);
  const ready = await ask(site, '/readyz', { key: undefined });
  assert.deepEqual([ready.status, ready.body], [503, { status: 'not ready', reason: 'it stops' }]);
  assert.equal((await ask(siteWith(), '/readyz', { key: undefined })).status, 200);
});

test('a client is subscribed and unsubscribed, unless it may not, or a program would have to be asked', async () => {
  const path = '/api/v1/clients/ada%2F1/subscriptions';
  const asked: unknown[] = [];
  let answer: number | undefined = 1;
  const subscribe = (_client: ClientState, given: unknown) => {
    asked.push(given);
    return Promise.resolve(answer);
  };
  const site = siteWith({}, { ...helpful, subscribe });
  const post = async (body: unknown) => await ask(site, path, { method: 'post', body });
  const good = await post({ topic: 'a/#', qos: 1, nl: 1, rap: 1, rh: 2 });
  assert.deepEqual([good.status, good.body], [200, { topic: 'a/#', qos: 1 }]);
  assert.deepEqual(asked, [
    { topicFilter: 'a/#', qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 2 },
  ]);
  const bad = [
    {},
    { topic: 'a#' },
    { topic: 'a', qos: 3 },
    { topic: 'a', nl: true },
    { topic: 'a', x: 1 },
    [],
  ];
  for (const body of [...bad, { topic: '$share/g/a', nl: 1 }])
    assert.equal((await post(body)).status, 400, JSON.stringify(body));
  for (const [reasonCode, status] of [
    [0x87, 422],
    [0x97, 422],
    [0x8f, 422],
    [undefined, 503],
  ] as const) {
    answer = reasonCode;
    assert.equal((await post({ topic: 'a' })).status, status);
  }
  const nobody = '/api/v1/clients/bob/subscriptions';
  assert.equal((await ask(site, nobody, { method: 'post', body: { topic: 'a' } })).status, 404);
  assert.equal((await ask(site, `${nobody}?topic=a`, { method: 'delete' })).status, 404);
  for (const [query, status] of [
    ['?topic=a/%2B', 204],
    ['?topic=a', 404],
    ['?topic=a%23', 400],
    ['', 400],
    ['?topic=a&x=1', 400],
  ] as const)
    assert.equal((await ask(site, path + query, { method: 'delete' })).status, status, query);
  const hooked = siteWith({ authorizeSubscribe: () => true }, helpful);
  assert.equal((await ask(hooked, path, { method: 'post', body: { topic: 'a' } })).status, 409);
});

test('bans are listed in pages, made with a time to come, and lifted', async () => {
  const all = Array.from({ length: 3 }, (_, index) => ({
    kind: 'address' as const,
    value: `192.0.2.${index}`,
    origin: 'flapping' as const,
    reason: '',
    expiresAt: new Date(0),
  }));
  const given = all.toReversed();
  const site = siteWith({}, { ...helpful, bans: () => given });
  const first = (await ask(site, '/api/v1/banned?limit=2')).body as { meta: { cursor: string } };
  const { cursor } = first.meta;
  assert.deepEqual(first, {
    data: all.slice(0, 2).map(({ value }) => ({
      as: 'peerhost',
      who: value,
      by: 'flapping',
      reason: '',
      until: '1970-01-01T00:00:00.000Z',
    })),
    meta: { limit: 2, hasnext: true, cursor },
  });
  given.splice(1, 2); // these two have ended meanwhile
  const rest = (await ask(site, `/api/v1/banned?limit=2&cursor=${cursor}`)).body as { data: unknown[] };
  assert.deepEqual(
    rest.data.map((ban) => (ban as { who: string }).who),
    ['192.0.2.2'],
  );
  assert.equal((await ask(site, '/api/v1/banned?cursor=2')).status, 400);
  const post = async (body: unknown, on = site) => await ask(on, '/api/v1/banned', { method: 'post', body });
  const until = '2130-01-01T00:00:00.000Z';
  const made = await post({ as: 'username', who: 'eve', reason: 'spam', until });
  assert.deepEqual(made.body, { as: 'username', who: 'eve', by: 'hand', reason: 'spam', until });
  for (const body of [
    {},
    { as: 'user', who: 'a' },
    { as: 'toString', who: 'a' },
    { as: 'clientid', who: 1 },
    { as: 'clientid', who: 'a', until: 'soon' },
    { as: 'clientid', who: 'a', until: '2020-01-01T00:00:00Z' },
    { as: 'clientid', who: 'a', x: 1 },
  ])
    assert.equal((await post(body)).status, 400, JSON.stringify(body));
  const failing = (code: 'BAN_INVALID' | 'ACCESS_FILE_UNREADABLE') =>
    siteWith({}, { ban: () => assert.fail(new BrokerError(code, 'So.')) });
  assert.equal((await post({ as: 'clientid', who: 'a' }, failing('BAN_INVALID'))).status, 400);
  assert.equal((await post({ as: 'clientid', who: 'a' }, failing('ACCESS_FILE_UNREADABLE'))).status, 422);
  for (const [path, status] of [
    ['clientid/a%2Fb', 204],
    ['clientid/b', 404],
    ['nothing/b', 404],
  ] as const)
    assert.equal((await ask(site, `/api/v1/banned/${path}`, { method: 'delete' })).status, status);
});

test('slow clients are listed as they come', async () => {
  const figures = { session: 7, waiting: 3, waitingBytes: 99, blockedMs: 5 };
  const drops = { messages: 8, atMs: 0, reason: 'outbox_full' };
  const asked: unknown[] = [];
  const slow: SiteSource['slow'] = (max, order) => {
    asked.push([max, order]);
    return Promise.resolve([
      { clientId: 'ada/1', isConnected: true, drops: undefined, ...figures },
      { clientId: 'bob', isConnected: false, drops },
    ]);
  };
  const site = siteWith({}, { slow });
  assert.deepEqual((await ask(site, '/api/v1/slow-subscriptions?limit=5')).body, {
    data: [
      { clientid: 'ada/1', connected: true, waiting: 3, waiting_bytes: 99, blocked_ms: 5, dropped: 0 },
      {
        clientid: 'bob',
        connected: false,
        dropped: 8,
        dropped_at: '1970-01-01T00:00:00.000Z',
        drop_reason: 'outbox_full',
      },
    ],
  });
  await ask(site, '/api/v1/slow-subscriptions?sort=drops');
  assert.deepEqual(asked, [
    [5, 'delay'],
    [100, 'drops'],
  ]);
  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'cursor=1', 'sort=name'])
    assert.equal((await ask(site, `/api/v1/slow-subscriptions?${query}`)).status, 400, query);
});

test('the nodes of a cluster are told, and that there is none', async () => {
  const { status, body } = await ask(siteWith({}, helpful), '/api/v1/nodes');
  assert.equal(status, 200);
  const { epoch, isReached, isSettled, nodes, lanes } = inTwo;
  const [a, b] = nodes;
  const shown = [a, { ...b, lanes: lanes.get('b') }];
  assert.deepEqual(body, { epoch, isReached, isSettled, nodes: shown });
  assert.equal((await ask(siteWith(), '/api/v1/nodes')).status, 404);
});

/** A node of a cluster whose others answer as these sites do; null: not at all. */
function nodeSite(
  name: string,
  changed: Partial<SiteSource>,
  others: Readonly<Record<string, Site | null>>,
  more: object = {},
) {
  const asked = async (question: NodeQuestion, site: Site | null) =>
    site === null ? undefined : await site.answerNode(JSON.parse(JSON.stringify(question)) as NodeQuestion);
  const nodes: OtherNodes = {
    here: name,
    ask: async (question, node) => {
      const all = Object.entries(others).filter(([other]) => node === undefined || node === other);
      return new Map(
        await Promise.all(all.map(async ([other, site]) => [other, await asked(question, site)] as const)),
      );
    },
  };
  const options = { cluster: ['nats://127.0.0.1:1'], nodeName: name, dataDirectory: false, ...more };
  return siteWith(options, { ...changed, nodes: () => nodes });
}

test('a client of another node is found, ended and explained there, and who lists clients may name the node', async () => {
  const ended: unknown[] = [];
  const b = nodeSite(
    'b',
    { ...helpful, disconnect: (id, keeps, { name }) => ended.push([id, keeps, name]) > 0 },
    {},
  );
  const here = {
    events: (id: string) =>
      id === 'ada/1' ? [{ atMs: 1_000, kind: 'disconnected', detail: 'To b.' } as const] : undefined,
  };
  const a = nodeSite('a', here, { b, c: nodeSite('c', {}, {}) });
  const found = await ask(a, '/api/v1/clients/ada%2F1');
  assert.deepEqual([found.status, (found.body as { node: string }).node], [200, 'b']);
  assert.equal((await ask(a, '/api/v1/clients/ada%2F1/subscriptions')).status, 200);
  const subscribe = { method: 'post', body: { topic: 'a', qos: 1 } };
  const subscribed = await ask(a, '/api/v1/clients/ada%2F1/subscriptions', subscribe);
  assert.deepEqual(subscribed.body, { topic: 'a', qos: 1 });
  const wrong = { method: 'post', body: { topic: 'a', qos: 3 } };
  assert.equal((await ask(a, '/api/v1/clients/ada%2F1/subscriptions', wrong)).status, 400);
  const url = '/api/v1/clients/ada%2F1?keep_session=true';
  assert.equal((await ask(a, url, { method: 'delete' })).status, 204);
  assert.deepEqual(ended, [['ada/1', true, 'admin']]);
  const events = (await ask(a, '/api/v1/clients/ada%2F1/events')).body as {
    data: { event: string; node: string }[];
  };
  assert.deepEqual(
    events.data.map(({ event, node }) => [event, node]),
    [
      ['disconnected', 'a'],
      ['connected', 'b'],
    ],
  );
  assert.equal((await ask(a, '/api/v1/clients/nobody')).status, 404);
  assert.equal((await ask(a, '/api/v1/clients/nobody/events')).status, 404);
  assert.equal((await ask(a, '/api/v1/retained/a/b')).status, 200);
  assert.equal((await ask(a, '/api/v1/retained/a/c')).status, 404);
  const listed = (await ask(a, '/api/v1/clients?node=b&limit=1')).body as { data: { clientid: string }[] };
  assert.deepEqual(
    listed.data.map(({ clientid }) => clientid),
    ['ada/1'],
  );
  assert.deepEqual(((await ask(a, '/api/v1/clients?node=a')).body as { data: unknown[] }).data, []);
  assert.equal((await ask(a, '/api/v1/clients?node=b&limit=0')).status, 400);
  assert.equal((await ask(a, '/api/v1/clients?node=d')).status, 404);
  assert.equal((await ask(siteWith(), '/api/v1/clients?node=a')).status, 404);
});

test('whoever may not publish to a topic is told so, and whoever may not read it too', async () => {
  const site = siteWith({}, { mayPublish: () => false, mayReceive: () => false });
  for (const [method, action] of [
    ['get', 'read'],
    ['put', 'publish to'],
    ['delete', 'publish to'],
  ] as const) {
    const { status, body } = await ask(site, '/api/v1/retained/a', { method, body: { payload: 'x' } });
    const { detail } = body as { detail: string };
    assert.equal(status, 403);
    assert.ok(detail.includes(`'admin'`) && detail.endsWith(`to ${action} the topic 'a'.`), detail);
  }
});

test('another node judges a user by the rights of the user, and not as a key of that name', async () => {
  const asked: ApiCaller[] = [];
  const retainedTopics = () =>
    Promise.resolve({ rows: [{ topic: 'a', payloadBytes: 1, qos: 0 as const }], next: undefined });
  const mayReceive = (caller: ApiCaller) => {
    asked.push(caller);
    return caller.user === undefined;
  };
  const user = { username: 'ada', roles: ['viewer'], claims: { team: 'red' }, rules: [] };
  const ada: ApiCaller = {
    name: 'ada',
    scopes: new Set(['read']),
    user: { ...user, attributes: { of: 1n } },
  };
  const signIn = () => Promise.resolve(ada);
  const b = nodeSite('b', { retainedTopics, mayReceive }, {});
  const a = nodeSite('a', { signIn }, { b }, { passwordFile: 'users' });
  const rowsFor = async (options: object) =>
    ((await ask(a, '/api/v1/retained?node=b', options)).body as { data: unknown[] }).data.length;
  assert.deepEqual([await rowsFor({ authorization: basic('ada', 'x') }), await rowsFor({})], [0, 1]);
  assert.deepEqual(asked[0], { ...ada, user });
  assert.deepEqual([asked[1]?.name, asked[1]?.user], ['admin', undefined]);
});

test('a node that does not answer, and one that is asked what nodes may not ask', async () => {
  const a = nodeSite('a', {}, { b: null });
  for (const url of ['/api/v1/clients/ada%2F1', '/api/v1/clients?node=b'])
    assert.equal((await ask(a, url)).status, 503, url);
  const b = nodeSite('b', helpful, {});
  const question = { method: 'get', path: '/api/v1/clients', query: '', by: { name: 'x', scopes: ['read'] } };
  assert.equal((await b.answerNode(question)).status, 200);
  for (const other of [
    { ...question, by: { name: 'x', scopes: ['publish'] } },
    { ...question, path: '/api/v1/config', by: { name: 'x', scopes: ['config'] } },
    { ...question, path: '/nothing' },
    { ...question, path: '/api/v1/clients/%ff' },
  ])
    assert.equal((await b.answerNode(other)).status, 0, other.path);
});

test('the log level is set', async () => {
  const levels: unknown[] = [];
  const site = siteWith({}, { setLogLevel: (level, { name }) => levels.push([level, name]) });
  const put = (body: object) => ask(site, '/api/v1/log-level', { method: 'put', body });
  assert.deepEqual((await put({ level: 'debug' })).body, { level: 'debug' });
  for (const wrong of [{}, { level: 'loud' }, { level: 'info', more: 1 }])
    assert.equal((await put(wrong)).status, 400);
  assert.deepEqual(levels, [['debug', 'admin']]);
});

test('levels of topics come a page at a time, and a key does not see a topic that its rules hide', async () => {
  const level = {
    messages: 3.4,
    own: 3,
    messagesPerSecond: 1.23456,
    bytesPerSecond: 10,
    silentMs: 1_000,
    hasBelow: false,
  };
  const asked: unknown[] = [];
  const site = siteWith(
    {},
    {
      topicLevels: (above, after, max) => {
        asked.push([above, after, max]);
        const rows = ['1', 'hidden', 'open'].map((name) => ({
          ...level,
          level: name,
          hasBelow: name === 'open',
        }));
        return Promise.resolve(rows.slice(0, max));
      },
      mayReceive: (_key, topic) => topic === 'a/1',
    },
  );
  const { status, body } = await ask(site, '/api/v1/topics?prefix=a&limit=2');
  const { data, meta } = body as { data: Record<string, unknown>[]; meta: { cursor: string } };
  assert.equal(status, 200);
  const { cursor, ...rest } = meta;
  assert.deepEqual(rest, { limit: 2, hasnext: true });
  assert.ok(!`${cursor} ${Buffer.from(cursor, 'base64url')}`.includes('hidden'));
  assert.equal(data.length, 1);
  const { last_message_at: at, ...others } = data[0] ?? {};
  assert.ok(Math.abs(Date.now() - 1_000 - Date.parse(`${at}`)) < 10_000);
  assert.deepEqual(others, {
    topic: 'a/1',
    level: '1',
    children: false,
    messages: 3,
    topic_messages: 3,
    messages_per_second: 1.235,
    bytes_per_second: 10,
  });
  const last = await ask(site, `/api/v1/topics?prefix=&cursor=${cursor}`);
  assert.deepEqual((last.body as { meta: unknown }).meta, { limit: 100, hasnext: false });
  assert.deepEqual(asked, [
    ['a', undefined, 3],
    ['', 'hidden', 101],
  ]);
  for (const wrong of ['prefix=a%2F%23', 'limit=0', 'sort=rate', 'prefix=%00', 'cursor=1']) {
    const refused = await ask(site, `/api/v1/topics?${wrong}`);
    assert.equal(refused.status, 400, wrong);
    assert.match((refused.body as { detail: string }).detail, /\S/);
  }
});

test('a trace is of one target, for a time; what is not right is refused with a sentence', async () => {
  const asked: unknown[] = [];
  const site = siteWith(
    {},
    {
      ...helpful,
      startTrace: (request) => {
        asked.push(request);
        return asked.length > 3 ? undefined : trace;
      },
    },
  );
  const start = (body: unknown) => ask(site, '/api/v1/traces', { method: 'post', body });
  const { status, body } = await start({ topic: 'a/+', seconds: 5, payload_bytes: 7 });
  assert.equal(status, 200);
  assert.deepEqual(body, {
    id: 't1',
    clientid: 'ada',
    status: 'running',
    started_at: '1970-01-01T00:00:00.000Z',
    ends_at: '1970-01-01T00:10:00.000Z',
    payload_bytes: 0,
    lines: 1,
    bytes: 21,
  });
  await start({ ip_address: '2001:DB8::0:1' });
  await start({ clientid: 'ada' });
  assert.deepEqual(asked, [
    { target: { kind: 'topic', topicFilter: 'a/+' }, seconds: 5, payloadBytesMax: 7 },
    { target: { kind: 'address', remoteAddress: '2001:db8::1' }, seconds: 600, payloadBytesMax: 0 },
    { target: { kind: 'client', clientId: 'ada' }, seconds: 600, payloadBytesMax: 0 },
  ]);
  assert.equal((await start({ clientid: 'ada' })).status, 409);
  for (const wrong of [
    {},
    [],
    { clientid: '' },
    { clientid: 7 },
    { clientid: 'a', topic: 'b' },
    { topic: 'a#' },
    { topic: '$share/g/a' },
    { ip_address: 'localhost' },
    { clientid: 'a', seconds: 0 },
    { clientid: 'a', seconds: 3_601 },
    { clientid: 'a', payload_bytes: 4_097 },
    { clientid: 'a', file: '/etc/passwd' },
  ]) {
    const refused = await start(wrong);
    assert.equal(refused.status, 400, JSON.stringify(wrong));
    assert.match((refused.body as { detail: string }).detail, /\S/);
  }
  const log = await ask(site, '/api/v1/traces/t1/log');
  assert.equal(Buffer.from(log.answer.body).toString(), '{"event":"published","payload":"x"}\n');
  for (const path of ['', '/log', '/events'])
    assert.equal((await ask(site, `/api/v1/traces/t2${path}`)).status, 404);
  assert.equal((await ask(site, '/api/v1/traces/t2', { method: 'delete' })).status, 404);
  assert.equal((await ask(site, '/api/v1/traces/t2/stop', { method: 'post' })).status, 404);
});

test('the payloads of a trace are for whoever may read, whoever has started it', async () => {
  let mayRead: (topic: string) => boolean = () => assert.fail();
  const site = siteWith(
    {},
    {
      ...helpful,
      mayReceive: (_caller, topic) => topic !== 'secret',
      streamTrace: (_trace, _next, given) => {
        mayRead = given;
        return undefined;
      },
    },
  );
  for (const [key, isReader] of [
    [keyWith('clients'), false],
    [adminKey, true],
  ] as const) {
    const { answer } = await ask(site, '/api/v1/traces/t1/log', { key });
    assert.equal(Buffer.from(answer.body).toString(), '{"event":"published","payload_withheld":true}\n');
    assert.equal((await ask(site, '/api/v1/traces/t1/events', { key })).status, 503);
    assert.deepEqual([mayRead('secret'), mayRead('a')], [false, isReader]);
    const body = { topic: 'a', payload_bytes: 1 };
    const started = await ask(site, '/api/v1/traces', { method: 'post', key, body });
    assert.equal(started.status, isReader ? 200 : 403);
  }
});
