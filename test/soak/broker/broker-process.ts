/**
 * The broker of a soak in a process of its own, which can be told to let a worker fail. Run as a program it is that
 * process: its options come in JSON, its answers go to the parent.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { type BrokerOptions, createBroker, type Statistics } from '../../../core/broker.ts';

/** How a worker ends: by an error of its own, or from outside. */
export type Failure = 'crash' | 'terminate';

type Question =
  | { readonly id: number; readonly ask: 'statistics' }
  | { readonly fail: Failure; readonly worker: number };

interface Started {
  readonly port: number;
  readonly tcpPort: number;
}
type Answer = Started | { readonly id: number; readonly statistics: Statistics } | { readonly error: string };

/** What is built in only for tests (native/faults/); undefined for the addon as it is shipped. */
export interface FaultyAddon {
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
}

export class BrokerProcess {
  port = 0;
  tcpPort = 0;
  /** Why it has ended or cannot go on; undefined while it is well. */
  failure: string | undefined;
  readonly #process: ChildProcess;
  readonly #questions = new Map<number, (statistics: Statistics | undefined) => void>();
  #lastId = 0;
  #isStopping = false;
  #output = '';

  private constructor(child: ChildProcess) {
    this.#process = child;
    const keep = (chunk: Buffer): void => {
      this.#output = `${this.#output}${chunk}`.slice(-8_000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
  }

  static async start(options: BrokerOptions, faulty: FaultyAddon | undefined): Promise<BrokerProcess> {
    const preload = fileURLToPath(new URL('./preload-addon.js', import.meta.url));
    const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)], {
      execArgv: faulty === undefined ? [] : ['--import', preload],
      env: {
        ...process.env,
        ...faulty?.environment,
        ...(faulty === undefined ? {} : { RALLYMQ_TEST_ADDON: faulty.path }),
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const broker = new BrokerProcess(child);
    await new Promise<void>((resolve) => {
      child.on('message', (answer: Answer) => broker.#onAnswer(answer, resolve));
      child.once('exit', (code, signal) => {
        broker.#onExit(`${signal ?? code}`);
        resolve();
      });
    });
    if (broker.failure !== undefined) throw new Error(broker.failure);
    return broker;
  }

  /** The last that it printed. */
  get log(): string {
    return this.#output;
  }

  /** Undefined if the process has ended. */
  async statistics(): Promise<Statistics | undefined> {
    if (this.failure !== undefined) return undefined;
    const id = ++this.#lastId;
    return await new Promise((resolve) => {
      this.#questions.set(id, resolve);
      this.#tell({ id, ask: 'statistics' });
    });
  }

  fail(how: Failure, worker: number): void {
    if (this.failure === undefined) this.#tell({ fail: how, worker });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()));
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), stopMs);
    this.#process.disconnect();
    await ended;
    clearTimeout(timer);
  }

  #tell(question: Question): void {
    this.#process.send(question);
  }

  #onAnswer(answer: Answer, started: () => void): void {
    if ('error' in answer) this.failure ??= `the broker cannot go on: ${answer.error}`;
    else if ('statistics' in answer) {
      this.#questions.get(answer.id)?.(answer.statistics);
      this.#questions.delete(answer.id);
    } else {
      this.port = answer.port;
      this.tcpPort = answer.tcpPort;
      started();
    }
  }

  #onExit(how: string): void {
    for (const resolve of this.#questions.values()) resolve(undefined);
    if (!this.#isStopping) this.failure ??= `the broker process has ended (${how})\n${this.#output}`;
  }
}

const stopMs = 8_000;

async function serve(options: BrokerOptions): Promise<void> {
  const workers: (Worker | undefined)[] = [];
  process.on('worker', (worker) => {
    workers.push(worker);
    worker.once('exit', () => workers.splice(workers.indexOf(worker), 1));
  });
  const broker = createBroker({ port: 0, tcpPort: 0, sysIntervalSeconds: 0, logLevel: 'error', ...options });
  const tell = (answer: Answer): void => void process.send?.(answer);
  broker.on('error', (error) => tell({ error: error.message }));
  await broker.start();
  const { port, tcpPort } = broker.address();
  process.on('message', (question: Question) => {
    if ('ask' in question) tell({ id: question.id, statistics: broker.statistics() });
    else {
      const worker = workers[question.worker % workers.length];
      if (question.fail === 'terminate') void worker?.terminate();
      else worker?.postMessage(null); // it reads the type of the message
    }
  });
  process.on('disconnect', () => broker.stop().then(() => process.exit(0)));
  tell({ port, tcpPort: Number(tcpPort) });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(JSON.parse(process.argv[2] ?? '{}'));
