// Runs tests in versions of Node.js other than the one that built the addon, which is not rebuilt for them:
// `npm run test:nodes` those below, `npm run test:nodes -- test/e2e/wire` others. `--short`, used by `npm test`: only
// the door and the addon, on the versions with long-term support.

import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { otherNodes } from './other-nodes.mjs';

const root = resolve(import.meta.dirname, '..');

/** Parts that depend on Node.js: its OpenSSL, its HTTP, threads and their ends, and real clients. */
const standard = [
  'test/e2e/tls/c',
  'test/e2e/wire/door',
  'test/e2e/embedding/start-stop',
  'test/fault/worker-restart',
  'test/e2e/command/accidents',
  'test/e2e/command/entry',
  'test/e2e/command/pub-sub',
];

const short = [
  'test/e2e/wire/door',
  'test/unit/data-plane',
  'test/e2e/embedding/start-stop',
  'test/e2e/command/entry',
];
const shortVersions = /^(22|24)\./;

const asked = process.argv.slice(2);
const isShort = asked[0] === '--short';
const tests = isShort ? short : asked.length > 0 ? asked : standard;
let status = 0;
for (const { version, node } of otherNodes()) {
  if (isShort && !shortVersions.test(version)) continue;
  console.log(`Node.js ${version}:`);
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
