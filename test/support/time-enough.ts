/**
 * Tests in which a client must act in time: resume a session before it expires, or send something before its keep
 * alive has passed. None may depend on the speed of the machine.
 */
import assert from 'node:assert/strict';

/** Runs a step that must complete within this share of the attempt's seconds. */
export type InTime = <Value>(share: number, step: () => Promise<Value>) => Promise<Value>;

class TooSlow extends Error {}

const firstSeconds = 2;
const lastSeconds = 64;

/**
 * Runs `attempt`, whose interval is `seconds`. If the machine was too slow for a step, the attempt proves nothing about
 * the broker, and is repeated with twice as many seconds.
 */
export async function withTimeEnough(
  attempt: (seconds: number, inTime: InTime) => Promise<void>,
): Promise<void> {
  for (let seconds = firstSeconds; seconds <= lastSeconds; seconds *= 2) {
    try {
      return await attempt(seconds, stopwatch(seconds));
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
    }
  }
  assert.fail(`this machine does not get done within ${lastSeconds} s what takes milliseconds`);
}

function stopwatch(seconds: number): InTime {
  return async (share, step) => {
    const endMs = performance.now() + share * seconds * 1_000;
    const [outcome] = await Promise.allSettled([step()]);
    // A failure this late may have this cause.
    if (performance.now() >= endMs) throw new TooSlow();
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  };
}
