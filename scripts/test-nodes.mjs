// Plays tests in other versions of Node.js than the one that has built the addon, which is not built again for them:
// `npm run test:nodes` those below, `npm run test:nodes -- test/e2e/wire` others.

import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { otherNodes } from './other-nodes.mjs';

const root = resolve(import.meta.dirname, '..');

/** What depends on Node.js: its OpenSSL, its HTTP, threads and their ends, and real clients. */
const standard = [
  'test/e2e/tls/c',
  'test/e2e/wire/door',
  'test/e2e/embedding/start-stop',
  'test/fault/worker-restart',
];

const asked = process.argv.slice(2);
let status = 0;
for (const { version, node } of otherNodes()) {
  console.log(`Node.js ${version}:`);
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
