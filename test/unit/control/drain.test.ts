import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drain } from '../../../core/control/drain.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** So many clients, who go when they are told unless they `stay`. */
function newStage(clients: number, stay = 0) {
  const clock = new FakeClock();
  const stage = { clock, told: 0, isDone: false, connected: clients };
  const drain = () =>
    new Drain({
      clock,
      clientsPerSecond: 100,
      graceMs: 5_000,
      tellNext: (count) => {
        const told = Math.min(count, clients - stage.told);
        stage.told += told;
        stage.connected = Math.max(stay, stage.connected - told);
        return told;
      },
      connected: () => stage.connected,
      done: () => {
        stage.isDone = true;
      },
    });
  return { stage, drain };
}

test('clients are told in slices, as many in a second as may be', () => {
  const { stage, drain } = newStage(250);
  drain();
  assert.equal(stage.told, 10);
  stage.clock.advance(900);
  assert.equal(stage.told, 100);
  stage.clock.advance(1_000);
  assert.equal(stage.told, 200);
  assert.equal(stage.isDone, false);
  stage.clock.advance(600);
  assert.deepEqual([stage.told, stage.isDone], [250, true]);
  assert.equal(stage.clock.timers, 0);
});

test('without clients it is done at once, and with some that stay after a while', () => {
  const empty = newStage(0);
  empty.drain();
  assert.equal(empty.stage.isDone, true);
  const { stage, drain } = newStage(5, 1);
  drain();
  stage.clock.advance(4_900);
  assert.equal(stage.isDone, false);
  stage.clock.advance(200);
  assert.equal(stage.isDone, true);
});

test('a broker that stops meanwhile drains no more, and nobody waits for it any longer', () => {
  const { stage, drain } = newStage(1_000);
  drain().stop();
  assert.ok(stage.isDone);
  stage.clock.advance(60_000);
  assert.equal(stage.told, 10);
});
