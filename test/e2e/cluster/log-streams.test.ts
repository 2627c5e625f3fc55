/** The streams of the second copies of logs, over a real nats-server. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { noWait } from '../../../core/cluster/jetstream-wait.ts';
import { LogStreams } from '../../../core/cluster/log-streams.ts';
import { connectToNats } from '../../../core/cluster/nats-connection.ts';
import { openRegister } from '../../../core/cluster/nats-register.ts';
import { atEnd } from '../../support/at-end.ts';
import { NatsServer } from '../../support/cluster/nats-server.ts';

const quiet = { onUp: () => {}, onWait: () => {} };

/** A stream `log` with as many chunks. */
async function withChunks(
  t: TestContext,
  count: number,
): Promise<{ readonly streams: LogStreams; readonly connection: NatsConnection; readonly nats: NatsServer }> {
  const nats = await NatsServer.start(t);
  const settings = { cluster: [nats.url], clusterCredentials: undefined, clusterTlsCa: undefined };
  const { connection } = await connectToNats(settings, 'test', 5_000, quiet);
  atEnd(t, () => connection.close());
  await openRegister(connection, 'test');
  const streams = await LogStreams.open(connection, 'test', 1);
  await streams.create('log', noWait);
  for (let behind = 0; behind < count; behind++) {
    const nameBefore = behind === 0 ? undefined : `${behind}`;
    const place = { behind, name: `${behind + 1}`, nameBefore };
    assert.equal(await streams.append('log', Buffer.from(`chunk ${behind + 1}`), place), 'stored');
  }
  return { streams, connection, nats };
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
