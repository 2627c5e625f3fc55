/**
 * Attacks in the test run: each bound is reached, memory stays within its account, and everything recovers.
 * `npm run attack` runs them beside a canary, and also those that are meaningful only on an otherwise idle machine.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attack } from './attack.ts';
import { play } from './play.ts';

export function playInShort(attacks: readonly Attack[]): void {
  for (const attack of attacks.filter(({ isPaced = false }) => !isPaced)) {
    test(`attack: ${attack.name}`, async () => {
      const { faults } = await play(attack, { hasCanary: false });
      assert.deepEqual(faults, []);
    });
  }
}
