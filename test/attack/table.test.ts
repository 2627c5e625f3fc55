/** Every bound is attacked: the table of docs/architecture.md against the limits and the attacks. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { limitNames } from '../../core/config/limits.ts';
import { attacks, unreachable } from './attacks.ts';

const architecture = readFileSync(resolve(import.meta.dirname, '../../../docs/architecture.md'), 'utf8');
const table = (/\n\| what may grow[\s\S]*?\n\n/.exec(architecture)?.[0] ?? '').split('\n').slice(3);
const rows = table
  .filter((line) => line !== '')
  .map((line) => line.split(' | ')[0]?.replace(/^\| /, '') ?? '');

test('every limit stands in the table of bounds', () => {
  const missing = limitNames.filter((name) => !table.some((line) => line.includes(`\`${name}\``)));
  assert.deepEqual(missing, []);
  assert.ok(rows.length > 40);
});

test('every row of the table is attacked, or no client can reach it', () => {
  const attacked = new Set(attacks.flatMap(({ bounds }) => bounds));
  assert.deepEqual(
    rows.filter((row) => !attacked.has(row) && !(row in unreachable)),
    [],
  );
  assert.deepEqual(
    [...attacked, ...Object.keys(unreachable)].filter((bound) => !rows.includes(bound)),
    [],
  );
});
