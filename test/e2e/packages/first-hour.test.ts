/**
 * The commands of README.md and docs/getting-started.md as they are written, in a network of their own, since they use
 * the standard ports. `npm run test:first-hour` plays them in a fresh clone, with both packages in empty projects.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '../../../..');
const isRoot = process.getuid?.() === 0;
const ownNetwork = ['unshare', ...(isRoot ? ['--net'] : ['--map-root-user', '--net'])];
const canHaveNetwork = spawnSync(ownNetwork[0] ?? '', [...ownNetwork.slice(1), 'true']).status === 0;

test('the commands of the first hour do what the documents say', {
  skip: canHaveNetwork ? false : 'a network of its own needs root, or user namespaces',
}, () => {
  const play = 'ip link set lo up && exec node scripts/first-hour.mjs --here --no-packages';
  const { status, stdout, stderr } = spawnSync(
    ownNetwork[0] ?? '',
    [...ownNetwork.slice(1), 'sh', '-c', play],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /The first hour has passed: 1\d commands/);
});
