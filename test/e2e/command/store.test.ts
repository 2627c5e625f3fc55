/** `rallymq store`: its output for a sound, damaged, used or missing data directory; backups and restoring them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BrokerError } from '../../../core/broker-error.ts';
import { loadAddon } from '../../../core/data-plane/addon.ts';
import { backUp, restore as restoreStore } from '../../../core/storage/backup.ts';
import { exportStore, importStore } from '../../../core/storage/export.ts';
import { startBroker } from '../../support/broker.ts';
import { Command, runCommand } from '../../support/command.ts';
import { until } from '../../support/wait.ts';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-store-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** A store of three segments or more, with a retained message in each. */
async function storeIn(t: TestContext, folder: string): Promise<string> {
  const dataDirectory = join(folder, 'data');
  for (let start = 0; start < 3; start++) {
    const { broker } = await startBroker(t, { dataDirectory });
    await broker.publish(`scores/${start}`, '40-30', { retain: true, qos: 1 });
    await broker.stop();
  }
  return dataDirectory;
}

const store = (...args: string[]) => runCommand(['store', ...args]);

async function segmentsOf(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.seg')).sort();
}

/** Changes what is in a file, in place. */
async function change(path: string, how: (bytes: Buffer) => void): Promise<void> {
  const bytes = readFileSync(path);
  how(bytes);
  await writeFile(path, bytes);
}

test('a sound store: its figures, and that nothing is damaged', async (t) => {
  const directory = await storeIn(t, await folderFor(t));
  const info = await store('info', '--data', directory);
  assert.match(info.stdout, /: \d+ segments? and \d+ spare, [\d.]+ MiB\n$/);
  const check = await store('check', '--data', directory, '--json');
  assert.equal(check.code, 0);
  const report = JSON.parse(check.stdout);
  assert.deepEqual({ damage: report.damage, torn: report.tornBytes }, { damage: [], torn: 0 });
  assert.equal(report.segments, (await segmentsOf(directory)).length);
});

test('a damaged store: what is damaged is named, and set aside when that is asked for', async (t) => {
  const directory = await storeIn(t, await folderFor(t));
  const [first] = await segmentsOf(directory);
  assert.ok(first !== undefined);
  await change(join(directory, first), (bytes) => {
    bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100); // of the segment's header
  });
  const before = await readdir(directory);
  const check = await store('check', '--data', directory);
  assert.equal(check.code, 1);
  assert.match(
    check.stdout,
    /its header cannot be read; what is behind it was read\n1 place damaged; the broker starts/,
  );
  assert.deepEqual((await readdir(directory)).sort(), before.sort(), 'nothing is changed');
  const repaired = await store('check', '--repair', '--data', directory);
  assert.match(repaired.stdout, new RegExp(`set aside in ${first}-0.damaged`));
  assert.ok(existsSync(join(directory, `${first}-0.damaged`)));
  assert.match((await store('info', '--data', directory)).stdout, /set aside as damaged: .*-0\.damaged/);
});

test('a segment that is gone is missed', async (t) => {
  const directory = await storeIn(t, await folderFor(t));
  const newest = (await segmentsOf(directory)).at(-1);
  assert.ok(newest !== undefined);
  await rm(join(directory, newest));
  const check = await store('check', '--data', directory);
  assert.equal(check.code, 1);
  assert.match(check.stdout, /segment \d+ is missing, and all that was in it/);
});

test('a backup has the segments, costs no room but for the last one, and comes back', async (t) => {
  const folder = await folderFor(t);
  const directory = await storeIn(t, folder);
  const segments = await segmentsOf(directory);
  const backup = await store('backup', join(folder, 'backup'), '--data', directory, '--json');
  assert.equal(backup.code, 0, backup.stderr);
  const { files, links } = JSON.parse(backup.stdout);
  assert.deepEqual({ files, links }, { files: segments.length, links: segments.length - 1 });
  const restored = join(folder, 'restored');
  const restore = await store('restore', join(folder, 'backup'), '--data', restored);
  assert.equal(restore.code, 0, restore.stderr);
  assert.match(restore.stdout, /Nothing is damaged\.\n$/);
  for (const name of segments) {
    assert.ok(readFileSync(join(restored, name)).equals(readFileSync(join(directory, name))), name);
  }
  assert.equal((await stat(restored)).mode & 0o777, 0o700);
  const part = join(folder, 'part');
  let first: string[] | undefined;
  await restoreStore(loadAddon(), part, join(folder, 'backup'), () => {
    first ??= readdirSync(part).filter((name) => name.endsWith('.seg'));
  });
  assert.deepEqual(first, segments.slice(-1), 'it names those that are still missing if it is killed here');
  const again = await store('backup', join(folder, 'backup'), '--data', directory);
  assert.match(again.stderr, /^rallymq: .*backup is not empty: a backup needs a folder of its own\.\n$/);
});

test('a backup of a broker that runs has what was acknowledged, and its files are not used again', async (t) => {
  const folder = await folderFor(t);
  const dataDirectory = await storeIn(t, folder);
  const { broker } = await startBroker(t, { dataDirectory });
  await broker.publish('scores/last', '40-40', { retain: true, qos: 1 });
  const inUse = await store('check', '--repair', '--data', dataDirectory);
  assert.match(inUse.stderr, /is in use by process \d+ on .*; stop that broker first/);
  const restored = join(folder, 'restored');
  const torn = await store('restore', dataDirectory, '--data', restored);
  assert.match(torn.stderr, /is in use by process \d+ on .*: make a backup of it/);
  assert.ok(!existsSync(restored));
  assert.equal((await store('backup', join(folder, 'backup'), '--data', dataDirectory)).code, 0);
  await broker.publish('scores/later', '0-0', { retain: true, qos: 1 });
  await broker.stop();
  const restore = await store('restore', join(folder, 'backup'), '--data', restored);
  assert.equal(restore.code, 0, restore.stdout);
  const { broker: again } = await startBroker(t, { dataDirectory: restored });
  const topics: string[] = [];
  await again.subscribe('scores/#', ({ topic }) => void topics.push(topic));
  await until('the retained messages', () => topics.length >= 4);
  assert.deepEqual(topics.sort(), ['scores/0', 'scores/1', 'scores/2', 'scores/last']);
});

test('a store is checked while its broker runs, at a bounded rate', async (t) => {
  const folder = await folderFor(t);
  const dataDirectory = await storeIn(t, folder);
  const { broker } = await startBroker(t, { dataDirectory });
  await broker.publish('scores/last', '40-40', { retain: true, qos: 1 });
  // Of processes that were killed; another one has the number of the second, as in a new container.
  for (const pid of [999_999_999, process.pid]) {
    await mkdir(join(dataDirectory, `check-${pid}`));
    await writeFile(join(dataDirectory, `check-${pid}`, 'incomplete'), '');
  }
  const sound = await store('check', '--rate', '500', '--data', dataDirectory);
  assert.equal(sound.code, 0, sound.stderr);
  assert.match(sound.stdout, /Nothing is damaged\.\n$/);
  const [first] = await segmentsOf(dataDirectory);
  await change(join(dataDirectory, first ?? ''), (bytes) => {
    bytes[bytes.indexOf('40-30')] = 0x41;
  });
  const damaged = await store('check', '--data', dataDirectory);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stdout, /damaged/);
  const left = (await readdir(dataDirectory)).filter((name) => name.startsWith('check-'));
  assert.deepEqual(left, []);
  await broker.publish('scores/later', '0-0', { retain: true, qos: 1 });
  const copiesLeft = () => readdirSync(dataDirectory).filter((name) => name.startsWith('check-'));
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    const slow = new Command(['store', 'check', '--rate', '1', '--data', dataDirectory]);
    await until('its copy', () => copiesLeft().length === 1);
    slow.kill(signal);
    assert.equal((await slow.exited()).signal, signal);
    assert.equal(copiesLeft().length, signal === 'SIGINT' ? 0 : 1);
  }
  await broker.stop();
  await startBroker(t, { dataDirectory });
  await until('the next start has removed it', () => copiesLeft().length === 0);
});

test('a backup, a restore, an export or an import that is interrupted leaves nothing', async (t) => {
  const folder = await folderFor(t);
  const directory = await storeIn(t, folder);
  const interrupt = (): never => {
    throw new BrokerError('STORE_NOT_USABLE', 'It was interrupted.');
  };
  const backup = join(folder, 'backup');
  await backUp(loadAddon(), directory, backup, () => {});
  const exported = join(folder, 'lines');
  await exportStore(loadAddon(), directory, exported, new Uint8Array(1), () => {});
  const target = join(folder, 'new');
  const tasks = [
    () => backUp(loadAddon(), directory, target, interrupt),
    () => restoreStore(loadAddon(), target, backup, interrupt),
    () => exportStore(loadAddon(), directory, target, new Uint8Array(1), interrupt),
    () => importStore(loadAddon(), target, exported, interrupt),
  ];
  for (const task of tasks) {
    await assert.rejects(task(), /interrupted/);
    assert.ok(!existsSync(target));
  }
});

test('an export ends at once when a signal comes, also while it reads, and leaves no file', async (t) => {
  const folder = await folderFor(t);
  const directory = await storeIn(t, folder);
  // Reading these takes many seconds, and they take no space.
  for (let number = 100; number < 300; number++) {
    const path = join(directory, `${String(number).padStart(10, '0')}.seg`);
    await writeFile(path, '');
    await truncate(path, 67_108_864);
  }
  const file = join(folder, 'lines');
  const command = new Command(['store', 'export', file, '--data', directory]);
  await until('its file', () => existsSync(file));
  const atMs = performance.now();
  command.kill('SIGINT');
  assert.equal((await command.exited()).signal, 'SIGINT');
  const tookMs = performance.now() - atMs;
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
  assert.ok(!existsSync(file));
});

test('an import ends at once when a signal comes while it waits for its lines, and leaves nothing', async (t) => {
  const folder = await folderFor(t);
  const [target, empty] = [join(folder, 'new'), join(folder, 'empty')];
  await mkdir(empty);
  const pipe = join(folder, 'lines');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  for (const directory of [target, empty]) {
    const command = new Command(['store', 'import', pipe, '--data', directory]);
    const lines = await open(pipe, 'w');
    await lines.write('{"rallymq":"store","version":1,"run":1,"lastMessage":9}\n');
    await until('a segment', () => existsSync(join(directory, '0000000001.seg')));
    command.kill('SIGINT');
    assert.equal((await command.exited()).signal, 'SIGINT');
    await lines.close();
  }
  assert.ok(!existsSync(target));
  assert.deepEqual(await readdir(empty), []);
});

test('what a command writes to is its own until it has ended', async (t) => {
  const folder = await folderFor(t);
  const directory = await storeIn(t, folder);
  const addon = loadAddon();
  const [backup, lines] = [join(folder, 'backup'), join(folder, 'lines')];
  const both = [1, 2].map(() => backUp(addon, directory, backup, () => {}));
  const outcomes = await Promise.allSettled(both);
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  assert.deepEqual(
    (await readdir(backup)).sort(),
    await segmentsOf(directory),
    'the other one took nothing away',
  );
  await exportStore(addon, directory, lines, new Uint8Array(1), () => {});
  for (const [name, write] of [
    ['restored', (target: string, told: () => void) => restoreStore(addon, target, backup, told)],
    ['imported', (target: string, told: () => void) => importStore(addon, target, lines, told)],
  ] as const) {
    const target = join(folder, name);
    const refusals = new Set<string>();
    await write(target, () => {
      const lock = addon.lockDirectory(target); // as a broker that is started does
      refusals.add('fault' in lock ? lock.fault : 'none');
    });
    assert.deepEqual([...refusals], ['held'], name);
    assert.ok(!(await readdir(target)).includes('lock'), 'it is free again');
  }
});

test('what a command that was killed has begun is not taken for a store', async (t) => {
  const folder = await folderFor(t);
  const target = join(folder, 'imported');
  const pipe = join(folder, 'lines');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const command = new Command(['store', 'import', pipe, '--data', target]);
  const lines = await open(pipe, 'w');
  await lines.write(
    '{"rallymq":"store","version":1,"run":1,"lastMessage":9,"lastSeenAt":"2026-11-28T12:48:41.034Z"}\n' +
      '{"message":1,"topic":"news","payload":"1","qos":1}\n',
  );
  await until('a segment', () => existsSync(join(target, '0000000001.seg')));
  command.kill('SIGKILL');
  await command.exited();
  await lines.close();
  for (const args of [
    ['store', 'info'],
    ['store', 'export', join(folder, 'e')],
    ['--port', '0', '--no-tcp'],
  ]) {
    const exit = await runCommand([...args, '--data', target]);
    assert.match(
      exit.stderr,
      /has not ended; unless it is still running, remove the directory/,
      args.join(' '),
    );
    assert.equal(exit.code, 2);
  }
  assert.match((await store('restore', await storeIn(t, folder), '--data', target)).stderr, /is not empty/);
});

test('an export to standard output continues the file that this is, and removes nothing if it fails', async (t) => {
  const folder = await folderFor(t);
  const directory = await storeIn(t, folder);
  const file = join(folder, 'lines');
  const cli = resolve(import.meta.dirname, '../../../../dist/core/cli.js');
  const append = () =>
    spawnSync('sh', [
      '-c',
      `"$0" "$1" store export /dev/stdout --data "$2" >>"$3"`,
      process.execPath,
      cli,
      directory,
      file,
    ]);
  writeFileSync(file, 'before\n');
  assert.equal(append().status, 0);
  const lines = readFileSync(file, 'utf8');
  assert.match(lines, /^before\n\{"rallymq":"store".*\n\{"end":\d+\}\n$/s);
  const lock = loadAddon().lockDirectory(directory);
  assert.ok(!('fault' in lock));
  assert.equal(append().status, 2);
  lock.remove();
  assert.equal(readFileSync(file, 'utf8'), lines);
  assert.ok(existsSync('/dev/stdout'));
});

test('what is wrong is said in one sentence', async (t) => {
  const folder = await folderFor(t);
  const data = await storeIn(t, await folderFor(t));
  const link = join(await folderFor(t), 'link');
  await symlink(data, link);
  const exported = import.meta.filename; // any file that is there
  const wrong: [string[], RegExp, number][] = [
    [[], /Give one of info, check, backup, restore, export, import, compact/, 2],
    [['look'], /Give one of info, .*, not 'look': see/, 2],
    [['check', 'folder'], /'folder' is not a flag of rallymq store check/, 2],
    [['backup'], /Give one folder: rallymq store backup FOLDER/, 2],
    [['export'], /Give one file: rallymq store export FILE/, 2],
    [
      ['import', join(folder, 'nothing'), '--data', folder],
      /nothing cannot be opened: no such file or directory\./,
      2,
    ],
    [['export', folder, '--data', folder], /is not a data directory: it has no segments/, 2],
    [['info', '--repair'], /--repair is for rallymq store check/, 2],
    [['info', '--rate', '1'], /--rate is for rallymq store check/, 2],
    [['check', '--rate', '0'], /--rate is '0': give a whole number of megabytes/, 2],
    [['info', '--nonsense'], /--nonsense is not a flag of rallymq store: see rallymq store --help\./, 2],
    [
      ['info', '--data', join(folder, 'nowhere')],
      /nowhere is not a data directory: no such file or directory\./,
      2,
    ],
    [['check', '--data', folder], /is not a data directory: it has no segments/, 2],
    [['import', folder, '--data', join(folder, 'new')], /cannot be read: it is a directory\. Nothing/, 2],
    [
      ['import', exported, '--data', '/proc/x'],
      /\/proc\/x cannot be created: no such file or directory\./,
      2,
    ],
    [['backup', join(data, 'b'), '--data', data], /is in the data directory itself/, 2],
    [['backup', join(link, 'b', 'c'), '--data', data], /is in the data directory itself/, 2],
    [['backup', join(data, 'b'), '--data', link], /is in the data directory itself/, 2],
    [['backup', join(folder, 'b'), '--data', folder], /is not a data directory: it has no segments/, 2],
  ];
  for (const [args, sentence, code] of wrong) {
    const exit = await store(...args);
    assert.match(exit.stderr, sentence);
    assert.match(exit.stderr, /^rallymq: [^\n]+\n$/);
    assert.equal(exit.code, code, args.join(' '));
  }
  assert.deepEqual(await readdir(folder), [], 'nothing is left of what was not made');
  assert.match((await store('--help')).stdout, /^Usage: rallymq store info/);
});
