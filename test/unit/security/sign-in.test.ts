/** Users who ask over HTTP: who is let in with which scopes, and what wrong credentials cost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectingClient } from '../../../core/config/authentication.ts';
import type { ApiCaller } from '../../../core/security/api-caller.ts';
import { rightsOf } from '../../../core/security/api-caller.ts';
import type { Verdict } from '../../../core/security/authenticator.ts';
import { SignIn, type SignInOptions } from '../../../core/security/sign-in.ts';
import { ReasonCode } from '../../../core/wire/reason-code.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const none: ApiCaller['scopes'] = new Set();
const ofAda = { remoteAddress: '192.0.2.1', username: 'ada', password: Buffer.from('secret') };

function newSignIn(verdict: Verdict, changed: Partial<SignInOptions> = {}) {
  const clock = new FakeClock();
  const asked: ConnectingClient[] = [];
  const lines: Readonly<Record<string, unknown>>[] = [];
  const signIn = new SignIn({
    clock,
    audit: { add: (_, fields) => void lines.push(fields) },
    authenticate: (client) => {
      asked.push(client);
      return Promise.resolve(verdict);
    },
    admission: { isBanned: () => false, failed: () => 0 },
    prefixOf: () => '',
    scopesOf: () => new Set(['read']),
    maySubscribe: true,
    ...changed,
  });
  return { signIn, clock, asked, lines };
}

const accepted = (access: Verdict['access']): Verdict => ({ reasonCode: 0, ...(access && { access }) });

test('a user has the scopes of its line, and streams in any case, unless others decide what it may have', async () => {
  const user = { username: 'ada' };
  const { signIn, asked } = newSignIn(accepted(user));
  assert.deepEqual(await signIn.decide(ofAda), {
    name: 'ada',
    scopes: new Set(['read', 'subscribe']),
    user,
  });
  assert.deepEqual(asked, [{ ...ofAda, clientId: '', transport: 'http' }]);
  const unnamed = newSignIn(accepted(user), { scopesOf: () => undefined });
  assert.deepEqual(await unnamed.signIn.decide(ofAda), { name: 'ada', scopes: new Set(['subscribe']), user });
  const others = newSignIn(accepted(user), { scopesOf: () => none, maySubscribe: false });
  assert.deepEqual(await others.signIn.decide(ofAda), { name: 'ada', scopes: none, user });
});

test('whoever has no verified name is no user, a tenant is kept out, and what cannot be checked is no failure', async () => {
  let failures = 0;
  const admission = { isBanned: () => false, failed: () => ++failures && 0 };
  const outcome = (verdict: Verdict, changed: Partial<SignInOptions> = {}) =>
    newSignIn(verdict, { admission, ...changed }).signIn.decide(ofAda);
  assert.equal(await outcome(accepted({})), 'refused');
  assert.equal(await outcome(accepted(undefined)), 'refused');
  assert.equal(await outcome({ reasonCode: ReasonCode.badUserNameOrPassword }), 'refused');
  assert.equal(failures, 3);
  assert.equal(await outcome(accepted({ username: 'ada', topicPrefix: 'red/' })), 'tenant');
  assert.equal(await outcome(accepted({ username: 'ada' }), { prefixOf: () => 'red/' }), 'tenant');
  const undecided = { isUndecided: true };
  assert.equal(await outcome({ reasonCode: ReasonCode.serverUnavailable, ...undecided }), 'unavailable');
  assert.equal(await outcome({ reasonCode: ReasonCode.serverBusy }), 'unavailable');
  assert.equal(failures, 3);
});

test('who is banned is not asked for a password, nor is a user whose token says the name', async () => {
  const isBanned = ({ username }: { readonly username?: string | undefined }): boolean => username === 'ada';
  const admission = { isBanned, failed: () => assert.fail('it is banned already') };
  const { signIn, asked, lines } = newSignIn(accepted({ username: 'ada' }), { admission });
  assert.equal(await signIn.decide(ofAda), 'banned');
  assert.equal(asked.length, 0);
  assert.equal(await signIn.decide({ remoteAddress: '192.0.2.1', token: 'x' }), 'banned');
  assert.equal(asked.length, 1);
  assert.doesNotMatch(JSON.stringify(lines), /secret/);
});

test('a wrong password is answered later, the more there were', async () => {
  const admission = { isBanned: () => false, failed: () => 400 };
  const verdict = { reasonCode: ReasonCode.badUserNameOrPassword };
  const { signIn, clock, lines } = newSignIn(verdict, { admission });
  let outcome: unknown;
  const answered = signIn.decide(ofAda).then((settled) => (outcome = settled));
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(399);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(outcome, undefined);
  clock.advance(1);
  assert.equal(await answered, 'refused');
  assert.equal(lines[0]?.['heldBackMs'], 400);
});

test('only those who may have the same share a verdict of the rules', () => {
  const caller = (user: ApiCaller['user']): ApiCaller => ({
    name: 'ada',
    scopes: none,
    ...(user && { user }),
  });
  const texts = [
    caller(undefined),
    caller({ username: 'ada' }),
    caller({ username: 'ada', roles: ['viewer'] }),
    caller({ username: 'ada', claims: { team: 'red' } }),
    caller({ username: 'ada', clientId: 'c' }),
    caller({ username: 'ada', rules: [] }),
  ].map(rightsOf);
  assert.equal(new Set(texts).size, texts.length);
  assert.equal(rightsOf(caller({ username: 'ada', expiresAtMs: 1 })), texts[1]);
});
