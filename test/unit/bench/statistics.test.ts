import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Sample } from '../../../bench/load/generator.ts';
import { memoryGrowth } from '../../../bench/peers/soak.ts';
import { shortNumber, table } from '../../../bench/progress.ts';
import { ratios, spreadOf } from '../../../bench/statistics.ts';

test('the median of an odd and of an even number of runs', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { min: 1, median: 2, max: 3 });
  assert.deepEqual(spreadOf([10, 1, 2, 3]), { min: 1, median: 2.5, max: 10 });
  assert.deepEqual(spreadOf([7]), { min: 7, median: 7, max: 7 });
  assert.equal(spreadOf([]), undefined);
});

test('as many runs lie below the median as above it, whatever their order', () => {
  const runs = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(runs, (values) => {
      const spread = spreadOf(values) ?? assert.fail();
      const below = values.filter((value) => value < spread.median).length;
      const above = values.filter((value) => value > spread.median).length;
      assert.ok(below <= values.length / 2 && above <= values.length / 2);
      assert.ok(spread.min === Math.min(...values) && spread.max === Math.max(...values));
    }),
  );
});

test('ratios are those of the same round, and a round without both does not count', () => {
  assert.deepEqual(ratios([10, 40, undefined, 5], [5, 10, 1, 0]), { min: 2, median: 3, max: 4 });
  assert.equal(ratios([1], [undefined]), undefined);
  // The medians would say 1, though it was twice as fast whenever both ran under the same conditions.
  assert.equal(ratios([2, 20, 200], [1, 10, 100])?.median, 2);
});

test('numbers have three figures that count', () => {
  const shown = [1_234_567, 1_000, 999.6, 12.345, 1.006, 0.01234, 0, -2.5].map(shortNumber);
  assert.deepEqual(shown, ['1,230,000', '1,000', '1,000', '12.3', '1.01', '0.0123', '0', '-2.50']);
});

test('a table has its first column to the left and the others to the right', () => {
  assert.equal(
    table([
      ['a', '10'],
      ['long', '5'],
    ]),
    'a     10\nlong   5',
  );
});

test('memory that is flat once warm has not grown, one that climbs has', () => {
  const samplesOf = (bytes: readonly number[]): Sample[] =>
    bytes.map((brokerBytes, seconds) => ({ seconds, delivered: 0, brokerBytes, brokerCpuSeconds: 0 }));
  assert.equal(memoryGrowth(samplesOf([1, 50, 100, 101, 99, 100, 100, 100])), -0.5);
  assert.equal(memoryGrowth(samplesOf([0, 10, 20, 30, 40, 50, 60, 70])), 40);
  assert.equal(memoryGrowth(samplesOf([1, 2])), undefined);
});
