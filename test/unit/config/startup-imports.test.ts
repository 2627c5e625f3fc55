/** What every start loads: time and memory that each broker pays for. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../../../../', import.meta.url);

/** The packages that `file` and the files it imports load; `import type` and `import()` load nothing here. */
function packagesOf(file: URL, seen = new Set<string>(), packages = new Set<string>()): Set<string> {
  if (seen.has(file.href)) return packages;
  seen.add(file.href);
  for (const [, from = ''] of readFileSync(file, 'utf8').matchAll(
    /^(?:import|export)(?! type)[^;']*from '([^']+)';/gm,
  )) {
    if (from.startsWith('.')) packagesOf(new URL(from, file), seen, packages);
    else if (!from.startsWith('node:')) packages.add(from);
  }
  return packages;
}

test('the command loads no packages, and a broker those that every broker needs', () => {
  assert.deepEqual([...packagesOf(new URL('core/cli.ts', root))], []);
  assert.deepEqual([...packagesOf(new URL('core/command/run-broker.ts', root))], ['pino']);
});

test('a worker loads none', () => {
  assert.deepEqual([...packagesOf(new URL('workers/data-plane.ts', root))], []);
});
