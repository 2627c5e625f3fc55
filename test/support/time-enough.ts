/**
 * Tests in which a client has to do something in time: a session is taken up again before it expires, a client speaks
 * before its keep alive has passed. None of them may depend on how fast the machine is.
 */
import assert from 'node:assert/strict';

/** Runs a step that has to be done within this share of the attempt's seconds. */
export type InTime = <Value>(share: number, step: () => Promise<Value>) => Promise<Value>;

class TooSlow extends Error {}

const firstSeconds = 2;
const lastSeconds = 64;

/**
 * Plays `attempt`, whose interval is `seconds`. Where the machine was too slow for a step, the attempt says nothing about
 * the broker, and is made again with twice as many seconds.
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
    // What has failed so late may have failed for this reason.
    if (performance.now() >= endMs) throw new TooSlow();
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  };
}
