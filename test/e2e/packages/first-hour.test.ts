/**
 * The commands and pages of README.md and docs/getting-started.md, verbatim: the quick part of
 * `npm run test:first-hour`, which uses a fresh clone.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '../../../..');
const canHaveNetwork =
  process.getuid?.() === 0 || spawnSync('unshare', ['--map-root-user', '--net', 'true']).status === 0;

test('the commands of the first hour do what the documents say', {
  skip: canHaveNetwork ? false : 'a network of its own needs root, or user namespaces',
}, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/first-hour.mjs', '--here'], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /^(1[5-9]|2\d) of \1$/m);
});
