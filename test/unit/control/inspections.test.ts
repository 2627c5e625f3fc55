import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Told } from '../../../core/control/asks.ts';
import { Inspections } from '../../../core/control/inspections.ts';

const retained = { about: 'retained', filter: '#', max: 10, behind: '' } as const;

function newInspections(workers: number) {
  const asked: { readonly worker: number; readonly told: Told<'inspect'> }[] = [];
  const inspections = new Inspections(workers, {
    ask: (worker, _call, _asked, told) => {
      asked.push({ worker, told: told as Told<'inspect'> });
      return true;
    },
  });
  return { asked, inspections };
}

test('an answer goes to whoever asked, and all are asked at once', async () => {
  const { asked, inspections } = newInspections(2);
  const answers = inspections.askAll<'retained'>(retained);
  assert.deepEqual(
    asked.map(({ worker }) => worker),
    [0, 1],
  );
  for (const { worker, told } of asked.toReversed()) told({ reply: { rest: `${worker}`, rows: [] } });
  assert.deepEqual(
    (await answers).map(({ rest }) => rest),
    ['0', '1'],
  );
});

test('a worker that ends, or does not run, answers nothing, and neither does a broker that stops', async () => {
  const { asked, inspections } = newInspections(1);
  const lost = inspections.ask<'retained'>(0, retained);
  asked[0]?.told(undefined);
  await assert.rejects(lost, { code: 'WORKER_FAILED' });
  const left = inspections.ask<'retained'>(0, retained);
  inspections.close(new Error('stopped'));
  asked[1]?.told(undefined); // too late
  await assert.rejects(left, /stopped/);
});
