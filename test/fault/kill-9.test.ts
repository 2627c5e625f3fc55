/** kill -9 of the real broker at random moments, under load: test/crash/crash-loop.ts describes the checks. */
import { test } from 'node:test';
import { CrashLoop, crashLimits } from '../crash/crash-loop.ts';
import { killableBroker } from '../support/killable-broker.ts';
import { replayOf, seeds } from '../support/random.ts';

const crashes = 20;

for (const seed of seeds(1)) {
  test(`after ${crashes} times kill -9 nothing is lost and nothing comes twice (${replayOf(seed)})`, async (t) => {
    await new CrashLoop(t, await killableBroker(t, crashLimits), seed).run(crashes);
  });
}
