/** Both packages as packed by npm, in empty projects. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { startBroker } from '../../support/broker.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../../../..');
const timeout = 120_000;

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

function emptyProject(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-project-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  return folder;
}

async function pack(folder: string, ...args: string[]): Promise<Packed> {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder, ...args], {
    cwd: root,
    timeout,
  });
  return (JSON.parse(stdout) as Packed[])[0] ?? assert.fail(stdout);
}

/** What the types have to allow and to refuse; `npm run test:first-hour` compiles it with the oldest TypeScript too. */
const page = join(root, 'test/e2e/packages/page.ts.txt');

const program = `
import { connect } from 'rallymq-client';
import 'rallymq-client/outbox';
import 'rallymq-client/mqtt-3';
import 'rallymq-client/respond';
import 'rallymq-client/share';
const [, , url, ws] = process.argv;
const { WebSocket } = await import(ws);
const rally = await connect(url, { WebSocket });
const messages = rally.subscribe('a/#');
await rally.publish('a/b', { c: 1 }, { qos: 1 });
for await (const message of messages) { console.log(message.topic, message.json().c); break; }
rally.close();
`;

test('rallymq-client installs into an empty project: programs, strict types and bundles', async (t) => {
  const folder = emptyProject(t);
  const { filename, files } = await pack(folder, '--workspace', 'client');
  const paths = files.map(({ path }) => path);
  for (const expected of ['README.md', 'LICENSE', 'dist/client/rally.js', 'dist/client/rally.js.map'])
    assert.ok(paths.includes(expected), expected);
  assert.ok(
    paths.every((path) => !path.endsWith('.ts') || path.endsWith('.d.ts')),
    'no sources',
  );
  // TypeScript before 5.7 has no generic Uint8Array. `npm run test:first-hour` compiles the page with 5.0.4.
  for (const path of paths.filter((each) => each.endsWith('.d.ts')))
    assert.doesNotMatch(readFileSync(join(root, 'client', path), 'utf8'), /Uint8Array</, path);
  const install = ['install', '--offline', '--no-audit', '--no-fund', `./${filename}`];
  await run('npm', install, { cwd: folder, timeout });
  const installed = join(folder, 'node_modules/rallymq-client');
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const { dependencies, optionalDependencies, os, scripts } = manifest;
  assert.deepEqual([dependencies, optionalDependencies, os], [undefined, undefined, undefined]);
  assert.deepEqual(Object.keys(scripts), ['prepack'], 'nothing is built where it is installed');

  const { wsUrl } = await startBroker(t);
  writeFileSync(join(folder, 'program.js'), program);
  const ws = join(root, 'node_modules/ws/wrapper.mjs');
  const { stdout } = await run(process.execPath, ['program.js', wsUrl, ws], { cwd: folder, timeout });
  assert.equal(stdout, 'a/b 1\n');

  cpSync(page, join(folder, 'page.ts'));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  for (const [module, resolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    const options = [
      '--strict',
      '--exactOptionalPropertyTypes',
      '--skipLibCheck',
      'false',
      '--noEmit',
      '--types',
      '',
    ];
    const target = ['--target', 'es2022', '--lib', 'es2023,dom,dom.asynciterable'];
    const args = [
      tsc,
      ...options,
      ...target,
      '--module',
      module,
      '--moduleResolution',
      resolution,
      'page.ts',
    ];
    await run(process.execPath, args, { cwd: folder, timeout }).catch(({ stdout: errors }) =>
      assert.fail(errors),
    );
  }

  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ['page.ts'],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    logLevel: 'silent',
  });
  assert.ok((outputFiles[0]?.contents.length ?? 0) < 40_000, 'only what is imported');
});

test('rallymq has what it needs and no more, and its command and its API run in an empty project', async (t) => {
  const folder = emptyProject(t);
  await run('npm', ['run', 'prepack'], { cwd: root, timeout });
  const { filename, files } = await pack(folder, '--ignore-scripts'); // other tests use what `prepare` would write
  await run('npm', ['run', 'postpack'], { cwd: root, timeout });
  const paths = files.map(({ path }) => path);
  for (const expected of [
    'dist/core/rallymq.js',
    'dist/client/rally.js',
    'docs/getting-started.md',
    'binding.gyp',
    `prebuilt/${process.platform}-${process.arch}.node`,
  ])
    assert.ok(paths.includes(expected), expected);
  assert.deepEqual(
    paths.filter((path) => /^(test|bench|web|core|workers|client|scripts|dist\/(test|bench))\//.test(path)),
    [],
  );
  const installed = join(folder, 'node_modules/rallymq');
  mkdirSync(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components', '1']);
  await run('npm', ['run', 'install'], { cwd: installed, timeout });
  assert.ok(!existsSync(join(installed, 'build')), 'no compiler is needed');
  // The dependencies come from the registry: here they are at hand.
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.deepEqual(Object.keys(optionalDependencies), ['uWebSockets.js'], 'the broker runs without it');
  for (const name of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
  const command = await run(process.execPath, [join(installed, 'dist/core/rallymq.js'), '--version'], {
    timeout,
  });
  assert.match(command.stdout, /^\d+\.\d+\.\d+\n$/);
  const embedding = `
    import { createBroker } from 'rallymq';
    const broker = createBroker({ port: 0, tcpPort: false });
    await broker.start();
    const { port } = broker.address();
    const page = await fetch('http://127.0.0.1:' + port + '/docs/');
    console.log(broker.http, page.status);
    await broker.stop();`;
  writeFileSync(join(folder, 'embedding.mjs'), embedding);
  const { stdout } = await run(process.execPath, ['embedding.mjs'], { cwd: folder, timeout });
  assert.equal(stdout, 'node:http 200\n');
});
