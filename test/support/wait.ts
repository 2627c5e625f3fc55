/** Waiting for conditions with a deadline: tests never rely on sleeping. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

export const deadlineMsDefault = 30_000;

/** Resolves when `condition` holds; a failure names it. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs: number = deadlineMsDefault,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) assert.fail(`waited ${deadlineMs} ms in vain: ${what}`);
    await delay(2);
  }
}

/** The value of the promise, or a failure that names what was awaited. */
export async function within<Value>(
  what: string,
  promise: Promise<Value>,
  deadlineMs: number = deadlineMsDefault,
): Promise<Value> {
  const timeout = new AbortController();
  const late = delay(deadlineMs, undefined, { signal: timeout.signal }).then(() =>
    assert.fail(`waited ${Math.round(deadlineMs)} ms in vain: ${what}`),
  );
  late.catch(() => {}); // aborted, or lost the race
  try {
    return await Promise.race([promise, late]);
  } finally {
    timeout.abort();
  }
}
