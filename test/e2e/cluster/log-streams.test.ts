/** The streams of the second copies of logs, over a real nats-server. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { noWait, onceServed } from '../../../core/cluster/jetstream-wait.ts';
import { logPlaceOf } from '../../../core/cluster/log-place.ts';
import { LogStreams, repeatsPurgesRightly } from '../../../core/cluster/log-streams.ts';
import { connectToNats } from '../../../core/cluster/nats-connection.ts';
import { openRegister } from '../../../core/cluster/nats-register.ts';
import { Replicator } from '../../../core/cluster/replicator.ts';
import { systemClock } from '../../../core/sessions/timers.ts';
import { atEnd } from '../../support/at-end.ts';
import { NatsServer } from '../../support/cluster/nats-server.ts';
import { until } from '../../support/wait.ts';

const quiet = { onUp: () => {}, onWait: () => {} };

/** A stream `log` with as many chunks, on one server, or on all of several. */
async function withChunks(
  t: TestContext,
  count: number,
  servers?: readonly NatsServer[],
): Promise<{ readonly streams: LogStreams; readonly connection: NatsConnection; readonly nats: NatsServer }> {
  const nats = servers?.[0] ?? (await NatsServer.start(t));
  const settings = { cluster: [nats.url], clusterCredentials: undefined, clusterTlsCa: undefined };
  const { connection } = await connectToNats(settings, 'test', 5_000, quiet);
  atEnd(t, () => connection.close());
  const wait = { waitMs: 10_000, onWait: () => {} };
  await openRegister(connection, 'test', wait);
  const streams = await LogStreams.open(connection, 'test', servers?.length ?? 1);
  await streams.create('log', wait);
  await append(streams, 0, count);
  return { streams, connection, nats };
}

async function append(streams: LogStreams, from: number, to: number): Promise<void> {
  for (let behind = from; behind < to; behind++) {
    const nameBefore = behind === 0 ? undefined : `${behind}`;
    const place = { behind, name: `${behind + 1}`, nameBefore };
    assert.equal(await streams.append('log', Buffer.from(`chunk ${behind + 1}`), place), 'stored');
  }
}

async function sequencesOf(streams: LogStreams, last: number): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { sequence } of streams.read('log', last)) sequences.push(sequence);
  return sequences;
}

test('a log is read up to its last chunk, or not at all if one is missing', async (t) => {
  const { streams, connection } = await withChunks(t, 6);
  assert.deepEqual(await sequencesOf(streams, 5), [1, 2, 3, 4, 5]);
  await streams.dropBefore('log', 2);
  assert.deepEqual(await sequencesOf(streams, 5), [2, 3, 4, 5]);
  const manager = await jetstreamManager(connection);
  await manager.streams.deleteMessage('rally-test-log-log', 5);
  await assert.rejects(sequencesOf(streams, 5), /a chunk is missing behind 4, before 5/);
  await manager.streams.deleteMessage('rally-test-log-log', 3);
  await assert.rejects(sequencesOf(streams, 6), /a chunk is missing behind 2, before 6/);
});

test('a log is ended, or no longer stored, also if an earlier attempt was carried out without an answer', async (t) => {
  const { streams } = await withChunks(t, 1);
  for (let attempt = 0; attempt < 2; attempt++) {
    await streams.drop('log');
    assert.equal(await streams.last('log'), undefined);
    assert.equal(await streams.find('log'), 'missing');
    assert.equal(await streams.hasEnded('log'), false);
  }
  for (let attempt = 0; attempt < 2; attempt++) {
    await streams.end('log', noWait);
    assert.equal(await streams.hasEnded('log'), true);
  }
  await streams.end('other', noWait);
  await streams.forgetEnd('log');
  assert.deepEqual([await streams.hasEnded('log'), await streams.hasEnded('other')], [false, true]);
});

test('what is not dropped is there after all servers have been killed', async (t) => {
  const servers = await NatsServer.startCluster(t, 3);
  const { streams, connection } = await withChunks(t, 12, servers);
  const bucket = await new Kvm(jetstream(connection)).open('rally-test');
  await bucket.put('view', 'a view');
  await streams.end('other', noWait);
  await streams.end('another', noWait);
  await streams.dropBefore('log', 8);
  assert.deepEqual(await sequencesOf(streams, 12), [8, 9, 10, 11, 12]);
  await streams.forgetEnd('another');
  await append(streams, 12, 14); // servers that start again repeat what is before the last ones
  await streams.end('third', noWait);
  await streams.end('fourth', noWait);
  await Promise.all(servers.map((server) => server.kill()));
  await Promise.all(servers.map((server) => server.run()));
  const wait = { waitMs: 30_000, onWait: () => {} };
  assert.equal((await onceServed(wait, () => streams.last('log')))?.sequence, 14);
  assert.deepEqual(await onceServed(wait, () => sequencesOf(streams, 14)), [8, 9, 10, 11, 12, 13, 14]);
  const ended = (id: string): Promise<boolean> => onceServed(wait, () => streams.hasEnded(id));
  assert.deepEqual([await ended('other'), await ended('another')], [true, false]);
  assert.equal((await onceServed(wait, () => bucket.get('view')))?.string(), 'a view');
  await streams.dropBefore('log', 8); // there is nothing to drop any more
  await streams.dropBefore('log', 10);
  assert.deepEqual(await sequencesOf(streams, 14), [10, 11, 12, 13, 14]);
});

test('purges are for servers that repeat them rightly', () => {
  for (const version of ['2.9.18', '2.9.25', '2.10.0', '2.12.1-RC.3', '3.0.0'])
    assert.ok(repeatsPurgesRightly(version));
  for (const version of ['2.9.17', '2.9.10', '2.8.30', '1.4.1', ''])
    assert.ok(!repeatsPurgesRightly(version));
});

test('a log is read to its end although NATS is started anew, and not if the connection is closed', {
  timeout: 20_000,
}, async (t) => {
  const { streams, connection, nats } = await withChunks(t, 600);
  const read: number[] = [];
  for await (const { sequence } of streams.read('log', 600)) {
    read.push(sequence);
    if (sequence !== 100) continue;
    await nats.kill();
    await nats.run();
  }
  assert.deepEqual(
    read,
    Array.from({ length: 600 }, (_, index) => index + 1),
  );
  await assert.rejects(async () => {
    for await (const { sequence } of streams.read('log', 600)) if (sequence === 100) await connection.close();
  });
});

test('a log whose stream was purged is stored there again when its node starts', async (t) => {
  const { streams, connection, nats } = await withChunks(t, 3);
  const manager = await jetstreamManager(connection);
  await manager.streams.purge('rally-test-log-log');
  assert.equal(await streams.last('log'), undefined);
  for (const isServerNew of [false, true]) {
    if (isServerNew) {
      await nats.kill();
      await nats.run();
      await until('NATS serves again', () =>
        streams.find('log').then(
          () => true,
          () => false,
        ),
      );
    }
    const data = { directory: '', known: undefined, log: 'log', isEmpty: false };
    const place = await logPlaceOf(streams, data, { isReplicated: true, isStandIn: false }, noWait);
    assert.ok(place !== undefined);
    let stored = 0;
    const chunks = [Buffer.from('the next chunk')];
    const replicator = new Replicator({
      replica: {
        take: () => chunks.pop(),
        stored: (count) => {
          stored = count;
        },
        figures: () => ({ waitingBytes: 0, waitingMs: 0, droppable: 0, isBehind: false }),
        wantCheckpoint: () => assert.fail(),
      },
      stream: {
        find: () => streams.find('log'),
        append: (chunk, where) => streams.append('log', chunk, where),
        dropBefore: (sequence) => streams.dropBefore('log', sequence),
        firstSequence: () => streams.firstSequence('log'),
      },
      clock: systemClock,
      base: place.base,
      onDeposed: () => assert.fail('deposed'),
      onBeginningLost: () => assert.fail('lost'),
    });
    replicator.start();
    await until('the chunk is stored', () => stored === 1);
    replicator.stop();
    await manager.streams.purge('rally-test-log-log');
  }
});
