/** Streams of callers whose rights expire, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { HttpAnswer } from '../../../core/http/answer.ts';
import { ask, siteWith } from '../../support/api-site.ts';

const hourMs = 3_600_000;

async function streamUntil(expiresAtMs: number) {
  const told: string[] = [];
  const stream = {
    opened: () => void told.push('opened'),
    writable() {},
    closed: () => void told.push('closed'),
  };
  const user = {
    name: 'lee',
    scopes: new Set(['subscribe'] as const),
    user: { username: 'lee', expiresAtMs },
  };
  const site = siteWith(
    { passwordFile: 'users' },
    { signIn: () => Promise.resolve(user), openStream: () => stream },
  );
  const { answer } = await ask(site, '/sse?topic=a', { authorization: 'Bearer t' });
  const { stream: expiring }: HttpAnswer = answer;
  assert.ok(expiring !== undefined);
  expiring.opened({
    write: () => true,
    end: () => {
      told.push('ended');
      expiring.closed();
    },
  });
  return { told, expiring };
}

/** A wall clock, and timers that stand still while the machine sleeps. */
function clockOf(t: TestContext) {
  let nowMs = hourMs;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(Date, 'now', () => nowMs);
  return {
    sleep: (ms: number) => {
      nowMs += ms;
    },
    advance: (ms: number) => {
      nowMs += ms;
      t.mock.timers.tick(ms);
    },
  };
}

test('a stream ends when the token has expired, also if the machine was asleep meanwhile', async (t) => {
  const clock = clockOf(t);
  const { told } = await streamUntil(2 * hourMs);
  for (let minute = 1; minute < 60; minute++) clock.advance(60_000);
  clock.advance(59_999);
  assert.deepEqual(told, ['opened']);
  clock.advance(1);
  assert.deepEqual(told, ['opened', 'ended', 'closed']);
  const slept = await streamUntil(4 * hourMs);
  clock.sleep(3 * hourMs);
  clock.advance(60_000);
  assert.deepEqual(slept.told, ['opened', 'ended', 'closed']);
});

test('of a stream that is closed before, or whose token never expires, nothing is left', async (t) => {
  const clock = clockOf(t);
  const closed = await streamUntil(2 * hourMs);
  closed.expiring.closed();
  const endless = await streamUntil(Number.MAX_SAFE_INTEGER);
  for (let hour = 0; hour < 10; hour++) clock.advance(hourMs);
  assert.deepEqual([closed.told, endless.told], [['opened', 'closed'], ['opened']]);
});
