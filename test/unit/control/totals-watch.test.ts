import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TotalsWatch } from '../../../core/control/totals-watch.ts';
import { type CounterName, counterNames } from '../../../core/data-plane/addon.ts';

test('that a total was reached is said at once, and then once a minute for as long as it goes on', () => {
  const counters = Object.fromEntries(counterNames.map((name) => [name, 0])) as Record<CounterName, number>;
  const said: [number, Readonly<Record<string, number>>][] = [];
  let nowMs = 0;
  let look = (): void => {};
  const watch = new TotalsWatch({
    clock: {
      nowMs: () => nowMs,
      after: (_ms, action) => {
        look = action;
        return { cancel: () => (look = () => {}) };
      },
    },
    counters: () => counters,
    warn: (figures) => said.push([nowMs, figures]),
  });
  watch.start();
  const until = (endMs: number): void => {
    for (; nowMs < endMs; nowMs += 1_000) look();
  };
  until(10_000);
  counters.connectionsCut = 3;
  until(20_000);
  counters.connectionsCut = 7;
  counters.droppedTotalFull = 1;
  until(200_000);
  watch.stop();
  counters.connectionsCut = 8;
  until(400_000);
  assert.deepEqual(said, [
    [10_000, { connectionsCut: 3 }],
    [20_000, { droppedTotalFull: 1 }],
    [70_000, { connectionsCut: 7 }],
  ]);
});
