/** The soak finds a broker that loses, doubles or swaps one message in 10,000. `npm run soak -- --mutants` shows more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeds } from '../support/random.ts';
import { hunt, mutants, playSound } from './mutants.ts';

const [seed = 0] = seeds(1);
const say = (line: string): void => console.log(line);

test('the addon with faults, but without one, is found to be sound', async () => {
  const { model } = await playSound(2, seed);
  assert.deepEqual(model.faults, []);
});

/** What each mutant breaks at least. */
const rules: Readonly<Record<string, RegExp>> = {
  drop: /^lost|^unfinished|^retained/,
  double: /^doubled|^answer/,
  reorder: /order$/,
};

// One of each kind; the command plays all six.
for (const name of ['delivery-reorder', 'lane-drop', 'lane-double']) {
  test(`the mutant ${name} is found`, async () => {
    const mutant = mutants.find((each) => each.name === name) ?? assert.fail(name);
    const { result } = await hunt(mutant, seed, say);
    assert.ok(result !== undefined, `${name} was not found; replay with RALLYMQ_TEST_SEED=${seed}`);
    const rule = rules[name.split('-')[1] ?? ''] ?? assert.fail(name);
    const broken = [...result.model.broken.keys()];
    assert.ok(
      broken.some((each) => rule.test(each)),
      `${name} was found, but by ${broken}`,
    );
  });
}
