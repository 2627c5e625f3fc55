/** docs/configuration.md is what the code says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { limitNames } from '../../../core/config/limits.ts';
import { optionNames } from '../../../core/config/option-rules.ts';

const root = resolve(import.meta.dirname, '../../../..');

test('docs/configuration.md is up to date: npm run docs writes it', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build-docs.mjs'), '--check']);
  assert.equal(status, 0, stderr.toString());
});

test('it has every option and every limit, each with a sentence', () => {
  const text = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
  for (const option of optionNames) assert.match(text, new RegExp(`^### \`${option}\`$`, 'm'));
  for (const limit of limitNames)
    assert.match(text, new RegExp(`^\\| \`${limit}\` \\| .* \\| .{20,} \\|$`, 'm'));
  assert.doesNotMatch(text, /^### `\w+`\n\n(.*\n\n)?(?=###|##)/m, 'an option without a sentence');
});
