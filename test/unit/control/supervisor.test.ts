/** The supervisor against threads that are played by hand: what it tells them, and what follows from what they say. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { BrokerError } from '../../../core/broker-error.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { createLogger } from '../../../core/control/logger.ts';
import type { ToMain, ToWorker, WorkerStart } from '../../../core/control/messages.ts';
import { Supervisor, type WorkerThread } from '../../../core/control/supervisor.ts';
import type { Addon } from '../../../core/data-plane/addon.ts';

const noTls = { tls: undefined, ticketKeys: new Uint8Array() };

class FakeThread extends EventEmitter implements WorkerThread {
  readonly start: WorkerStart;
  readonly told: ToWorker[] = [];

  constructor(start: WorkerStart) {
    super();
    this.start = start;
  }
  postMessage(messages: ToWorker[]): void {
    this.told.push(...messages);
  }
  say(...messages: ToMain[]): void {
    this.emit('message', messages);
  }
  end(): void {
    this.emit('exit');
  }
}

/** A supervisor of threads that do nothing by themselves; what it reports, as text. */
class Stage {
  readonly threads: FakeThread[] = [];
  readonly events: string[] = [];
  readonly ports: string[] = [];
  readonly supervisor: Supervisor;

  constructor(
    options: {
      workers?: number;
      port?: number;
      tcpPort?: number | false;
      stopMs?: number;
      socket?: string;
    } = {},
  ) {
    const { workers = 2, port = 0, tcpPort = 0, stopMs = 5_000, socket } = options;
    const listeners = socket === undefined ? [] : [{ name: 'socket', socket }];
    const addon: Partial<Addon> = {
      destroyBroker: (broker) => void this.events.push(`destroyed ${broker}`),
      bindPort: () => {
        const free = 40_000 + this.ports.length;
        this.ports.push(`reserved ${free}`);
        return [free, free];
      },
      releasePort: (descriptor) => void this.ports.push(`released ${descriptor}`),
      openSocket: () => 9,
      readCounters: () => [1, 2],
    };
    this.supervisor = new Supervisor(
      addon as Addon,
      7,
      resolveConfig({ workers, port, tcpPort, listeners, limits: { stopMs } }),
      '1.2.3',
      createLogger('silent'),
      { material: noTls.tls, ticketKeys: noTls.ticketKeys },
      {
        onMessage: (worker, { type }) => void this.events.push(`${worker} says ${type}`),
        onWorkerLost: (worker) => void this.events.push(`lost ${worker}`),
        onWorkerRestarted: (worker) => void this.events.push(`restarted ${worker}`),
        onFatal: ({ code }) => void this.events.push(`fatal ${code}`),
      },
      (start) => {
        const thread = new FakeThread(start);
        this.threads.push(thread);
        return thread;
      },
    );
  }

  thread(index: number): FakeThread {
    return this.threads[index] ?? assert.fail(`no thread ${index}`);
  }
  /** Started, with all threads listening. */
  async started(): Promise<this> {
    const starting = this.supervisor.start('127.0.0.1', '/socket');
    for (const thread of this.threads) thread.say({ type: 'listening' });
    await starting;
    this.events.length = 0;
    return this;
  }
}

test('it starts all workers on the same free ports, and gives the ports back once they listen', async () => {
  const stage = new Stage();
  const starting = stage.supervisor.start('127.0.0.1', '/socket');
  assert.deepEqual(
    stage.threads.map(({ start: { broker, worker, version, startedBefore } }) => [
      broker,
      worker,
      version,
      startedBefore,
    ]),
    [
      [7, 0, '1.2.3', 0],
      [7, 1, '1.2.3', 1],
    ],
  );
  await turn();
  const address = {
    host: '127.0.0.1',
    port: 40_000,
    tcpPort: 40_001,
    tlsPort: false,
    mqttsPort: false,
    listeners: [],
  };
  const listen = { type: 'listen', ...address, httpSocket: '/socket', ...noTls };
  for (const { told } of stage.threads) assert.deepEqual(told, [listen]);
  stage.thread(0).say({ type: 'listening' });
  await turn();
  assert.deepEqual(stage.ports, ['reserved 40000', 'reserved 40001']);
  stage.thread(1).say({ type: 'listening' });
  assert.deepEqual(await starting, address);
  assert.deepEqual(stage.ports.slice(2), ['released 40000', 'released 40001']);
  assert.deepEqual(stage.supervisor.counters, [1, 2]);
});

test('ports that are given are not reserved, and there may be none for TCP', async () => {
  const stage = new Stage({ workers: 1, port: 1_234, tcpPort: false });
  const starting = stage.supervisor.start('127.0.0.1', '/socket');
  stage.thread(0).say({ type: 'listening' });
  assert.deepEqual(await starting, {
    host: '127.0.0.1',
    port: 1_234,
    tcpPort: false,
    tlsPort: false,
    mqttsPort: false,
    listeners: [],
  });
  assert.deepEqual(stage.ports, []);
});

for (const [how, fail, code] of [
  [
    'says that it failed',
    (thread: FakeThread) => thread.say({ type: 'failed', code: 'ADDRESS_IN_USE', message: 'taken' }),
    'ADDRESS_IN_USE',
  ],
  ['throws', (thread: FakeThread) => thread.emit('error', new Error('broken')), 'WORKER_FAILED'],
  [
    'throws what has a code',
    (thread: FakeThread) => thread.emit('error', Object.assign(new Error('none'), { code: 'ADDON_MISSING' })),
    'ADDON_MISSING',
  ],
  ['ends', (thread: FakeThread) => thread.end(), 'WORKER_FAILED'],
] as const) {
  test(`a worker that ${how} while it starts fails the start, and the others are stopped`, async () => {
    const stage = new Stage({ stopMs: 0 });
    const starting = stage.supervisor.start('127.0.0.1', '/socket');
    fail(stage.thread(0));
    stage.thread(0).end();
    await assert.rejects(starting, (error: BrokerError) => error.code === code);
    assert.equal(stage.threads.length, 2);
    await turn();
    assert.deepEqual(stage.thread(1).told.at(-1), { type: 'stop', reasonCode: 0 });
    assert.ok(stage.ports.includes('released 40000') && !stage.events.includes('lost 0'));
  });
}

test('a worker that has listened and ends before the others listen is started again then', async () => {
  const stage = new Stage();
  const starting = stage.supervisor.start('127.0.0.1', '/socket');
  stage.thread(0).say({ type: 'listening' });
  stage.thread(0).end();
  assert.equal(stage.threads.length, 2);
  stage.thread(1).say({ type: 'listening' });
  await starting;
  assert.equal(stage.events.at(-1), 'lost 0');
  assert.equal(stage.threads.length, 3);
});

test('what is sent in a turn is posted together and in order, and not to a worker that has ended', async () => {
  const stage = await new Stage().started();
  assert.ok(stage.supervisor.send(1, { type: 'endSession', session: 1 }));
  assert.ok(stage.supervisor.send(1, { type: 'publishWill', session: 2 }));
  await turn();
  assert.deepEqual(
    stage
      .thread(1)
      .told.slice(-2)
      .map(({ type }) => type),
    ['endSession', 'publishWill'],
  );
  stage.thread(1).say({ type: 'hostTaken', bytes: 5 });
  assert.deepEqual(stage.events, ['1 says hostTaken']);
  stage.thread(1).end();
  assert.equal(stage.supervisor.send(5, { type: 'endSession', session: 3 }), false);
});

test('a worker that ends is started again on the same ports, with a number of its own', async () => {
  const stage = await new Stage().started();
  stage.thread(0).end();
  assert.deepEqual(stage.events, ['lost 0']);
  const again = stage.thread(2);
  assert.deepEqual([again.start.worker, again.start.startedBefore], [0, 2]);
  await turn();
  assert.equal(again.told[0]?.type === 'listen' && again.told[0].port, 40_000);
  again.say({ type: 'listening' });
  await turn();
  assert.deepEqual(stage.events, ['lost 0', '0 says listening', 'restarted 0']);
  stage.thread(0).end(); // the thread before: nothing follows
  assert.equal(stage.threads.length, 3);
});

test('a worker that ends for the sixth time in a minute is fatal', async () => {
  const stage = await new Stage({ workers: 1 }).started();
  for (let ends = 0; ends < 6; ends++) {
    stage.thread(ends).end();
    stage.threads[ends + 1]?.say({ type: 'listening' });
    await turn();
  }
  assert.equal(stage.threads.length, 6);
  assert.equal(stage.events.at(-1), 'fatal WORKER_FAILED');
});

test('a stop tells all workers why, waits for them, and destroys the broker', async () => {
  const stage = await new Stage().started();
  const stopping = stage.supervisor.stop(0x8b);
  await turn();
  for (const thread of stage.threads) {
    assert.deepEqual(thread.told.at(-1), { type: 'stop', reasonCode: 0x8b });
    thread.end();
  }
  await stopping;
  assert.deepEqual(stage.events, ['destroyed 7']);
  assert.equal(stage.threads.length, 2);
});

test('a worker that does not stop in time is left to the end of the process, and so is the broker', async () => {
  const stage = await new Stage({ stopMs: 10 }).started();
  const stopping = stage.supervisor.stop(0x8b);
  stage.thread(0).end();
  await stopping;
  assert.deepEqual(stage.events, []);
});

test('a worker that ends in the turn in which it listens has not been restarted: the next one is, once', async () => {
  const stage = await new Stage({ workers: 1 }).started();
  stage.thread(0).end();
  stage.thread(1).say({ type: 'listening' });
  stage.thread(1).end();
  await turn();
  assert.deepEqual(stage.events, ['lost 0', '0 says listening', 'lost 0']);
  stage.thread(2).say({ type: 'listening' });
  await turn();
  assert.deepEqual(stage.events.slice(3), ['0 says listening', 'restarted 0']);
});

test('stop() while the workers start: one that has listened and ended is not started again', async () => {
  const stage = new Stage();
  const starting = stage.supervisor.start('127.0.0.1', '/socket');
  stage.thread(0).say({ type: 'listening' });
  const stopping = stage.supervisor.stop(0x8b);
  stage.thread(0).end();
  stage.thread(1).say({ type: 'listening' });
  await turn();
  stage.thread(1).end();
  await stopping;
  await assert.rejects(starting, { code: 'NOT_RUNNING' });
  assert.equal(stage.threads.length, 2);
  assert.ok(!stage.events.includes('lost 0'));
});

test('stop() before a Unix socket is ready: no worker is started', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-supervisor-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const stage = new Stage({ socket: join(folder, 'socket') });
  const starting = stage.supervisor.start('127.0.0.1', '/socket');
  await stage.supervisor.stop(0x8b);
  await assert.rejects(starting, { code: 'NOT_RUNNING' });
  assert.deepEqual(stage.threads, []);
  assert.ok(stage.ports.includes('released 9'));
});
