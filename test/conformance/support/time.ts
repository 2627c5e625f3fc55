/** Waiting where time itself is what a test is about: an interval of the protocol that has to pass. */
import { setTimeout as delay } from 'node:timers/promises';

export async function secondsPass(seconds: number): Promise<void> {
  await delay(seconds * 1_000);
}
