/** Nodes that are stopped while they start, and one that joins again while NATS does not accept it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Broker, createBroker } from '../../../core/broker.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { ClusterControl } from '../../../core/control/cluster-control.ts';
import { createLogger } from '../../../core/control/logger.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { NatsServer } from '../../support/cluster/nats-server.ts';
import { unusedPort } from '../../support/command.ts';
import { until, within } from '../../support/wait.ts';
import { watchWorkers } from '../../support/workers.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-starting-'));
  atEnd(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

function nodeOf(url: string, nodeName: string, dataDirectory: string): Broker {
  const broker = createBroker({
    cluster: [url],
    nodeName,
    dataDirectory,
    port: 0,
    tcpPort: false,
    workers: 1,
    logLevel: 'silent',
  });
  broker.on('error', () => {});
  return broker;
}

const late = Symbol('late');

test('a node that is stopped while it starts joins no cluster, and lets go of its data', {
  timeout: 90_000,
}, async (t) => {
  const { url } = await NatsServer.start(t);
  const folder = await folderOf(t);
  const first = nodeOf(url, 'first', join(folder, 'first'));
  await first.start();
  atEnd(t, () => first.stop());
  for (const ms of [0, 50, 150, 300]) {
    const broker = nodeOf(url, 'stopped', join(folder, 'stopped'));
    const started = broker.start().then(
      () => 'started',
      (error: { readonly code?: string }) => error.code,
    );
    await delay(ms);
    await broker.stop();
    const outcome = await Promise.race([started, delay(5_000, late, { ref: false })]);
    assert.ok(outcome === 'NOT_RUNNING' || outcome === 'started', `after ${ms} ms: ${String(outcome)}`);
    // The name and the directory are free again.
    const next = nodeOf(url, 'stopped', join(folder, 'stopped'));
    await next.start();
    await next.stop();
  }
});

test('a node that is stopped while NATS is not there ends at once', { timeout: 20_000 }, async (t) => {
  const folder = await folderOf(t);
  const broker = nodeOf(`nats://127.0.0.1:${await unusedPort()}`, 'alone', folder);
  const started = broker.start();
  await delay(300);
  await broker.stop();
  const isOver = assert.rejects(started, { code: 'NOT_RUNNING' });
  assert.notEqual(await Promise.race([isOver, delay(5_000, late, { ref: false })]), late);
});

test('a node that joins again waits until NATS accepts it, and has JetStream', {
  timeout: 60_000,
}, async (t) => {
  const flags = ['--user', 'rally', '--pass', 'one'];
  const nats = await NatsServer.start(t, ['-js', ...flags]);
  const folder = await folderOf(t);
  const file = join(folder, 'nats');
  await writeFile(file, 'rally:one\n');
  const config = resolveConfig({
    cluster: [nats.url],
    clusterCredentials: file,
    nodeName: 'again',
    workers: 1,
    dataDirectory: false,
  });
  const control = new ClusterControl({
    config,
    logger: createLogger('silent'),
    sessions: () => ({
      yield: () => {},
      takeBack: () => {},
      endLent: () => {},
      adopt: () => false,
      clientIds: () => [],
      endOutdated: () => {},
      restoredStampOf: () => undefined,
      awayClientIds: () => [],
    }),
    broadcast: () => {},
    askRow: () => Promise.resolve(undefined),
    walksLeft: () => Promise.resolve(0),
    onEvicted: () => {},
    onNews: () => {},
    newsForNewcomer: () => [],
    onQuestion: () => Promise.resolve({ status: 0, text: '' }),
    publishWill: () => {},
    makeStandIn: () => assert.fail(),
    onReplicationFailed: assert.fail,
  });
  atEnd(t, () => control.leave());
  await writeFile(file, 'rally:other\n');
  await assert.rejects(control.join(undefined), { code: 'CLUSTER_REFUSED' });
  await writeFile(file, 'rally:one\n');
  const { incarnation } = await control.join(undefined);
  for (const text of ['rally:other', 'half a li']) {
    await writeFile(file, text);
    await assert.rejects(control.join(undefined), { code: 'CLUSTER_NOT_REACHABLE' });
  }
  await writeFile(file, 'rally:one\n');
  await nats.kill();
  await nats.run(flags);
  await assert.rejects(control.join(undefined), { code: 'CLUSTER_NOT_REACHABLE' });
  await nats.kill();
  await nats.run(['-js', ...flags]);
  const again = await control.join(undefined);
  assert.ok(again.incarnation > incarnation);
});

test('a worker that ends while NATS does not accept the node is back when it does', {
  timeout: 60_000,
}, async (t) => {
  const nats = await NatsServer.start(t, ['-js', '--user', 'rally', '--pass', 'one']);
  const file = join(await folderOf(t), 'nats');
  await writeFile(file, 'rally:one\n');
  const workers = watchWorkers(t);
  const { broker } = await startBroker(t, {
    cluster: [nats.url],
    clusterCredentials: file,
    nodeName: 'alone',
    workers: 1,
    logLevel: 'silent',
  });
  const errors: Error[] = [];
  broker.on('error', (error) => errors.push(error));
  await writeFile(file, 'rally:other\n');
  workers.all[0]?.postMessage(null); // it throws
  await until('the next one', () => workers.all.length > 1);
  await delay(3_000); // enough for all restarts that a worker has in a minute
  assert.deepEqual(errors, []);
  const last = workers.all.at(-1) ?? assert.fail();
  const listens = once(last, 'message');
  await writeFile(file, 'rally:one\n');
  await within('the worker', listens);
  await broker.publish('news', 'after');
});
