/** When the broker has more to do than it can, and when it has room again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '../../../core/config/limits.ts';
import { OverloadWatch } from '../../../core/control/overload-watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function start(limits: { overloadLagMs: number; overloadMemoryPercent: number }) {
  const clock = new FakeClock();
  const stage = { clock, usedBytes: 0, answers: true, isRunning: true, states: [] as string[] };
  const watch = new OverloadWatch({
    clock,
    limits: { ...defaultLimits, ...limits },
    workers: 2,
    ask: (worker) => {
      if (worker === 1 || stage.answers) queueAnswer(worker);
      return stage.isRunning;
    },
    memory: () => ({ usedBytes: stage.usedBytes, availableBytes: 1_000 }),
    onState: (state, reason) => stage.states.push(`${state}: ${reason}`),
  });
  const queueAnswer = (worker: number): void => {
    clock.after(1, () => watch.answered(worker));
  };
  watch.start();
  return { ...stage, stage, watch };
}

test('a worker that does not answer makes new clients wait, then slows those that are here; all ends when it answers', () => {
  const { stage, clock, watch } = start({ overloadLagMs: 1_000, overloadMemoryPercent: 0 });
  clock.advance(10_000);
  assert.deepEqual(stage.states, []);
  stage.answers = false;
  clock.advance(3_000);
  assert.match(stage.states.splice(0).join(), /^refusing: a worker has not answered for \d+ ms$/);
  clock.advance(5_000);
  assert.match(stage.states.splice(0).join(), /^slowing: /);
  clock.advance(60_000);
  assert.deepEqual(stage.states, []);
  watch.answered(0);
  stage.answers = true;
  clock.advance(4_500);
  assert.equal(watch.state, 'slowing', 'it may come back at once');
  clock.advance(2_000);
  assert.deepEqual(stage.states, ['normal: the overload is over']);
  watch.stop();
  assert.equal(clock.timers <= 2, true, 'only answers are on their way');
});

test('so does memory, whoever has taken it', () => {
  const { stage, clock, watch } = start({ overloadLagMs: 0, overloadMemoryPercent: 90 });
  stage.usedBytes = 899;
  clock.advance(5_000);
  assert.equal(watch.state, 'normal');
  stage.usedBytes = 910;
  clock.advance(500);
  assert.deepEqual(stage.states.splice(0), ['refusing: 91 % of the memory is in use']);
  stage.usedBytes = 100;
  clock.advance(6_000);
  assert.deepEqual(stage.states, ['normal: the overload is over']);
});

test('a worker that does not run is not waited for, and nothing is asked where nothing is looked at', () => {
  const { stage, clock, watch } = start({ overloadLagMs: 1_000, overloadMemoryPercent: 0 });
  stage.answers = false;
  clock.advance(500);
  watch.workerLost(0);
  stage.isRunning = false;
  clock.advance(20_000);
  assert.deepEqual(stage.states, []);
  const off = start({ overloadLagMs: 0, overloadMemoryPercent: 0 });
  assert.equal(off.clock.timers, 0);
});
