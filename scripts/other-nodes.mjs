// Versions of Node.js other than the one that built the addon, which is not rebuilt for them. They are installed once,
// some 350 MB, into a temporary folder.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const cache = join(tmpdir(), 'rallymq-nodes');
const versions = { node22: '22.23.3', node24: '24.9.0', node26: '26.12.1' };

/** Each with its version and the path of its program. Throws if they cannot be installed. */
export function otherNodes() {
  const dependencies = Object.fromEntries(
    Object.entries(versions).map(([name, version]) => [name, `npm:node-linux-${process.arch}@${version}`]),
  );
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const args = ['install', '--silent', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status } = spawnSync('npm', args, { cwd: cache, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`The versions of Node.js cannot be installed in ${cache}`);
  return Object.entries(versions).map(([name, version]) => ({
    version,
    node: join(cache, 'node_modules', name, 'bin/node'),
  }));
}
