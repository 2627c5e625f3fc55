/**
 * What decides who comes in, under damaged input: files of users, rules, bans and revocations, tokens, and every
 * combination of what a CONNECT may have, as values and as bytes. Whatever comes, the answer is a mistake with its place, or a decision; and
 * nobody comes in who has not proven anything.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { BrokerError } from '../../core/broker-error.ts';
import type { ConnectingClient } from '../../core/config/authentication.ts';
import { parseAclFile } from '../../core/security/acl-file.ts';
import { BackendProvider } from '../../core/security/backend-provider.ts';
import { parseBanFile } from '../../core/security/ban-file.ts';
import { CertificateProvider } from '../../core/security/certificate-provider.ts';
import { HookProvider } from '../../core/security/hook-provider.ts';
import { parsePasswordFile } from '../../core/security/password-file.ts';
import { PasswordProvider } from '../../core/security/password-provider.ts';
import type { Decision, Provider } from '../../core/security/provider.ts';
import { RememberedPasswords } from '../../core/security/remembered-passwords.ts';
import { RevocationFile } from '../../core/security/revocation-file.ts';
import { parseRuleFile } from '../../core/security/rule-file.ts';
import { readClaims } from '../../core/security/token-claims.ts';
import { TokenError } from '../../core/security/token-error.ts';
import { TokenProvider } from '../../core/security/token-provider.ts';
import { decodeConnect } from '../../core/wire/decode-connect.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { quickHash } from '../support/access-files.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Random, replayOf, seeds } from '../support/random.ts';

const textsPerSeed = 3_000;
const hash = quickHash('secret');

const files: readonly (readonly [golden: string, parse: (text: string, path: string) => unknown])[] = [
  [`# users\nlee:${hash}\nkim:${hash}\n`, parsePasswordFile],
  ['user lee\ntopic readwrite a/+/#\ntopic deny a/b\n\npattern read c/%u/%c\n', parseAclFile],
  [
    '{ "roles": { "r": { "allow": { "publish": ["a/%u/+"], "subscribe": "b/%{team}/#" }, "deny": {} } },\n' +
      '  "users": { "lee": ["r"] }, // one\n  "everyone": "r", "anonymous": [], "prefixes": { "lee": "t/" } }',
    parseRuleFile,
  ],
  ['token abc\nuser lee\nuser kim 2026-11-28T09:00:00Z\n', RevocationFile.parse],
  ['address 203.0.113.0/24\nusername "lee s" 2026-11-28T09:00:00Z\nclientId c - "why"\n', parseBanFile],
];

const pieces = [
  '"',
  '\\',
  '\n',
  '\r',
  '\0',
  ' ',
  '#',
  '+',
  '/',
  '%u',
  '%{',
  '}',
  '{',
  '[',
  ':',
  '$',
  ',',
  '\ud800',
  'é',
];

/** Some characters are gone, doubled, others, or come from elsewhere. */
function damaged(text: string, random: Random): string {
  let result = text;
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(result.length + 1);
    const end = Math.min(result.length, at + random.below(6));
    const middle = [random.pick(pieces), '', result.slice(at, end).repeat(2), random.pick(text.split(/\b/))];
    result = result.slice(0, at) + random.pick(middle) + result.slice(end);
  }
  return result;
}

test('damaged files are read, or have a mistake that is named with its place and shows no hash', () => {
  for (const seed of seeds(1)) {
    const random = new Random(seed);
    for (let count = 0; count < textsPerSeed; count++) {
      const [golden, parse] = random.pick(files);
      const text = damaged(golden, random);
      try {
        parse(text, 'file');
      } catch (error) {
        assert.ok(error instanceof BrokerError, `${replayOf(seed)}: ${JSON.stringify(text)} ${error}`);
        assert.equal(error.code, 'ACCESS_FILE_INVALID');
        const [, line = '', column = ''] = /^file, line (\d+), column (\d+): /.exec(error.message) ?? [];
        assert.ok(Number(line) >= 1 && Number(line) <= text.split('\n').length + 1, error.message);
        assert.ok(Number(column) >= 1, error.message);
        assert.ok(!error.message.includes(hash.slice(-20)), 'no hash');
      }
    }
  }
});

const secret = new Uint8Array(32).fill(7);

function tokenProvider(): TokenProvider {
  return new TokenProvider({
    keys: () => ({ algorithms: ['HS256'], find: () => secret }),
    issuer: undefined,
    audience: undefined,
    usernameClaim: 'sub',
    clientIdClaim: undefined,
    tenantClaim: undefined,
    nowMs: () => Date.now(),
  });
}

const client: ConnectingClient = { clientId: 'c', remoteAddress: '203.0.113.7', transport: 'ws' };

function isLetIn(decision: Decision): boolean {
  return decision !== 'unknown' && !('reasonCode' in decision);
}

test('a damaged token lets nobody in as somebody else', async () => {
  const provider = tokenProvider();
  const claims = { sub: 'lee', exp: Math.floor(Date.now() / 1_000) + 3_600, acl: { publish: ['a/%u'] } };
  const token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret);
  assert.ok(isLetIn(await provider.decide({ ...client, token })));
  for (const seed of seeds(1)) {
    const random = new Random(seed);
    for (let count = 0; count < 1_000; count++) {
      const text = damaged(token, random);
      const isOther = Buffer.from(text, 'latin1').toString('latin1') !== token;
      for (const way of [{ token: text }, { password: Buffer.from(text) }]) {
        const decision = await provider.decide({ ...client, ...way });
        // The last character of a part has bits that stand for nothing: the same token in another spelling.
        const isSame = decision !== 'unknown' && 'username' in decision && decision.username === 'lee';
        assert.ok(!isOther || !isLetIn(decision) || isSame, `${replayOf(seed)}: ${text}`);
      }
    }
  }
});

test('claims of any kind are understood as a whole, or not at all', () => {
  const values = [
    undefined,
    null,
    '',
    'a',
    '#',
    'a#',
    0,
    1,
    -1,
    1e300,
    true,
    [],
    ['a'],
    ['a#'],
    [1],
    {},
    { publish: 'a' },
  ];
  const names = ['sub', 'exp', 'iat', 'jti', 'roles', 'acl', 'subs', 'tenant', 'team'];
  for (const seed of seeds(1)) {
    const random = new Random(seed);
    for (let count = 0; count < 5_000; count++) {
      const payload = Object.fromEntries(names.map((name) => [name, values[random.below(values.length)]]));
      if (random.below(2) === 0) Object.assign(payload, { sub: 'lee', exp: 1 });
      try {
        const { username, topicPrefix = '' } = readClaims(
          payload,
          'sub',
          undefined,
          random.below(2) === 0 ? undefined : 'tenant',
        );
        assert.ok(typeof username === 'string' && username !== '');
        assert.match(topicPrefix, /^([^/+#]+\/)?$/);
      } catch (error) {
        assert.ok(error instanceof TokenError, `${replayOf(seed)}: ${JSON.stringify(payload)} ${error}`);
      }
    }
  }
});

/** One of each kind, and what proves to each who somebody is. */
function everyProvider(): {
  readonly providers: Readonly<Record<string, Provider>>;
  readonly proofs: Readonly<Record<string, (who: ConnectingClient) => boolean>>;
} {
  const clock = new FakeClock();
  const users = new Map([['lee', hash]]);
  const providers = {
    passwords: new PasswordProvider({
      users: () => users,
      remembered: new RememberedPasswords({ clock, keptMs: 0, entriesMax: 0 }),
      pool: {
        isFull: false,
        verify: async (_hash, password) => Buffer.from(password).toString() === 'secret',
      },
      isLast: true,
    }),
    tokens: tokenProvider(),
    certificates: new CertificateProvider(),
    hook: new HookProvider(({ username, password }) => username === 'lee' && password?.length === 6),
    backend: new BackendProvider({
      backend: {
        ask: ({ password }) => ({ result: password === 'secret' ? 'allow' : 'deny', fields: {}, keptMs: 0 }),
      },
      onFailed: (error) => assert.fail(String(error)),
    }),
  };
  const proofs: Readonly<Record<string, (who: ConnectingClient) => boolean>> = {
    passwords: ({ username, password }) => username === 'lee' && isSecret(password),
    tokens: () => false,
    certificates: ({ tls }) => tls?.identity !== undefined,
    hook: ({ username, password }) => username === 'lee' && password?.length === 6,
    backend: ({ password }) => isSecret(password),
  };
  const isSecret = (password?: Uint8Array): boolean => Buffer.from(password ?? []).toString() === 'secret';
  return { providers, proofs };
}

test('every combination of what a CONNECT may have is decided by every provider, and lets nobody in who proves nothing (CVE-2026-32696)', async () => {
  const { providers, proofs } = everyProvider();
  const tls = { version: 'TLSv1.3' } as const;
  for (const username of [undefined, '', 'lee', 'kim', '+', '\u0000'])
    for (const password of [undefined, '', 'secret', 'wrong', 'eyJ.a.b', '\u00ff'])
      for (const token of [undefined, '', 'a.b.c', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJsZWUifQ.'])
        for (const shown of [undefined, tls, { ...tls, identity: 'lee' }]) {
          const who: ConnectingClient = {
            ...client,
            ...(username === undefined ? {} : { username }),
            ...(password === undefined ? {} : { password: Buffer.from(password, 'latin1') }),
            ...(token === undefined ? {} : { token }),
            ...(shown === undefined ? {} : { tls: shown }),
          };
          for (const [name, provider] of Object.entries(providers)) {
            const decision = await provider.decide(who);
            assert.equal(isLetIn(decision), proofs[name]?.(who), `${name} ${JSON.stringify(who)}`);
          }
        }
});

test('a CONNECT with any flags, cut or too long, is refused or decided by every provider (CVE-2026-32696)', async () => {
  const { providers, proofs } = everyProvider();
  const text = (value: string) => [value.length >> 8, value.length & 0xff, ...Buffer.from(value, 'latin1')];
  const names = ['', 'lee', 'kim', '+', 'lee/x'];
  const passwords = ['', 'secret', 'wrong', 'a.b.c'];
  let decoded = 0;
  for (const seed of seeds(1)) {
    const random = new Random(seed);
    for (let flags = 0; flags <= 0xff; flags++)
      for (const level of [3, 4, 5]) {
        const body = [
          ...text(level === 3 ? 'MQIsdp' : 'MQTT'),
          ...[level, flags, 0, 0, ...(level === 5 ? [0] : [])],
          ...text(random.pick(['', 'c', 'a client'])),
          ...(flags & 0x04 ? [...(level === 5 ? [0] : []), ...text('will'), ...text('gone')] : []),
          ...(flags & 0x80 ? text(random.pick(names)) : []),
          ...(flags & 0x40 ? text(random.pick(passwords)) : []),
        ];
        // As it should be, cut anywhere, or with more behind it.
        const kind = random.below(4);
        const bytes = kind === 0 ? body.slice(0, random.below(body.length)) : body;
        const packet = decodeConnect(0x10, Uint8Array.from(kind === 1 ? [...bytes, ...text('lee')] : bytes));
        if (isProtocolError(packet)) continue;
        decoded++;
        const { clientId, username, password } = packet;
        const who = {
          ...client,
          clientId,
          ...(username === undefined ? {} : { username }),
          ...(password === undefined ? {} : { password }),
        };
        for (const [name, provider] of Object.entries(providers)) {
          const decision = await provider.decide(who);
          assert.equal(
            isLetIn(decision),
            proofs[name]?.(who),
            `${name} ${replayOf(seed)} ${Buffer.from(bytes).toString('hex')}`,
          );
        }
      }
  }
  assert.ok(decoded > 50, `${decoded} were a CONNECT`);
});
