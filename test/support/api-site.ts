/** A Site whose broker is simulated by the test, and keys for it. */
import { resolveConfig } from '../../core/config/resolve.ts';
import type { HttpAnswer, HttpQuestion } from '../../core/http/answer.ts';
import type { SiteSource } from '../../core/http/route.ts';
import { Site } from '../../core/http/site.ts';
import { type ApiKey, ApiKeys, hashOfApiKey } from '../../core/security/api-keys.ts';
import { type ApiScope, apiScopes } from '../../core/security/api-scope.ts';

/** Has all scopes. */
export const adminKey = 'rmq_admin';

/** A key for each scope, with the scope as its name, and one with all scopes. */
export const apiKeys = new ApiKeys(
  new Map<string, ApiKey>([
    [hashOfApiKey(adminKey), { name: 'admin', scopes: new Set(apiScopes) }],
    ...apiScopes.map((scope): [string, ApiKey] => [
      hashOfApiKey(keyWith(scope)),
      { name: scope, scopes: new Set([scope]) },
    ]),
  ]),
);

export function keyWith(scope: ApiScope): string {
  return `rmq_${scope}`;
}

export const quietSource: SiteSource = {
  trouble: () => undefined,
  unreadiness: () => undefined,
  statistics: () => ({ connections: 3 }),
  overview: () => ({
    stats: { connections: 3 },
    threads: { mainSeconds: 1, turnBoundsUs: [100], workers: [{ turns: [2, 1], seconds: 0.5 }] },
    trouble: null,
    isInCluster: false,
  }),
  issueTicket: () => 'rmqt_ticket',
  metrics: () => 'rallymq_connections 3\n',
  retained: () => Promise.resolve(undefined),
  mayAnyoneReceive: () => true,
  apiKeys: () => apiKeys,
  signIn: () => Promise.resolve('refused'),
  mayPublish: () => true,
  mayReceive: () => true,
  publish: () => Promise.resolve(0),
  clients: () => ({ rows: [], cursor: undefined }),
  client: () => undefined,
  figures: () => Promise.resolve(undefined),
  subscriptions: () => Promise.resolve({ rest: undefined, rows: [] }),
  events: () => undefined,
  disconnect: () => false,
  subscribe: (_client, { qos }) => Promise.resolve(qos),
  unsubscribe: () => Promise.resolve(false),
  cluster: () => undefined,
  nodes: () => undefined,
  bans: () => [],
  isBanned: () => false,
  ban: ({ kind, value, reason = '', expiresAt }) => ({ kind, value, reason, expiresAt, origin: 'hand' }),
  liftBan: () => false,
  dropsOf: () => undefined,
  slow: () => Promise.resolve([]),
  matches: () => Promise.resolve({ count: 0, rows: [], next: undefined }),
  retainedTopics: () => Promise.resolve({ rows: [], next: undefined }),
  traces: () => [],
  trace: () => undefined,
  startTrace: () => undefined,
  traceForNode: () => ({ lines: [], next: 0 }),
  endTraceForNode: () => false,
  stopTrace: () => false,
  deleteTrace: () => false,
  streamTrace: () => ({ opened() {}, writable() {}, closed() {} }),
  topicLevels: () => Promise.resolve([]),
  openStream: () => ({ opened() {}, writable() {}, closed() {} }),
  setLogLevel: () => {},
  drain: () => 3,
  reload: () => Promise.resolve({ certificates: 'none', changed: [], needsRestart: [] }),
  needsRestart: () => [],
};

export function siteWith(options: object = {}, changed: Partial<SiteSource> = {}): Site {
  return new Site(resolveConfig(options), '9.9.9', { ...quietSource, ...changed });
}

export const plainQuestion: HttpQuestion = {
  method: 'get',
  path: '/',
  query: '',
  host: 'localhost',
  acceptEncoding: '',
  ifNoneMatch: '',
  accept: '',
  authorization: '',
  idempotencyKey: '',
  origin: '',
  lastEventId: '',
  contentLength: 0,
  readBody: () => Promise.resolve(new Uint8Array()),
  remoteAddress: '127.0.0.1',
  headBytes: 99,
};

export interface Asked {
  readonly status: number;
  readonly answer: HttpAnswer;
  /** JSON of the body; undefined: none, or not JSON. */
  readonly body: unknown;
}

export interface AskOptions {
  readonly method?: string;
  /** Undefined: no key is sent. */
  readonly key?: string | undefined;
  /** Instead of a key. */
  readonly authorization?: string;
  readonly body?: unknown;
  readonly idempotencyKey?: string;
  readonly remoteAddress?: string;
  readonly origin?: string;
}

/** `url`: the path including its query. */
export async function ask(site: Site, url: string, options: AskOptions = {}): Promise<Asked> {
  const { method = 'get', body, idempotencyKey = '', remoteAddress = '127.0.0.1', origin = '' } = options;
  const key = 'key' in options ? options.key : adminKey;
  const [path = '', query = ''] = url.split('?');
  const text = typeof body === 'string' ? body : JSON.stringify(body ?? '');
  const answer = await site.answer({
    ...plainQuestion,
    method,
    path,
    query,
    idempotencyKey,
    remoteAddress,
    origin,
    authorization: options.authorization ?? (key === undefined ? '' : `Bearer ${key}`),
    contentLength: text.length,
    readBody: () => Promise.resolve(Buffer.from(text)),
  });
  const json = jsonOf(answer.body); // a completed answer has released its bytes
  answer.onOver?.();
  return { status: Number.parseInt(answer.status, 10), answer, body: json };
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined;
  }
}
