/** The commands mosquitto_pub and mosquitto_sub, over TCP. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { atEnd } from '../at-end.ts';
import type { RunningBroker } from '../broker.ts';
import { until, within } from '../wait.ts';

export type MosquittoVersion = 'mqttv31' | 'mqttv311' | 'mqttv5';

/** Fails with the name of the Debian package if the programs are not installed. */
export function assertMosquittoIsInstalled(): void {
  for (const program of ['mosquitto_pub', 'mosquitto_sub']) {
    const { error } = spawnSync(program, ['--help']);
    assert.equal(error, undefined, `${program} is missing: install the Debian package mosquitto-clients`);
  }
}

export class Mosquitto {
  readonly #test: TestContext;
  readonly #common: readonly string[];

  constructor(test: TestContext, broker: RunningBroker, version: MosquittoVersion) {
    assertMosquittoIsInstalled();
    this.#test = test;
    this.#common = ['-h', '127.0.0.1', '-p', `${broker.tcpPort}`, '-V', version, '--nodelay'];
  }

  /** Publishes and disconnects. */
  async publish(topic: string, ...args: string[]): Promise<void> {
    await this.#run('mosquitto_pub', ['-t', topic, ...args]).succeeded();
  }

  /** Publishes each line in one connection, then disconnects. */
  async publishLines(topic: string, lines: readonly string[], ...args: string[]): Promise<void> {
    const run = this.#run('mosquitto_pub', ['-t', topic, '-l', ...args]);
    run.process.stdin.end(`${lines.join('\n')}\n`);
    await run.succeeded();
  }

  /** Subscribes, and resolves when the broker has accepted. */
  async subscribe(...args: string[]): Promise<MosquittoRun> {
    const run = this.run(...args);
    await run.subscribed();
    return run;
  }

  /** Subscribes without waiting. */
  run(...args: string[]): MosquittoRun {
    return this.#run('mosquitto_sub', ['-d', ...args]);
  }

  #run(program: string, args: readonly string[]): MosquittoRun {
    // Otherwise the output of -d would wait in the C library's buffer.
    const run = new MosquittoRun(spawn('stdbuf', ['-oL', program, ...this.#common, ...args]));
    atEnd(this.#test, () => run.process.kill('SIGKILL'));
    return run;
  }
}

/** With -d mosquitto_sub prints these between the messages. */
const debugLine = /^(Client \S+ (sending|received) |Subscribed \()/;

export class MosquittoRun {
  readonly process: ChildProcessWithoutNullStreams;
  readonly #exit: Promise<number | null>;
  readonly #output: Buffer[] = [];
  #errors = '';
  #isLeaving = false;

  constructor(process: ChildProcessWithoutNullStreams) {
    this.process = process;
    process.stdin.on('error', () => {}); // it may end before reading its input
    process.stdout.on('data', (chunk: Buffer) => {
      if (!this.#isLeaving) this.#output.push(chunk);
    });
    process.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#exit = new Promise((resolve) => process.once('close', resolve));
  }

  /** The messages of mosquitto_sub, one per line. */
  get lines(): string[] {
    return this.#allLines.filter((line) => !debugLine.test(line));
  }

  get #allLines(): string[] {
    return Buffer.concat(this.#output).toString().split('\n').slice(0, -1);
  }

  async subscribed(): Promise<void> {
    await until('SUBACK', () => this.#allLines.some((line) => line.startsWith('Subscribed (')));
  }

  async untilLines(count: number): Promise<void> {
    await until(`${count} lines`, () => this.lines.length >= count).catch((error: unknown) => {
      throw new Error(`it printed ${JSON.stringify(this.lines)} ${this.#errors}`, { cause: error });
    });
  }

  /** Waits for the end of the process. */
  ended(): Promise<number | null> {
    return within(`the end of ${this.process.spawnargs.slice(2).join(' ')}`, this.#exit);
  }

  async succeeded(): Promise<void> {
    assert.equal(await this.ended(), 0, this.#errors);
  }

  /**
   * Leaves with a DISCONNECT; that of version 5 requests the will. Later output does not count: mosquitto_sub prints
   * within its signal handler, and if the signal arrives while it prints a message, that line appears twice. It also
   * locks a mutex there, so a signal that arrives while it sends hangs it forever: it must be waiting for its socket.
   */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await until('mosquitto_sub waits for its socket', () => this.#isWaiting());
    this.process.kill('SIGTERM');
    await this.ended();
  }

  /** It has one thread, which sleeps only while waiting for its socket. */
  #isWaiting(): boolean {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return true;
    const stat = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('S');
  }

  /** Breaks the connection. */
  async crash(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended();
  }
}
