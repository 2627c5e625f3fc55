/** Thousands of clients with wills that are lost at once. `npm run soak -- --lost 100000` takes as many as there can be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultsOf, loseNetwork } from './lost.ts';

for (const workers of [1, 4]) {
  test(`${workers} workers: a network is lost, and the will of each client comes once`, async () => {
    const loss = await loseNetwork({ clients: 4_000, workers });
    assert.deepEqual(faultsOf(loss), []);
  });
}
