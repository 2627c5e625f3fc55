import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../../core/control/pace.ts';

test('it is time at first, and then once in each interval', () => {
  const pace = new Pace(100);
  const due = [0, 1, 99, 100, 101, 199, 250, 349, 350].filter((nowMs) => pace.isDue(nowMs));
  assert.deepEqual(due, [0, 100, 250, 350]);
});
