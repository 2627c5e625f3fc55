/** Where the command keeps its data by default, and its messages for an unusable folder. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCommand, startCommand } from '../../support/command.ts';
import { publishFrame, publishOf, subscribeFrame, textOf } from '../../support/frames.ts';
import { openConnected } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

/** As a shell in which no variable of ours is set. */
const plain = { RALLYMQ_DATA: '' };
const tmpfs = 0x0102_1994;

async function folderIn(t: TestContext, parent: string): Promise<string> {
  const folder = await mkdtemp(join(parent, 'rallymq-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })); // a broker may run on
  return folder;
}

/** As the segments have it (native/log/crc32c.h). */
function crc32c(bytes: Uint8Array, before = 0): number {
  let sum = ~before;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f6_3b78 : 0);
  }
  return ~sum >>> 0;
}

test('it keeps its data in rallymq-data of the folder where it was started, which one broker uses at a time', async (t) => {
  const folder = await folderIn(t, tmpdir());
  const first = startCommand(t, [], plain, folder);
  const { client } = await openConnected(t, 'tcp', await first.ready());
  assert.match(first.stdout, /\n {2}Data {17}rallymq-data \(fsync\)\n$/);
  assert.equal(statSync(join(folder, 'rallymq-data')).mode & 0o777, 0o700);
  client.send(publishFrame('score', '40-30', { qos: 1, retain: true }));
  await client.nextPacket();

  const second = await runCommand(['--port', '0', '--no-tcp', '--log-level', 'silent'], plain, folder);
  assert.equal(second.code, 2);
  assert.match(
    second.stderr,
    new RegExp(
      `^rallymq: The data directory \\S+/rallymq-data is in use by another broker \\(process ${first.pid} on .+ since .+\\); [^\\n]*--data\\.\\n$`,
    ),
  );

  first.kill('SIGKILL');
  await first.exited();
  const again = startCommand(t, [], plain, folder);
  const { client: reader } = await openConnected(t, 'tcp', await again.ready());
  reader.send(subscribeFrame('score'));
  await reader.nextPacket();
  assert.equal(textOf(publishOf(await reader.nextPacket())), '40-30');
});

test('with --data none or RALLYMQ_DATA=none nothing is left, and the greeting says so', async (t) => {
  const folder = await folderIn(t, tmpdir());
  for (const [args, environment] of [
    [['--data', 'none'], plain],
    [[], { RALLYMQ_DATA: 'none' }],
  ] as const) {
    const command = startCommand(t, args, environment, folder);
    await command.ready();
    assert.match(command.stdout, /\n {2}Data {17}in memory only/);
    command.kill('SIGTERM');
    assert.equal((await command.exited()).code, 0);
    assert.deepEqual(readdirSync(folder), []);
  }
});

test('a folder that cannot be made, or is of a newer version, is refused in one sentence and left alone', async (t) => {
  const folder = await folderIn(t, tmpdir());
  const refusal = async (directory: string): Promise<string> => {
    const args = ['--port', '0', '--no-tcp', '--log-level', 'silent', '--data', directory];
    const { code, stderr } = await runCommand(args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^rallymq: [^\n]+\n$/);
    return stderr;
  };
  writeFileSync(join(folder, 'file'), '');
  assert.match(
    await refusal(join(folder, 'file', 'data')),
    /cannot be used .*--data, or none to keep everything in memory/,
  );
  const wrong = join(folder, 'wrong');
  mkdirSync(join(wrong, 'cluster.json'), { recursive: true });
  assert.match(await refusal(wrong), /cannot be used \(cluster\.json: it is a directory\); give another one/);

  const data = join(folder, 'data');
  const command = startCommand(t, ['--data', data]);
  await command.ready();
  command.kill('SIGTERM');
  await command.exited();
  const segment = join(data, readdirSync(data).find((name) => name.endsWith('.seg')) ?? '');
  const bytes = readFileSync(segment);
  bytes.writeUInt32LE(99, 8);
  bytes.writeUInt32LE(crc32c(bytes.subarray(16, 4_096), crc32c(bytes.subarray(0, 12))), 12);
  writeFileSync(segment, bytes);
  assert.match(await refusal(data), /was written by a newer version of RallyMQ \(99\)/);
  assert.ok(readFileSync(segment).equals(bytes));
});

const hasTmpfs = existsSync('/dev/shm') && statfsSync('/dev/shm').type === tmpfs;

test('in memory (tmpfs) it starts with a warning', { skip: !hasTmpfs && 'no /dev/shm' }, async (t) => {
  const folder = await folderIn(t, '/dev/shm');
  const config = join(folder, 'rallymq.json');
  writeFileSync(config, '{ "limits": { "logSegmentBytes": 1048576 } }');
  const command = startCommand(t, ['--data', join(folder, 'data'), '--config', config]);
  await command.ready();
  await until('the warning', () => command.stderr.includes('the data directory is in memory (tmpfs)'));
});
