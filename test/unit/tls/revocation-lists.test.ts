import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listsExpireAtMs } from '../../../core/tls/revocation-lists.ts';
import { revocations } from '../../support/revocations.ts';
import { Authority } from '../../support/secure.ts';

const hourSeconds = 3_600;

function assertHolds(text: string, seconds: number): void {
  const leftSeconds = (listsExpireAtMs(text) - Date.now()) / 1_000;
  assert.ok(leftSeconds <= seconds && leftSeconds > seconds - hourSeconds, `${leftSeconds}`);
}

test('of each authority the newest list counts, and of several authorities the one whose list expires first', () => {
  const [a, b] = [new Authority('a'), new Authority('b')];
  const revoked = [a.issue(), a.issue()];
  const short = revocations(a, revoked, 2 * hourSeconds);
  const long = revocations(a, [], 90 * 24 * hourSeconds);
  const other = revocations(b, [], 24 * hourSeconds);
  assertHolds(short, 2 * hourSeconds);
  assertHolds(`a comment\n${long}${short}`.replace(/\n/g, '\r\n'), 90 * 24 * hourSeconds);
  assertHolds(long + other, 24 * hourSeconds);
  assertHolds(revocations(b, [], 40 * 365 * 24 * hourSeconds), 40 * 365 * 24 * hourSeconds); // after 2049
  assert.equal(listsExpireAtMs(''), Number.POSITIVE_INFINITY);
});
