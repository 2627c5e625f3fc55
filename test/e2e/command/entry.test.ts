/** The entry file of the command, which also runs on versions of Node.js that cannot load the rest. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';

const entry = resolve(import.meta.dirname, '../../../../dist/core/rallymq.js');

function run(...args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, args, { encoding: 'utf8' });
}

test('it prints what it was asked for, and nothing about this Node.js', () => {
  const { status, stdout, stderr } = run(entry, '--version');
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
});

test('a Node.js that is too old is named in a sentence', () => {
  const older =
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } })";
  const { status, stdout, stderr } = run('--import', `data:text/javascript,${older}`, entry, '--version');
  assert.match(stderr, /^rallymq: RallyMQ needs Node\.js 20\.19 or newer, and this is 18\.20\.4: [^\n]+\n$/);
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
});
