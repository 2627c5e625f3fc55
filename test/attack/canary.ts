/** A well-behaved client beside an attack, in its own process. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { within } from '../support/wait.ts';

export interface CanaryReport {
  readonly p99Ms: number;
  readonly answers: number;
  /** Connections that the broker has ended. */
  readonly lost: number;
}

export class Canary {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** Resolves when it has got its first answers. */
  static async start(tcpPort: number): Promise<Canary> {
    const child = fork(resolve(import.meta.dirname, 'canary-process.js'), [String(tcpPort)]);
    await within('the canary to connect', once(child, 'message'), 30_000);
    return new Canary(child);
  }

  /** Since the last report. */
  async report(): Promise<CanaryReport> {
    const answer = once(this.#process, 'message');
    this.#process.send('report');
    return (await within('the report of the canary', answer, 30_000))[0];
  }

  stop(): void {
    this.#process.kill();
  }
}
