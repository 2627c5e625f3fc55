/** Every rival of the micro benchmarks once, so that none rots and none is fast because it does less. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneGroup, microGroups } from '../../../bench/micro/groups.ts';
import { messagePortRate } from '../../../bench/micro/lanes.ts';
import { runNative } from '../../../bench/micro/native.ts';
import { check } from '../../../bench/micro/run.ts';

for (const group of microGroups()) {
  for (const rival of group.rivals) {
    test(`${group.name}: ${rival.name} does what its group is about`, () => check(group, rival));
  }
}

test('the native rivals do what their groups are about', async () => {
  const outcomes = await runNative(0);
  for (const group of microGroups()) {
    const own = outcomes.filter((each) => each.group === group.name);
    assert.equal(own.length, 1, group.name);
    assert.equal(own[0]?.found, group.expected, group.name);
  }
  const lanes = outcomes.filter(({ group }) => group === laneGroup.name);
  assert.deepEqual(
    lanes.map(({ name }) => name),
    ['lane, one by one', 'lane, batches of 128'],
  );
  for (const { perSecond } of outcomes) assert.ok(perSecond > 0);
});

test('all records reach the other thread through a MessagePort', async () => {
  assert.ok((await messagePortRate(1_000, 1)) > 0);
  assert.ok((await messagePortRate(1_000, 128)) > 0);
});

test('a rival that finds something else is refused', () => {
  const [group] = microGroups();
  assert.ok(group);
  assert.throws(() => check(group, { name: 'lazy', run: () => 0 }), /frames: lazy gives 0 in place of 1000/);
});
