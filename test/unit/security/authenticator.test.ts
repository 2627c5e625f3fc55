/** Who is let in, by a hook or by a method, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type JWTPayload, SignJWT } from 'jose';
import type {
  AuthenticationMethod,
  AuthenticationStep,
  ConnectingClient,
} from '../../../core/config/authentication.ts';
import type { Identity } from '../../../core/security/access.ts';
import {
  type AuthenticationRequest,
  Authenticator,
  type Verdict,
} from '../../../core/security/authenticator.ts';
import { accessOf, isGrant } from '../../../core/security/grants.ts';
import { HookProvider } from '../../../core/security/hook-provider.ts';
import { PasswordProvider } from '../../../core/security/password-provider.ts';
import { RememberedPasswords } from '../../../core/security/remembered-passwords.ts';
import { RevocationFile } from '../../../core/security/revocation-file.ts';
import { TokenProvider } from '../../../core/security/token-provider.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const timeoutMs = 1_000;
const letIn = { reasonCode: 0 };
const notAuthorized = { reasonCode: 0x87 };
/** No failed logins: the client may come again with the same credentials. */
const unavailable = { reasonCode: 0x88, isUndecided: true };
const busy = { reasonCode: 0x89, isUndecided: true };
const data = Uint8Array.of(1, 2);

type Options = Partial<ConstructorParameters<typeof Authenticator>[0]> & {
  readonly authenticate?: ConstructorParameters<typeof HookProvider>[0];
};

const client: ConnectingClient = { clientId: 'c', remoteAddress: '::1', transport: 'ws' };

class Stage {
  readonly clock = new FakeClock();
  readonly challenges: string[] = [];
  readonly failures: unknown[] = [];
  readonly authenticator: Authenticator;

  constructor({ authenticate, ...options }: Options = {}) {
    this.authenticator = new Authenticator({
      providers: authenticate === undefined ? [] : [new HookProvider(authenticate)],
      methods: [],
      allowsAnonymous: false,
      timeoutMs,
      clock: this.clock,
      isRevoked: () => false,
      sendChallenge: (worker, connection, bytes) => this.challenges.push(`${worker}/${connection} ${bytes}`),
      onFailed: (error) => this.failures.push(error),
      ...options,
    });
  }

  /** Without who the client then is to the rules. */
  decide(request: Partial<AuthenticationRequest> = {}, connection = 1) {
    const verdict = this.authenticator.decide(0, connection, {
      client,
      method: undefined,
      data: undefined,
      ...request,
    });
    return verdict instanceof Promise ? verdict.then(withoutAccess) : withoutAccess(verdict);
  }
}

function withoutAccess(verdict: Verdict | undefined): Omit<Verdict, 'access'> | undefined {
  if (verdict === undefined) return undefined;
  const { access: _, ...rest } = verdict;
  return rest;
}

/** Answers with these steps in turn. */
function methodOf(
  ...steps: readonly AuthenticationStep[]
): AuthenticationMethod & { readonly taken: unknown[] } {
  const taken: unknown[] = [];
  return {
    name: 'STEPS',
    taken,
    begin: () => ({
      next: (bytes) => steps[taken.push(bytes) - 1] ?? assert.fail('no step is left'),
    }),
  };
}

test('where anonymous clients are let in, a user whom nobody knows is not one of them', async () => {
  const stage = new Stage({ authenticate: () => 'unknown', allowsAnonymous: true });
  assert.deepEqual(await stage.decide(), letIn);
  assert.deepEqual(await stage.decide({ client: { ...client, username: 'eve' } }), { reasonCode: 0x86 });
});

test('a token that is revoked lets nobody in, whoever vouches for it', async () => {
  const file = RevocationFile.parse('token old', 'revoked');
  const isRevoked = (identity: Identity) => file.has(identity);
  const grant = (tokenId: string) => ({ username: 'lee', tokenId });
  const revoked = { ...notAuthorized, why: 'the token is revoked' };
  const ids = ['old', 'new'];
  const hooked = new Stage({ authenticate: () => grant(ids.shift() ?? ''), isRevoked });
  assert.deepEqual([await hooked.decide(), await hooked.decide()], [revoked, letIn]);
  assert.equal((await hooked.authenticator.decideAlone(client)).reasonCode, 0);
  const methods = [methodOf({ outcome: 'success', grant: grant('old') })];
  assert.deepEqual(await new Stage({ methods, isRevoked }).decide({ method: 'STEPS' }), revoked);
  assert.deepEqual(
    hooked.authenticator.counts.map(({ result, count }) => `${result} ${count}`),
    ['refused 1', 'accepted 2'],
  );
});

test('what has decided, and how, is counted', async () => {
  const answers = [true, false, 'unknown', 'unknown', 'no answer'];
  const stage = new Stage({
    authenticate: () => answers.shift() as boolean,
    methods: [methodOf({ outcome: 'failure' })],
  });
  for (const username of ['a', 'b', 'c', undefined, 'd'])
    await stage.decide({ client: { ...client, ...(username === undefined ? {} : { username }) } });
  await stage.decide({ method: 'STEPS' });
  await stage.decide({ method: 'STEPS' }); // no step is left: it throws
  assert.deepEqual(
    stage.authenticator.counts.map(({ method, result, count }) => `${method} ${result} ${count}`),
    [
      'hook accepted 1',
      'hook refused 1',
      'unknown refused 1',
      'anonymous refused 1',
      'hook failed 1',
      'STEPS refused 1',
      'STEPS failed 1',
    ],
  );
  assert.deepEqual(new Stage().authenticator.counts, []);
});

test('without a hook or a method everybody is let in, at once', () => {
  assert.deepEqual(new Stage().decide(), letIn);
});

test('where there are only methods, a client that names none is refused unless anybody may connect', () => {
  const methods = [methodOf()];
  assert.deepEqual(new Stage({ methods }).decide(), notAuthorized);
  assert.deepEqual(new Stage({ methods, allowsAnonymous: true }).decide(), letIn);
});

test('the hook is told who connects, and nothing but true or a grant lets in', async () => {
  const asked: unknown[] = [];
  for (const [answer, expected] of [
    [true, { reasonCode: 0 }],
    [false, { reasonCode: 0x86 }],
    ['yes', unavailable], // neither an answer nor a grant: the hook is at fault
    [1, unavailable],
  ] as const) {
    const authenticate = (client: unknown): never => {
      asked.push(client);
      return answer as never;
    };
    const verdict = await new Stage({ authenticate }).decide({
      client: { ...client, username: 'u', password: data },
    });
    assert.deepEqual(verdict, expected);
  }
  assert.deepEqual(asked[0], {
    clientId: 'c',
    remoteAddress: '::1',
    transport: 'ws',
    username: 'u',
    password: data,
  });
});

test('the log, not the client, learns what is wrong with a token', async () => {
  const secret = Buffer.alloc(32, 1);
  const provider = new TokenProvider({
    keys: () => ({ algorithms: ['HS256'], find: () => secret }),
    issuer: undefined,
    audience: 'mqtt',
    usernameClaim: 'sub',
    clientIdClaim: undefined,
    tenantClaim: undefined,
    nowMs: () => Date.UTC(2026, 10, 29, 12),
  });
  const now = Date.UTC(2026, 10, 29, 12) / 1_000;
  const whyOf = async (claims: JWTPayload, key = secret): Promise<string | undefined> => {
    const all = { sub: 'lee', exp: now + 60, aud: 'mqtt', ...claims };
    const token = await new SignJWT(all).setProtectedHeader({ alg: 'HS256' }).sign(key);
    const decision = await provider.decide({ ...client, token });
    assert.ok(decision !== 'unknown' && 'reasonCode' in decision && decision.reasonCode === 0x87);
    const authenticator = new Stage({ methods: [provider.method] });
    const asked = { method: provider.method.name, data: Buffer.from(token) };
    assert.deepEqual(await authenticator.decide(asked), { reasonCode: 0x87, why: decision.why });
    return decision.why;
  };
  assert.equal(await whyOf({ exp: now - 60 }), 'the token expired at 2026-11-29T11:59:00.000Z');
  assert.equal(await whyOf({ nbf: now + 60 }), 'the token is not valid before 2026-11-29T12:01:00.000Z');
  assert.equal(await whyOf({ exp: -1e300 }), 'the token expired at -1e+300');
  assert.equal(await whyOf({ sub: '' }), "the token is not valid: it has no claim 'sub'");
  assert.match(`${await whyOf({ aud: 'http' })}`, /^the token is not valid: .*"aud"/);
  assert.match(`${await whyOf({}, Buffer.alloc(32, 2))}`, /^the token is not valid: signature/);
});

test('an answer that is no grant is named without its values', async () => {
  const stage = new Stage({ authenticate: () => ({ user: 'secret', expiresAt: 1 }) as never });
  assert.deepEqual(await stage.decide(), unavailable);
  assert.match(String(stage.failures), /has answered with \{ user, expiresAt \}: it must be true, /);
});

test('a grant without a user name, or with undefined, leaves the client its own', () => {
  for (const grant of [{}, { username: undefined as never }])
    assert.equal(accessOf(grant, 'lee').username, 'lee');
  assert.equal(accessOf({ username: 'ada' }, 'lee').username, 'ada');
  assert.ok(!('username' in accessOf({})));
});

test('what every object has is no action and no quota', () => {
  assert.ok(isGrant({ allow: { publish: [] }, quotas: { bytesPerSecond: 1 } }));
  assert.ok(!isGrant({ allow: { constructor: [] } }));
  assert.ok(!isGrant({ quotas: { toString: 1 } }));
});

test('the end of a grant is a number that other threads can be told, however late it is', () => {
  const { expiresAtMs } = accessOf({ username: 'lee', expiresAt: Number.MAX_VALUE });
  assert.ok(Number.isFinite(expiresAtMs), `${expiresAtMs}`);
});

test('a hook that throws or rejects refuses with 0x88, and the error is told', async () => {
  for (const authenticate of [
    () => {
      throw new Error('broken');
    },
    () => Promise.reject(new Error('broken')),
  ]) {
    const stage = new Stage({ authenticate });
    assert.deepEqual(await stage.decide(), unavailable);
    assert.match(String(stage.failures), /broken/);
    assert.equal(stage.clock.timers, 0);
  }
});

test('a hook that takes too long refuses with 0x89, and that is told', async () => {
  const stage = new Stage({ authenticate: () => new Promise(() => {}) });
  const verdict = stage.decide();
  stage.clock.advance(timeoutMs);
  assert.deepEqual(await verdict, busy);
  assert.match(String(stage.failures), /took longer than connectTimeoutMs \(1000 ms\)/);
});

test('a correct password whose check waits too long is told 0x89, not that it is wrong', async () => {
  const provider = new PasswordProvider({
    users: () => new Map([['lee', 'a hash']]),
    remembered: new RememberedPasswords({ clock: new FakeClock(), keptMs: 0, entriesMax: 1 }),
    pool: { isFull: false, verify: () => new Promise(() => {}) },
    isLast: true,
  });
  const stage = new Stage({ providers: [provider] });
  const verdict = stage.decide({ client: { ...client, username: 'lee', password: data } });
  stage.clock.advance(timeoutMs);
  assert.deepEqual(await verdict, busy);
  assert.match(String(stage.failures), /connectTimeoutMs/);
});

test('a method that throws refuses with 0x88, one that takes too long with 0x89', async () => {
  const failing = { name: 'FAILS', begin: () => ({ next: () => Promise.reject(new Error('broken')) }) };
  const slow = { name: 'SLOW', begin: () => ({ next: () => new Promise<never>(() => {}) }) };
  const stage = new Stage({ methods: [failing, slow] });
  assert.deepEqual(await stage.decide({ method: 'FAILS' }), unavailable);
  const verdict = stage.decide({ method: 'SLOW' });
  stage.clock.advance(timeoutMs);
  assert.deepEqual(await verdict, busy);
  assert.equal(stage.failures.length, 2);
});

test('a client that leaves meanwhile gets no verdict, whoever asks, and others do', async () => {
  let decide: (isIn: boolean) => void = () => {};
  const stage = new Stage({ authenticate: () => new Promise((resolve) => (decide = resolve)) });
  const [first, second, third] = [1, 2, 3].map((connection) => stage.decide({}, connection));
  stage.authenticator.abandoned(0, 1);
  stage.authenticator.abandoned(1, 2); // of another worker
  assert.equal(await first, undefined);
  decide(true); // the third one's
  assert.deepEqual(await third, letIn);
  stage.authenticator.workerLost(0);
  assert.equal(await second, undefined);
  assert.equal(stage.clock.timers, 0);
  assert.deepEqual(stage.failures, []);
});

test('a method that nobody has is refused with 0x8C', () => {
  assert.deepEqual(new Stage({ methods: [methodOf()] }).decide({ method: 'OTHER' }), { reasonCode: 0x8c });
});

test('a method is asked step by step, with what the client answers, and its last data goes along', async () => {
  const method = methodOf(
    { outcome: 'continue', data: Uint8Array.of(7) },
    { outcome: 'continue', data: Uint8Array.of(8) },
    { outcome: 'success', data: Uint8Array.of(9) },
  );
  const stage = new Stage({ methods: [method], authenticate: () => assert.fail('it is not asked') });
  const verdict = stage.decide({ method: 'STEPS', data });
  await turn();
  assert.deepEqual(stage.challenges, ['0/1 7']);
  stage.authenticator.answered(0, 2, data); // somebody else
  stage.authenticator.answered(0, 1, Uint8Array.of(3));
  stage.authenticator.answered(0, 1, Uint8Array.of(4)); // nobody has asked for it
  await turn();
  assert.deepEqual(stage.challenges, ['0/1 7', '0/1 8']);
  stage.authenticator.answered(0, 1, undefined);
  assert.deepEqual(await verdict, { reasonCode: 0, data: Uint8Array.of(9) });
  assert.deepEqual(method.taken, [data, Uint8Array.of(3), undefined]);
  assert.equal(stage.clock.timers, 0);
});

test('a method that refuses refuses with 0x87', async () => {
  const stage = new Stage({ methods: [methodOf({ outcome: 'failure' })] });
  assert.deepEqual(await stage.decide({ method: 'STEPS' }), notAuthorized);
});

test('a client that does not answer a challenge in time is refused, which is no failure of the method', async () => {
  const stage = new Stage({ methods: [methodOf({ outcome: 'continue', data })] });
  const verdict = stage.decide({ method: 'STEPS' });
  await turn();
  stage.clock.advance(timeoutMs);
  assert.deepEqual(await verdict, notAuthorized);
  assert.deepEqual(stage.failures, []);
});
