import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Turns } from '../../../core/http/turns.ts';

test('no more than so many are at it at once, the others follow in order, whether it works or not', async () => {
  const turns = new Turns(2);
  const log: string[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const all = ['a', 'b', 'c', 'd'].map((name) =>
    turns
      .take(() => {
        log.push(name);
        return new Promise<void>((resolve, reject) =>
          ends.push((error) => (error ? reject(error) : resolve())),
        );
      })
      .catch(() => log.push(`${name} failed`)),
  );
  await turn();
  assert.deepEqual(log, ['a', 'b']);
  ends[1]?.(new Error());
  await turn();
  assert.deepEqual(log, ['a', 'b', 'c', 'b failed']);
  ends[0]?.();
  await turn();
  assert.deepEqual(log.slice(4), ['d']);
  for (const end of ends) end();
  await Promise.all(all);
  await turns.take(() => Promise.resolve());
});
