/** Brokers as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';
import { endWithUs } from '../children.ts';

const startMs = 30_000;
const stopMs = 5_000;

export interface Child {
  readonly pid: number;
  /** Standard output and error so far. */
  readonly printed: () => string;
  readonly hasEnded: () => boolean;
  stop(): Promise<void>;
}

/** Errors: BenchError if the command is not there. */
export async function startChild(name: string, command: string, args: readonly string[]): Promise<Child> {
  const process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [process.stdout, process.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (printed += text));
  }
  try {
    await once(process, 'spawn');
  } catch (error) {
    throw new BenchError(`${name} cannot be started: ${command} is not installed.`, { cause: error });
  }
  endWithUs(process);
  const ended = once(process, 'exit');
  return {
    pid: process.pid ?? 0,
    printed: () => printed,
    hasEnded: () => process.exitCode !== null || process.signalCode !== null,
    stop: () => stop(process, ended),
  };
}

/** Waits until `isReady` returns a value. Errors: BenchError with the output of the process. */
export async function readyChild<Value>(
  name: string,
  child: Child,
  isReady: () => Value | undefined | Promise<Value | undefined>,
): Promise<Value> {
  const endMs = performance.now() + startMs;
  for (;;) {
    const value = await isReady();
    if (value !== undefined) return value;
    if (child.hasEnded() || performance.now() > endMs) {
      await child.stop();
      throw new BenchError(`${name} did not start.\n${child.printed().trim()}`);
    }
    await delay(20);
  }
}

export async function accepts(host: string, port: number, patienceMs = 1_000): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(patienceMs) });
    return true;
  } catch {
    return false; // whatever the reason
  } finally {
    socket.destroy();
  }
}

async function stop(process: ChildProcess, ended: Promise<unknown>): Promise<void> {
  process.kill('SIGTERM');
  const patience = new AbortController();
  const timer = delay(stopMs, undefined, { signal: patience.signal }).then(
    () => process.kill('SIGKILL'),
    () => {}, // it has ended before
  );
  await ended;
  patience.abort();
  await timer;
}
