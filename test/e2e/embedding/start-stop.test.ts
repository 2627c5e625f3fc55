/** Overlapping starts and stops, and limits at their extremes. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createBroker } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { Command, unusedPort } from '../../support/command.ts';
import { openClient, type RawClient } from '../../support/raw-client.ts';
import { until, within } from '../../support/wait.ts';

test('retainedMessagesMax: 0 retains nothing', async (t) => {
  for (const workers of [1, 4]) {
    const { broker } = await startBroker(t, { workers, limits: { retainedMessagesMax: 0 } });
    for (let index = 0; index < 50; index++)
      await broker.publish(`t/${index}`, 'x', { retain: true, qos: 0 });
    await broker.publish('last', '');
    assert.equal(broker.statistics().retained, 0, `${workers} workers`);
  }
});

test('programs that Node was given flags for, or as text', () => {
  const module = JSON.stringify(new URL('../../../core/broker.js', import.meta.url).href);
  const program = `const { createBroker } = await import(${module});
    const broker = createBroker({ port: 0, tcpPort: 0, workers: 1 });
    await broker.start();
    await broker.stop();
    console.log('ok');`;
  for (const flags of [
    [],
    ['--max-old-space-size=200'],
    ['--single-threaded-gc', '--use-largepages=silent'],
  ]) {
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', program]);
    assert.equal(`${stdout}`, 'ok\n', `${flags}: ${stderr}`);
  }
});

test('process.exit() while a broker runs, with its data on a disk or in memory', () => {
  const module = JSON.stringify(new URL('../../../core/broker.js', import.meta.url).href);
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-exit-'));
  for (const dataDirectory of [false, join(folder, 'data')]) {
    const program = `const { createBroker } = await import(${module});
      const options = { port: 0, tcpPort: 0, workers: 2, dataDirectory: ${JSON.stringify(dataDirectory)} };
      const broker = createBroker(options);
      await broker.start();
      await broker.publish('state', 'on', { retain: true, qos: 1 });
      process.exit(7);`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
    assert.equal(status, 7, `${dataDirectory}: ${stderr}`);
  }
  rmSync(folder, { recursive: true });
});

test('flags of Node that a worker may not be given by itself', async (t) => {
  const cli = fileURLToPath(new URL('../../../core/cli.js', import.meta.url));
  const flags = [
    '--max-old-space-size=200',
    '--single-threaded-gc',
    cli,
    '--port',
    '0',
    '--no-tcp',
    '--data',
    'none',
  ];
  const broker = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => broker.kill('SIGKILL'));
  const [greeting] = await once(broker.stdout, 'data');
  assert.match(`${greeting}`, /is ready/);
});

test('stop() while start() is under way', async (t) => {
  const broker = createBroker({ port: 0, tcpPort: 0, workers: 1 });
  t.after(() => broker.stop());
  const started = broker.start().then(
    () => 'started',
    (error) => error.code,
  );
  await broker.stop();
  assert.equal(await started, 'NOT_RUNNING');
  assert.throws(() => broker.statistics(), { code: 'NOT_RUNNING' });
});

test('stop() at any moment of a start: nothing is left, and the next broker can have its port and data', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-stop-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const options = { port: await unusedPort(), tcpPort: false, workers: 2, logLevel: 'silent' } as const;
  for (const dataDirectory of [false, join(folder, 'data')] as const)
    for (const ms of [0, 3, 20, 60]) {
      const broker = createBroker({ ...options, dataDirectory });
      const started = broker.start().then(
        () => 'started',
        (error) => error.code,
      );
      await delay(ms);
      await broker.stop();
      await within(`the end of the start (${ms} ms)`, started);
      const next = createBroker({ ...options, dataDirectory });
      t.after(() => next.stop());
      await next.start();
      await next.stop();
    }
});

test('stop() while the configuration is reloaded: every reload() settles', async (t) => {
  const options = { port: 0, tcpPort: false, workers: 2, logLevel: 'silent' } as const;
  for (let round = 0; round < 3; round++) {
    const broker = createBroker(options);
    t.after(() => broker.stop());
    await broker.start();
    const reloads = Array.from({ length: 10 }, (_, index) =>
      broker.reload({ ...options, limits: { stopMs: 4_000 + index } }).then(
        () => 'reloaded',
        (error) => error.code,
      ),
    );
    await broker.stop();
    const outcomes = await within('the reloads', Promise.all(reloads));
    assert.equal(outcomes.at(-1), 'NOT_RUNNING');
  }
});

test('every stop() resolves when it has stopped', async (t) => {
  const running = await startBroker(t);
  const client = await openClient(t, 'tcp', running);
  client.pause(); // it does not see the end, so that the stop takes a while
  let hasStopped = false;
  const first = running.broker.stop().then(() => {
    hasStopped = true;
  });
  await running.broker.stop();
  assert.ok(hasStopped);
  await first;
});

test('drain() before start() is too early, and works afterwards', async (t) => {
  const broker = createBroker({ port: 0, tcpPort: 0, workers: 1 });
  t.after(() => broker.stop());
  await assert.rejects(broker.drain(), { code: 'NOT_RUNNING' });
  await broker.start();
  let drained = 0;
  broker.on('drained', () => {
    drained++;
  });
  await Promise.all([broker.drain(), broker.drain()]);
  assert.equal(drained, 1);
  assert.throws(() => broker.statistics(), { code: 'NOT_RUNNING' });
});

test('stop() cuts a drain short, and both resolve', async (t) => {
  const running = await startBroker(t, { limits: { drainClientsPerSecond: 1 } });
  for (const clientId of ['a', 'b', 'c']) await openClient(t, 'tcp', running, { clientId });
  const drained = running.broker.drain();
  await running.broker.stop();
  await within('the end of the drain', drained);
});

test('two RallyMQ that start at the same moment', async (t) => {
  for (let round = 0; round < 4; round++) {
    const port = `${await unusedPort()}`;
    const both = [0, 1].map(() => new Command(['--port', port, '--no-tcp', '--workers', '1']));
    for (const each of both) t.after(() => each.kill('SIGKILL'));
    const outcomes = await Promise.all(
      both.map((each) =>
        each.ready().then(
          () => 'ready',
          () => 'refused',
        ),
      ),
    );
    for (const each of both) each.kill('SIGKILL');
    assert.deepEqual(outcomes.sort(), ['ready', 'refused']);
  }
});

test('more clients than a turn says goodbye to are all told that the broker stops', async (t) => {
  const running = await startBroker(t, { workers: 1 });
  const clients: RawClient[] = [];
  for (let index = 0; index < 1_100; index += 50) {
    const some = Array.from({ length: 50 }, (_, offset) =>
      openClient(t, 'tcp', running, { clientId: `client-${index + offset}` }),
    );
    clients.push(...(await Promise.all(some)));
  }
  clients[700]?.destroy(); // it goes before it is its turn
  await running.broker.stop();
  await until('all goodbyes', () =>
    clients.every((client, index) => index === 700 || client.packets[0]?.body[0] === 0x8b),
  );
});
