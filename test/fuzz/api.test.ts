/**
 * The HTTP API under whatever comes: every route, with paths, queries and bodies that are damaged at random. Each answer is
 * one that the description of the route names, an error is a problem with a sentence, nothing reaches the broker that it
 * could not take, and no answer has a secret.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '../../core/config/limits.ts';
import { publicationOf } from '../../core/host/host-message.ts';
import { routePathOf } from '../../core/http/route-path.ts';
import { apiRoutes } from '../../core/http/routes.ts';
import { BanList } from '../../core/security/bans.ts';
import { isValidTopicFilter } from '../../core/wire/topic.ts';
import { adminKey, ask, quietSource, siteWith } from '../support/api-site.ts';
import { Random, replayOf, seeds } from '../support/random.ts';

const requestsPerSeed = 1_500;
const secret = 'hunter2';

const texts = [
  '',
  'a',
  'a/b',
  '+',
  '#',
  'a#',
  '$SYS/x',
  '$share/g/a',
  '\0',
  '\u{1f3be}',
  '%',
  '%ff',
  '%2F',
  '..',
  '__proto__',
  'constructor',
  '1',
  '-1',
  '1e9',
  '99999999999999999999',
  'true',
  'x'.repeat(70_000),
];
const names = [
  'topic',
  'payload',
  'payload_encoding',
  'qos',
  'retain',
  'properties',
  'user_properties',
  'correlation_data',
  'response_topic',
  'message_expiry_interval',
  'limit',
  'prefix',
  'clientid',
  'ip_address',
  'seconds',
  'payload_bytes',
  'cursor',
  'match_topic',
  'like_clientid',
  'conn_state',
  'proto_ver',
  'keep_session',
  'events',
  'last_event_id',
  'as',
  'who',
  'reason',
  'until',
  'nl',
  'rap',
  'rh',
  '__proto__',
];

function anyValue(random: Random, depth = 0): unknown {
  switch (random.below(depth > 3 ? 6 : 8)) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return random.pick([0, 1, 2, 3, -1, 0.5, 1e300, 2 ** 32]);
    case 6:
      return Array.from({ length: random.below(4) }, () => anyValue(random, depth + 1));
    case 7:
      return Object.fromEntries(
        Array.from({ length: random.below(6) }, () => [random.pick(names), anyValue(random, depth + 1)]),
      );
    default:
      return random.pick(texts);
  }
}

function anyBody(random: Random): unknown {
  const text = JSON.stringify(anyValue(random)) ?? '';
  return random.below(8) === 0 ? text.slice(0, random.below(text.length + 1)) : text;
}

function anyQuery(random: Random): string {
  const pairs = Array.from({ length: random.below(4) }, () => {
    const value = random.pick(texts);
    return `${random.pick(names)}=${random.below(4) === 0 ? value.slice(0, 50) : encodeURIComponent(value)}`;
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** A broker that checks what it is given as the real one does. */
function strictSite() {
  const bans = new BanList({ nowMs: () => Date.now(), bansMax: 100 });
  const state = {
    session: 1,
    worker: 0,
    client: { clientId: 'a', protocolVersion: 5, transport: 'ws', remoteAddress: '::1' },
    isConnected: true,
    forMs: 1,
    endsInMs: undefined,
  } as const;
  return siteWith(
    { authUrl: `https://back.example/login?key=${secret}`, apiKeysFile: 'keys' },
    {
      ...quietSource,
      publish: async (topic, payload, options) => {
        publicationOf(topic, payload, options, defaultLimits);
        return 0;
      },
      client: (clientId) => (clientId === 'a' ? state : undefined),
      clients: ({ limit }) => ({ rows: Array(Math.min(limit, 3)).fill(state), cursor: undefined }),
      subscribe: (_client, { topicFilter, qos }) => {
        assert.ok(isValidTopicFilter(topicFilter) && [0, 1, 2].includes(qos));
        return Promise.resolve(qos);
      },
      openStream: ({ filters }) => {
        assert.ok(filters.length > 0 && filters.every(isValidTopicFilter));
        return { opened() {}, writable() {}, closed() {} };
      },
      bans: () => bans.list(),
      ban: (request) => bans.add(request),
      liftBan: (kind, value) => bans.remove(kind, value),
    },
  );
}

/** What the description names for each route, such as `get /api/v1/clients`. */
async function describedResponses(): Promise<Readonly<Record<string, object>>> {
  const { body } = await ask(siteWith(), '/api/v1/openapi.json');
  const { paths } = body as { paths: Record<string, Record<string, { responses: object }>> };
  return Object.fromEntries(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { responses }]) => [`${method} ${path}`, responses]),
    ),
  );
}

test('whatever is asked is answered as the description says, and without a secret', async () => {
  const responses = await describedResponses();
  for (const seed of seeds(3)) {
    const random = new Random(seed);
    const site = strictSite();
    for (let request = 0; request < requestsPerSeed; request++) {
      const route = random.pick(apiRoutes);
      const { shown } = routePathOf(route.path);
      const part = () => (random.below(3) === 0 ? 'a' : encodeURIComponent(random.pick(texts)));
      const path = shown.replace(/\{[^}]+\}/g, () => (random.below(6) === 0 ? random.pick(texts) : part()));
      const url = path.replaceAll('?', '') + anyQuery(random);
      const what = `${route.method} ${url.slice(0, 200)} (${replayOf(seed)})`;
      const key = random.below(4) === 0 ? undefined : adminKey;
      const asked = await ask(site, url, { method: route.method, body: anyBody(random), key });
      // A damaged path may be that of no route, or of another one.
      const described = [...Object.keys(responses[`${route.method} ${shown}`] ?? {}), '404', '405'];
      assert.ok(described.includes(String(asked.status)), `${asked.status}: ${what}`);
      assert.notEqual(asked.status, 503, what);
      if (asked.status >= 400) {
        assert.notEqual(asked.body, undefined, `${asked.answer.status} ${what}`);
        const { detail, status } = asked.body as { detail?: string; status?: number };
        assert.equal(status, asked.status, what);
        assert.match(detail ?? '', /\S/, what);
      }
      const answered = Buffer.from(asked.answer.body).toString();
      assert.ok(!answered.includes(secret), what);
      assert.ok(!answered.includes('rmq_') && !/\bat \S+\.ts:/.test(answered), what);
    }
  }
});

test('no scope shows a secret of the configuration', async () => {
  const site = siteWith({
    authUrl: `https://back.example/login?key=${secret}`,
    tokenSecretFile: '/etc/secret',
    passwordFile: '/etc/users',
  });
  for (const { method, path } of apiRoutes.filter((route) => route.method === 'get')) {
    const { answer } = await ask(site, routePathOf(path).shown.replace(/\{[^}]+\}/g, 'a'), { method });
    assert.ok(!Buffer.from(answer.body).includes(secret), path);
  }
  const config = await ask(site, '/api/v1/config');
  assert.match(JSON.stringify(config.body), /back\.example\/login\?withheld/);
});
