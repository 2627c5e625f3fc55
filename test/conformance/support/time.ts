/** Waiting where time itself is what a test is about: an interval of the protocol that has to pass. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

export async function secondsPass(seconds: number): Promise<void> {
  await delay(seconds * 1_000);
}

/**
 * Of an interval of `seconds` that began at `sinceMs` this is left: `waitedSeconds` have passed for certain, and no more
 * than the clock shows.
 */
export function assertSecondsLeft(left: number, seconds: number, sinceMs: number, waitedSeconds = 0): void {
  const passed = Math.ceil((performance.now() - sinceMs) / 1_000);
  const isRight = left <= seconds - waitedSeconds && left >= seconds - passed - 1;
  assert.ok(isRight, `${left} s of ${seconds} are left, after at most ${passed} s`);
}
