/**
 * A disk that fills up under a broker: messages that would have to be stored are refused as each version of MQTT
 * provides, everything else continues, and so does storing once there is room. The disk is a small tmpfs, mounted by
 * root.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { replaceFile } from '../../core/security/replace-file.ts';
import { runCommand, startCommand } from '../support/command.ts';
import { connectFrame, publishFrame, publishOf, subscribeFrame, textOf, toHex } from '../support/frames.ts';
import { MqttSession } from '../support/mqtt-session.ts';
import { openClient, openConnected, RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

/** Undefined where it may not be mounted. */
function smallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

class SmallDisk {
  readonly folder: string;

  constructor(t: TestContext, folder: string) {
    this.folder = folder;
    t.after(() => {
      execFileSync('umount', ['--lazy', folder]);
      rmSync(folder, { recursive: true });
    });
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** Leaves less than the hard mark, which is 2 % of it. */
  fill(): void {
    writeFileSync(join(this.folder, 'ballast'), Buffer.alloc(this.freeBytes - 500_000));
  }

  empty(): void {
    rmSync(join(this.folder, 'ballast'));
  }
}

const isRoot = process.getuid?.() === 0;
const folder = isRoot ? smallDisk() : undefined;
const skip = folder === undefined && 'only root may mount a small disk';

test('a full disk refuses what would have to be stored, all else goes on, and storing too when there is room', {
  skip,
}, async (t) => {
  const disk = new SmallDisk(t, folder ?? '');
  const config = join(disk.folder, 'rallymq.json');
  writeFileSync(config, '{ "limits": { "logSegmentBytes": 1048576 } }');
  const args = ['--data', join(disk.folder, 'data'), '--config', config, '--workers', '2'];
  const first = startCommand(t, args);
  const ports = { ...(await first.ready()) };
  const sink = new MqttSession(t, ports, 'sink');
  await sink.connect('tcp');
  await sink.subscribe('kept', 2);
  sink.client?.destroy();
  const { client: source } = await openConnected(t, 'tcp', ports, { clientId: 'source' });
  const told = async (frame: Uint8Array): Promise<string> => {
    source.send(frame);
    return await source.nextHex();
  };
  assert.equal(await told(publishFrame('kept', 'before', { qos: 1 })), '40020001');

  disk.fill();
  await until('the line in the log', () => first.stderr.includes('the disk is full: messages that have'));
  const health = await fetch(`http://127.0.0.1:${ports.port}/healthz`);
  assert.match(await health.text(), /"status":"degraded".*is full/);
  assert.match(await told(publishFrame('kept', 'no', { qos: 1 })), /^40..000197/);
  assert.match(await told(publishFrame('kept', 'no', { qos: 2, packetId: 2 })), /^50..000297/);
  assert.match(await told(publishFrame('state', 'on', { qos: 1, retain: true, packetId: 3 })), /^40..000397/);
  assert.match(await told(publishFrame('other', 'x', { qos: 1, packetId: 4 })), /^40..000410/);
  const old = await openClient(t, 'tcp', ports, { protocolVersion: 4 });
  old.send(publishFrame('kept', 'no', { qos: 1 }, 4));
  await old.closed();
  assert.deepEqual(old.packets, []);

  for (const [version, refusal] of [
    [5, /^20..0097/],
    [4, /^20020003/],
  ] as const) {
    const stranger = await RawClient.overTcp(ports.tcpPort);
    t.after(() => stranger.destroy());
    const properties = version === 5 ? { sessionExpiryInterval: 60 } : {};
    const clientId = `stranger-${version}`;
    stranger.send(connectFrame({ protocolVersion: version, clientId, cleanStart: false, properties }));
    assert.match(toHex(await stranger.nextPacket()), refusal);
  }
  const guest = await openClient(t, 'ws', ports);
  guest.send(subscribeFrame('live'));
  assert.match(await guest.nextHex(), /00$/);
  source.send(publishFrame('live', 'news'));
  assert.equal(textOf(publishOf(await guest.nextPacket())), 'news');
  const { client: reader, connack } = await openConnected(t, 'tcp', ports, {
    clientId: 'sink',
    cleanStart: false,
    properties: { sessionExpiryInterval: 3_600 },
  });
  assert.ok(connack.sessionPresent);
  assert.equal(textOf(publishOf(await reader.nextPacket())), 'before');
  reader.send(subscribeFrame('more', 1));
  assert.match(await reader.nextHex(), /^90.*97$/);
  reader.destroy();

  disk.empty();
  await until('the line in the log', () => first.stderr.includes('the disk has free space again'));
  assert.equal(await told(publishFrame('kept', 'after', { qos: 1, packetId: 5 })), '40020005');
  assert.equal(first.stderr.split('the disk is full').length, 2, 'said once');
  first.kill('SIGKILL');
  await first.exited();
  Object.assign(ports, await startCommand(t, args).ready());
  await sink.connect('tcp');
  await until('what was acknowledged', () => sink.handed.some(({ text }) => text === 'after'));
  await sink.roundTrip();
  assert.ok(!sink.handed.some(({ text }) => text === 'no'));
});

test('an export or import for which the disk has no room says so, and leaves nothing', {
  skip,
}, async (t) => {
  const disk = new SmallDisk(t, smallDisk() ?? '');
  const elsewhere = mkdtempSync(join(tmpdir(), 'rallymq-lines-'));
  t.after(() => rmSync(elsewhere, { recursive: true }));
  const lines = [JSON.stringify({ rallymq: 'store', version: 1, run: 1, lastMessage: 64 })];
  for (let number = 1; number <= 20; number++) {
    const message = { message: number * 64, topic: `large/${number}`, payload: 'x'.repeat(100_000), qos: 1 };
    lines.push(JSON.stringify({ ...message, retain: true }), JSON.stringify({ retained: number * 64 }));
  }
  const file = join(elsewhere, 'lines');
  writeFileSync(file, `${[...lines, JSON.stringify({ end: lines.length })].join('\n')}\n`);
  const data = join(elsewhere, 'data');
  const imported = await runCommand(['store', 'import', file, '--data', data]);
  assert.equal(imported.code, 0, imported.stderr);

  disk.fill();
  const target = join(disk.folder, 'lines');
  const exported = await runCommand(['store', 'export', target, '--data', data]);
  assert.equal(exported.code, 2);
  assert.match(exported.stderr, /^rallymq: .*lines cannot be written: .*no space left.*\.\n$/i);
  assert.ok(!existsSync(target));
  const full = await runCommand(['store', 'import', file, '--data', join(disk.folder, 'data')]);
  assert.equal(full.code, 2);
  assert.match(full.stderr, /^rallymq: .*data cannot be used: .*\. Nothing was imported\.\n$/);
  assert.ok(!existsSync(join(disk.folder, 'data')));
});

test('a compact for which the disk has no room says so, and leaves the store as it was', {
  skip,
}, async (t) => {
  const disk = new SmallDisk(t, smallDisk() ?? '');
  const elsewhere = mkdtempSync(join(tmpdir(), 'rallymq-lines-'));
  t.after(() => rmSync(elsewhere, { recursive: true }));
  const lines = [JSON.stringify({ rallymq: 'store', version: 1, run: 1, lastMessage: 10_000 })];
  for (let number = 1; number <= 120; number++) {
    const message = { message: number * 64, topic: `large/${number}`, payload: 'x'.repeat(50_000), qos: 1 };
    lines.push(JSON.stringify({ ...message, retain: true }), JSON.stringify({ retained: number * 64 }));
  }
  const file = join(elsewhere, 'lines');
  writeFileSync(file, `${[...lines, JSON.stringify({ end: lines.length })].join('\n')}\n`);
  const data = join(elsewhere, 'data');
  const imported = await runCommand(['store', 'import', file, '--data', data]);
  assert.equal(imported.code, 0, imported.stderr);
  const store = join(disk.folder, 'data');
  mkdirSync(store);
  for (const name of readdirSync(data).filter((each) => each.endsWith('.seg'))) {
    copyFileSync(join(data, name), join(store, name));
    truncateSync(join(store, name), 16 * 1_024 * 1_024); // all that is used
  }
  const exportedTo = async (name: string): Promise<string> => {
    const exit = await runCommand(['store', 'export', join(elsewhere, name), '--data', store]);
    assert.equal(exit.code, 0, exit.stderr);
    return readFileSync(join(elsewhere, name), 'utf8').split('\n').sort().join('\n');
  };
  const before = await exportedTo('before');
  for (const spare of ['spare-1', 'spare-2']) {
    writeFileSync(join(store, spare), '');
    truncateSync(join(store, spare), 64 * 1_024 * 1_024); // takes room when it is written
  }
  const bytes = (): number =>
    readdirSync(store).reduce((sum, name) => sum + statSync(join(store, name)).blocks * 512, 0);
  const bytesBefore = bytes();

  writeFileSync(join(disk.folder, 'ballast'), Buffer.alloc(disk.freeBytes - 1_000_000));
  const full = await runCommand(['store', 'compact', '--data', store]);
  assert.equal(full.code, 2);
  assert.match(full.stderr, /^rallymq: .*data cannot be used: the disk is full.*\.\n$/);
  assert.ok(bytes() <= bytesBefore + 16_384, `${bytes()} bytes, ${bytesBefore} before`);
  assert.equal(await exportedTo('after'), before);
  assert.match((await runCommand(['store', 'check', '--data', store])).stdout, /Nothing is damaged/);
});

test('a file of users that has no room on the disk leaves the one that is there, whole', { skip }, (t) => {
  const disk = new SmallDisk(t, smallDisk() ?? '');
  const path = join(disk.folder, 'users');
  writeFileSync(path, 'lee:hash\n');
  writeFileSync(join(disk.folder, 'ballast'), Buffer.alloc(disk.freeBytes - 16_384)); // a part of it has room
  assert.throws(() => replaceFile(path, 'kim:hash\n'.repeat(10_000)), {
    code: 'ACCESS_FILE_UNREADABLE',
    message: /no space left/,
  });
  assert.equal(readFileSync(path, 'utf8'), 'lee:hash\n');
  assert.deepEqual(readdirSync(disk.folder).sort(), ['ballast', 'users']);
});
