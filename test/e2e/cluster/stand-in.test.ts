/** A stand-in alone, without the node that starts it. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Broker } from '../../../core/broker.ts';
import { readKnownCluster } from '../../../core/cluster/cluster-memory.ts';
import { noWait } from '../../../core/cluster/jetstream-wait.ts';
import { logPlaceOf } from '../../../core/cluster/log-place.ts';
import { LogStreams, nameOfMark, ownerOf } from '../../../core/cluster/log-streams.ts';
import { connectToNats } from '../../../core/cluster/nats-connection.ts';
import { StandIn, type StandInBroker } from '../../../core/cluster/stand-in.ts';
import type { BrokerConfig } from '../../../core/config/options.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { loadAddon } from '../../../core/data-plane/addon.ts';
import { standInFolderName } from '../../../core/storage/store-files.ts';
import { atEnd } from '../../support/at-end.ts';
import { NatsServer } from '../../support/cluster/nats-server.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-stand-in-'));
  atEnd(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

function standInBroker(config: BrokerConfig): StandInBroker {
  const broker = new Broker(config, {});
  return { start: () => broker.start(), giveAll: () => broker.giveAll(), stop: () => broker.stop() };
}

/** As in native/log/replica.h. */
const endsGroup = 1;
const beginsRun = 2;
const beginsLog = 4;

/** A stream `log` with one chunk without records, which has these flags: by default the first one of an empty log. */
async function streamOf(
  t: TestContext,
  url: string,
  flags = endsGroup | beginsRun | beginsLog,
): Promise<LogStreams> {
  const settings = { cluster: [url], clusterCredentials: undefined, clusterTlsCa: undefined };
  const { connection } = await connectToNats(settings, 'test', 5_000, { onUp: () => {}, onWait: () => {} });
  atEnd(t, () => connection.close());
  const streams = await LogStreams.open(connection, 'rallymq', 1);
  await streams.create('log', noWait);
  const copy = loadAddon().copyLog(await folderOf(t));
  assert.ok('mark' in copy);
  const first = Buffer.from(copy.mark());
  first.writeUInt8(flags, 1);
  assert.equal(
    await streams.append('log', first, { behind: 0, name: 'first', nameBefore: undefined }),
    'stored',
  );
  return streams;
}

function standInWith(
  url: string,
  directory: string,
  makeBroker: () => StandInBroker,
  stream = 'log',
): StandIn {
  return new StandIn({
    config: resolveConfig({ cluster: [url], nodeName: 'host', dataDirectory: directory }),
    directory,
    stream,
    lost: undefined,
    known: { clusterName: 'rallymq', keys: '00'.repeat(24), epoch: 1, incarnation: 1 },
    makeBroker,
  });
}

test('a stand-in that ends, or cannot start, leaves nothing on the disk', async (t) => {
  const { url } = await NatsServer.start(t);
  const directory = await folderOf(t);
  const standInOf = (stream: string, broker: StandInBroker): StandIn =>
    standInWith(url, directory, () => broker, stream);
  const left = (): Promise<string[]> => readdir(join(directory, standInFolderName));
  const broker: StandInBroker = {
    start: () => Promise.resolve(),
    giveAll: () => Promise.reject(new Error('it was removed')),
    stop: () => Promise.resolve(),
  };
  const withoutStream = standInOf('none', broker);
  await assert.rejects(withoutStream.start(), /there is no second copy of its log/);
  await withoutStream.stop();
  assert.deepEqual(await left(), []);
  await streamOf(t, url);
  const refused = standInOf('log', {
    ...broker,
    start: () => Promise.reject(new Error('it is refused')),
    stop: () => Promise.reject(new Error('it is refused')),
  });
  await assert.rejects(refused.start(), /it is refused/);
  await refused.stop(); // a node that leaves meanwhile is not held up
  assert.deepEqual(await left(), []);
  for (const ms of [0, 10, 30, 100, 200, 300]) {
    const stopped = standInOf('log', broker);
    const outcome = stopped.start().then(
      () => 'started',
      (error: Error) => error.message,
    );
    await Promise.race([outcome, delay(ms)]);
    await stopped.stop();
    assert.match(await outcome, /^(started|it was stopped|the thread that copies the log has ended)$/);
    assert.deepEqual(await left(), []);
  }
  const removed = standInOf('log', broker);
  await removed.start();
  assert.deepEqual(await left(), ['log']);
  await assert.rejects(removed.giveAll(), /it was removed/);
  await removed.stop();
  assert.deepEqual(await left(), []);
});

test('a stand-in whose disk has failed ends, so that there can be another one later', async (t) => {
  const { url } = await NatsServer.start(t);
  const directory = await folderOf(t);
  const folder = join(directory, standInFolderName);
  await streamOf(t, url);
  for (const hasFailed of [true, false]) {
    if (hasFailed) await writeFile(folder, 'not a folder');
    else await rm(folder);
    const standIn = standInWith(url, directory, () => ({
      start: () => Promise.resolve(),
      giveAll: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    }));
    if (hasFailed) await assert.rejects(standIn.start(), { code: 'ENOTDIR' });
    else await standIn.start();
    await standIn.stop();
  }
});

const incomplete = [
  { flags: endsGroup | beginsRun, why: /the second copy of its log was not complete yet/, last: 1 },
  { flags: endsGroup, why: /the second copy of its log has lost its beginning/, last: 2 },
];
for (const { flags, why, last } of incomplete)
  test(`a log cannot be taken over: ${why.source}`, async (t) => {
    const { url } = await NatsServer.start(t);
    const directory = await folderOf(t);
    const streams = await streamOf(t, url, flags);
    const standIn = standInWith(url, directory, () => assert.fail());
    await assert.rejects(standIn.start(), why);
    await standIn.stop();
    assert.equal((await streams.last('log'))?.sequence, last, 'with a mark behind it, or none');
  });

test('a stand-in whose log another one takes over meanwhile does not join without it, and the log is still its node’s', async (t) => {
  const { url } = await NatsServer.start(t);
  const directory = await folderOf(t);
  const streams = await streamOf(t, url);
  const log = ownerOf((await streams.last('log'))?.chunk ?? assert.fail()) ?? assert.fail();
  const known = { clusterName: 'rallymq', keys: '00'.repeat(24), epoch: 1, incarnation: 1, hasLeft: true };
  const standIn = new StandIn({
    config: resolveConfig({
      cluster: [url],
      nodeName: 'host',
      dataDirectory: directory,
      replicas: 3,
      limits: { logCopies: 1 },
      logLevel: 'silent',
    }),
    directory,
    stream: 'log',
    lost: { name: 'lost', incarnation: 1 },
    known,
    makeBroker: (config) => {
      assert.deepEqual(readKnownCluster(config.dataDirectory || ''), { ...known, stream: 'log' });
      const broker = standInBroker(config);
      return { ...broker, start: () => overtaken().then(broker.start) };
    },
  });
  const overtaken = async (): Promise<void> => {
    const copy = loadAddon().copyLog(await folderOf(t));
    assert.ok('mark' in copy);
    const mark = copy.mark();
    const place = { behind: 2, name: nameOfMark(mark), nameBefore: undefined };
    assert.equal(await streams.append('log', mark, place), 'stored');
  };
  await assert.rejects(standIn.start(), /another node has taken over the log in the meantime/);
  await standIn.stop();
  const data = { directory: '', known: { ...known, stream: 'log' }, log, isEmpty: false };
  const place = await logPlaceOf(streams, data, { isReplicated: true, isStandIn: false }, noWait);
  assert.deepEqual(place, { stream: 'log', base: 3, isWhole: true });
});
