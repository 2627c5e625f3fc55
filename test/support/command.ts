/** The command `rallymq` in its own process, and its output. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../../bench/free-port.ts';
import { atEnd } from './at-end.ts';
import { until, within } from './wait.ts';

const root = resolve(import.meta.dirname, '../../..');
const cli = resolve(root, 'dist/core/cli.js');

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Command {
  stdout = '';
  stderr = '';
  readonly #process: ChildProcess;
  readonly #exit: Promise<Exit>;
  #hasExited = false;

  /** By default it keeps everything in memory, so that the tests leave no files in their folder. */
  constructor(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    folder: string = root,
  ) {
    const env = { ...withoutOurs(process.env), RALLYMQ_DATA: 'none', ...environment };
    this.#process = spawn(process.execPath, [cli, ...args], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#exit = once(this.#process, 'close').then(([code, signal]) => {
      this.#hasExited = true;
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get pid(): number {
    return this.#process.pid ?? assert.fail('not started');
  }

  exited(deadlineMs?: number): Promise<Exit> {
    return within('the end of rallymq', this.#exit, deadlineMs);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Kills it, and waits until it has ended, so that its open files can be removed. */
  async end(): Promise<void> {
    this.kill('SIGKILL');
    await this.exited();
  }

  /** Waits for the line announcing that clients can connect. */
  async ready(): Promise<{ port: number; tcpPort: number }> {
    await until('the ready line', () => this.#hasExited || this.stdout.includes('  Page '));
    const port = /ws:\/\/[^\s/]*:(\d+)/.exec(this.stdout)?.[1];
    const tcpPort = /mqtt:\/\/[^\s/]*:(\d+)/.exec(this.stdout)?.[1];
    assert.ok(port !== undefined, `not ready:\n${this.stdout}${this.stderr}`);
    return { port: Number(port), tcpPort: Number(tcpPort) };
  }
}

/** Runs the command to its end. */
export async function runCommand(
  args: readonly string[],
  environment?: Readonly<Record<string, string>>,
  folder?: string,
): Promise<Exit> {
  return await new Command(args, environment, folder).exited();
}

/** Starts the command on free ports; it is killed when the test ends. */
export function startCommand(
  test: TestContext,
  args: readonly string[] = [],
  environment?: Readonly<Record<string, string>>,
  folder?: string,
): Command {
  const command = new Command(['--port', '0', '--tcp-port', '0', ...args], environment, folder);
  atEnd(test, () => command.end());
  return command;
}

/** A port without a listener, reserved for the test. */
export function unusedPort(): Promise<number> {
  return freePort('127.0.0.1');
}

/** Variables of the tests' own environment must not affect the command. */
function withoutOurs(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('RALLYMQ_')));
}
