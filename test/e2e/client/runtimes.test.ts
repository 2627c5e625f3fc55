/**
 * The client in runtimes other than that of the tests. `npm test` runs the scenario in its own Node.js, and
 * `npm run test:runtimes` in all runtimes: it installs them, some 600 MB, into a temporary folder.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startRestartingBroker } from '../../support/restarting-broker.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../../../', import.meta.url));
const scenario = join(root, 'test/e2e/client/runtimes/main.mjs');
const timeout = 60_000;
const cache = join(tmpdir(), 'rallymq-runtimes');
const isArm = process.arch === 'arm64';

/** Those of the registry, by the name under which they are installed. */
const packages = {
  node22: `npm:node-linux-${process.arch}@22.23.3`,
  node24: `npm:node-linux-${process.arch}@24.9.0`,
  deno: `npm:@deno/linux-${process.arch}-glibc@2.9.6`,
  bun: `npm:@oven/bun-linux-${isArm ? 'aarch64' : 'x64'}@1.4.5`,
};

interface Runtime {
  command: string;
  args: readonly string[];
  isInstalled?: true;
}

const installed = (path: string): string => join(cache, 'node_modules', path);
const needsWebSocket = Number.parseInt(process.versions.node, 10) < 22;
const runtimes: Record<string, Runtime> = {
  'this Node.js': { command: process.execPath, args: [] },
  'Node.js 22': { command: installed('node22/bin/node'), args: [], isInstalled: true },
  'Node.js 24': { command: installed('node24/bin/node'), args: [], isInstalled: true },
  Deno: {
    command: installed('deno/deno'),
    args: ['run', '--no-config', '--allow-net', '--allow-read'],
    isInstalled: true,
  },
  Bun: { command: installed('bun/bin/bun'), args: ['run'], isInstalled: true },
};

const { RALLYMQ_RUNTIMES: wanted } = process.env as { RALLYMQ_RUNTIMES?: string };
const isAll = wanted === 'all';

if (isAll) {
  await mkdir(cache, { recursive: true });
  await writeFile(join(cache, 'package.json'), JSON.stringify({ private: true, dependencies: packages }));
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: cache });
}

for (const [name, runtime] of Object.entries(runtimes)) {
  if (runtime.isInstalled && !isAll) continue;
  test(`${name}: publish and subscribe, requests, a restarted broker, close`, async (context) => {
    const url = await startRestartingBroker(context);
    const { command, args } = runtime;
    const { stdout: version } = await run(command, ['--version']);
    context.diagnostic(`${name}: ${version.split('\n', 1)[0]}`);
    const extra = needsWebSocket && !runtime.isInstalled ? ['ws'] : [];
    const { stdout } = await run(command, [...args, scenario, url, ...extra], { cwd: root, timeout });
    assert.equal(stdout, 'played\n');
  });
}
