// Plays tests in other versions of Node.js than the one that has built the addon, which is not built again for them:
// `npm run test:nodes` those below, `npm run test:nodes -- test/e2e/wire` others. The versions are installed once, some
// 250 MB, into a folder for temporary files.

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const cache = join(tmpdir(), 'rallymq-nodes');
const versions = { node22: '22.23.3', node24: '24.9.0' };

/** What depends on Node.js: its OpenSSL, its HTTP, threads and their ends, and real clients. */
const standard = [
  'test/e2e/tls/c',
  'test/e2e/wire/door',
  'test/e2e/embedding/start-stop',
  'test/fault/worker-restart',
];

const asked = process.argv.slice(2);
const dependencies = Object.fromEntries(
  Object.entries(versions).map(([name, version]) => [name, `npm:node-linux-${process.arch}@${version}`]),
);
mkdirSync(cache, { recursive: true });
writeFileSync(join(cache, 'package.json'), JSON.stringify({ private: true, dependencies }));
let status = await run('npm', ['install', '--silent', '--ignore-scripts', '--no-audit', '--no-fund'], cache);
if (status !== 0) {
  console.error(`The versions of Node.js cannot be installed in ${cache}`);
  process.exit(1);
}
for (const [name, version] of Object.entries(versions)) {
  console.log(`Node.js ${version}:`);
  const node = join(cache, 'node_modules', name, 'bin/node');
  const tests = asked.length > 0 ? asked : standard;
  status = Math.max(status, await run(node, [join(root, 'scripts/run-tests.mjs'), ...tests], root));
}
process.exit(status);

function run(command, args, cwd) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', () => done(1));
    child.on('close', (code) => done(code ?? 1));
  });
}
