/** The two native parts if they cannot be loaded: without ours there is no broker, without uWebSockets Node's HTTP. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Exit, runCommand, startCommand } from '../../support/command.ts';
import { openClient, transports } from '../../support/raw-client.ts';

/** The environment of a Node.js that cannot load the binaries whose name has `name` in it. */
async function without(t: TestContext, name: string): Promise<Record<string, string>> {
  return preloaded(
    t,
    `const { dlopen } = process;
     process.dlopen = (module, path, ...flags) => {
       if (path.includes('${name}')) throw new Error('version GLIBC_9.99 not found');
       dlopen(module, path, ...flags);
     };`,
  );
}

async function preloaded(t: TestContext, program: string): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-'));
  t.after(() => rm(folder, { recursive: true }));
  const preload = join(folder, 'preload.cjs');
  await writeFile(preload, program);
  return { NODE_OPTIONS: `--require ${preload}` };
}

function assertSentence({ code, stdout, stderr }: Exit, sentence: RegExp): void {
  assert.match(stderr, sentence);
  assert.match(stderr, /^rallymq: [^\n]+\n$/, 'one sentence');
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
}

/** The environment of a Node.js whose RallyMQ addon is changed like this, once it is loaded. */
async function withAddon(t: TestContext, change: string): Promise<Record<string, string>> {
  return preloaded(
    t,
    `const { dlopen } = process;
     process.dlopen = (module, path, ...flags) => {
       dlopen(module, path, ...flags);
       if (path.includes('rallymq.node')) { const addon = module.exports; ${change} }
     };`,
  );
}

test('the addon was built for another machine', async (t) => {
  const args = ['--port', '0', '--no-tcp', '--log-level', 'silent'];
  const exit = await runCommand(args, await without(t, 'rallymq.node'));
  assertSentence(exit, /was built for another machine.*npm run install/);
});

test('the addon was built from older sources, without a method of today', async (t) => {
  const args = ['--port', '0', '--no-tcp', '--log-level', 'silent'];
  const changes = ['delete addon.bindPort;', 'addon.engineMethodNames.pop();'];
  for (const change of changes) {
    const exit = await runCommand(args, await withAddon(t, change));
    assertSentence(exit, /was built from other sources than this.*npm run install/);
  }
});

test('where uWebSockets.js has no binary Node serves HTTP, and the command says so', async (t) => {
  const command = startCommand(t, [], await without(t, 'uws_'));
  const ports = await command.ready();
  assert.match(command.stdout, /HTTP by node:http/);
  assert.match(command.stderr, /"http":"node:http","reason":"[^"]*GLIBC_9\.99/);
  for (const transport of transports) await openClient(t, transport, ports);
  const health = `http://127.0.0.1:${ports.port}/healthz`;
  assert.deepEqual(await (await fetch(health)).json(), { status: 'ok' });
  const page = await fetch(`http://127.0.0.1:${ports.port}/`, { method: 'HEAD' });
  assert.equal(page.status, 200);
  assert.equal((await fetch(`http://127.0.0.1:${ports.port}/mqtt`)).status, 426);
});
