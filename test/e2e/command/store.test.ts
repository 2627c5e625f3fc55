/** `rallymq store`: what it says of a data directory that is sound, damaged, in use, or none; backups and how they come back. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadAddon } from '../../../core/data-plane/addon.ts';
import { runCommand } from '../../support/command.ts';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-store-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** A store of three segments, each with what the log itself writes at a start and a stop. */
async function storeIn(folder: string): Promise<string> {
  const directory = join(folder, 'data');
  await mkdir(directory);
  for (let start = 0; start < 3; start++) {
    const { fault, damage } = loadAddon().checkStore(directory, true, new Uint8Array(1));
    assert.deepEqual({ fault, damage }, { fault: 'none', damage: [] });
  }
  return directory;
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
  const directory = await storeIn(await folderFor(t));
  const info = await store('info', '--data', directory);
  assert.match(info.stdout, /: \d+ segments? and \d+ spare, [\d.]+ MiB\n$/);
  const check = await store('check', '--data', directory, '--json');
  assert.equal(check.code, 0);
  const report = JSON.parse(check.stdout);
  assert.deepEqual({ damage: report.damage, torn: report.tornBytes }, { damage: [], torn: 0 });
  assert.equal(report.segments, (await segmentsOf(directory)).length);
});

test('a damaged store: what is damaged is named, and set aside when that is asked for', async (t) => {
  const directory = await storeIn(await folderFor(t));
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
  const directory = await storeIn(await folderFor(t));
  const newest = (await segmentsOf(directory)).at(-1);
  assert.ok(newest !== undefined);
  await rm(join(directory, newest));
  const check = await store('check', '--data', directory);
  assert.equal(check.code, 1);
  assert.match(check.stdout, /segment \d+ is missing, and all that was in it/);
});

test('a backup has the segments, costs no room but for the last one, and comes back', async (t) => {
  const folder = await folderFor(t);
  const directory = await storeIn(folder);
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
  const again = await store('backup', join(folder, 'backup'), '--data', directory);
  assert.match(again.stderr, /^rallymq: .*backup is not empty: a backup needs a folder of its own\.\n$/);
});

test('a file that a backup has is not used again by the log', async (t) => {
  const folder = await folderFor(t);
  const directory = await storeIn(folder);
  assert.equal((await store('backup', join(folder, 'backup'), '--data', directory)).code, 0);
  const before = (await segmentsOf(join(folder, 'backup'))).map((name) =>
    readFileSync(join(folder, 'backup', name)),
  );
  for (let start = 0; start < 5; start++) loadAddon().checkStore(directory, true, new Uint8Array(1));
  for (const [at, name] of (await segmentsOf(join(folder, 'backup'))).entries()) {
    // A seal may come behind what was there; nothing that was there changes.
    const now = readFileSync(join(folder, 'backup', name));
    assert.ok(before[at]?.subarray(0, 8_192).equals(now.subarray(0, 8_192)), name);
  }
  const restore = await store('restore', join(folder, 'backup'), '--data', join(folder, 'restored'));
  assert.equal(restore.code, 0, restore.stdout);
});

test('what is wrong is said in one sentence', async (t) => {
  const folder = await folderFor(t);
  const wrong: [string[], RegExp, number][] = [
    [[], /needs one of info, check, backup, restore/, 2],
    [['look'], /needs one of info/, 2],
    [['check', 'folder'], /takes no folder/, 2],
    [['backup'], /Give one folder: rallymq store backup FOLDER/, 2],
    [['info', '--repair'], /--repair is for rallymq store check/, 2],
    [['info', '--nonsense'], /--help lists the flags/, 2],
    [['info', '--data', join(folder, 'nowhere')], /is not a data directory: ENOENT/, 2],
    [['check', '--data', folder], /is not a data directory: it has no segments/, 2],
  ];
  for (const [args, sentence, code] of wrong) {
    const exit = await store(...args);
    assert.match(exit.stderr, sentence);
    assert.match(exit.stderr, /^rallymq: [^\n]+\n$/);
    assert.equal(exit.code, code, args.join(' '));
  }
  assert.match((await store('--help')).stdout, /^Usage: rallymq store info/);
});
