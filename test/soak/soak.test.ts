/**
 * Two minutes of the soak, with other seeds each time: sessions that roam, takeovers, slow readers, shares, retained
 * messages, wills and QoS 0 to 2 against a model. `npm run soak` plays more, and any seed again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeds } from '../support/random.ts';
import { commandOf, soak } from './soak.ts';
import { switchesOf } from './switches.ts';

const [seed = 0] = seeds(1);

for (const workers of [1, 2, 4]) {
  test(`${workers} workers: nothing is lost, doubled or out of order, whatever clients do`, async () => {
    const { failed, rounds } = await soak({
      seed: seed + workers * 1_000,
      minutes: 2 / 3,
      rounds: Number.POSITIVE_INFINITY,
      workers: [workers],
      secondsPerRound: 4,
      switches: switchesOf([], []),
      say: (line) => console.log(line),
    });
    assert.ok(rounds > 0);
    assert.deepEqual(
      failed.map(({ plan, model }) => [commandOf(plan), model.faults]),
      [],
    );
  });
}
