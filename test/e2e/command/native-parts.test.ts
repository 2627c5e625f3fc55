/** The two native parts where they cannot be loaded: one sentence says what to do, status 1. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Exit, runCommand } from '../../support/command.ts';

/** Runs the command under a Node.js that cannot load the binaries whose name has `name` in it. */
async function runWithout(t: TestContext, name: string): Promise<Exit> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-'));
  t.after(() => rm(folder, { recursive: true }));
  const preload = join(folder, 'no-binary.cjs');
  await writeFile(
    preload,
    `const { dlopen } = process;
     process.dlopen = (module, path, ...flags) => {
       if (path.includes('${name}')) throw new Error('version GLIBC_9.99 not found');
       dlopen(module, path, ...flags);
     };`,
  );
  const args = ['--port', '0', '--no-tcp', '--log-level', 'silent'];
  return await runCommand(args, { NODE_OPTIONS: `--require ${preload}` });
}

function assertSentence({ code, stdout, stderr }: Exit, sentence: RegExp): void {
  assert.match(stderr, sentence);
  assert.match(stderr, /^rallymq: [^\n]+\n$/, 'one sentence');
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
}

test('the addon was built for another Node.js', async (t) => {
  assertSentence(await runWithout(t, 'rallymq.node'), /another version of Node\.js.*npm run install/);
});

test('uWebSockets.js has no binary for this Node.js or this machine', async (t) => {
  assertSentence(await runWithout(t, 'uws_'), /uWebSockets\.js cannot be loaded \(.*GLIBC_9\.99.*\).*README/);
});
