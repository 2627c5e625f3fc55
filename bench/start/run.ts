/**
 * The subcommand `start`: how long a broker with a large store takes until it listens, and what memory it has then and
 * at rest. A tenth of the goal, which is 1 million sessions with a subscription each and 10 million messages; all of
 * it with --full.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';
import { endWithUs } from '../children.ts';
import type { CommandLine } from '../command-line.ts';
import { cpuSecondsOf, memoryMbOf } from '../process-figures.ts';
import { clear, say, showStep, table } from '../progress.ts';
import { root } from '../root.ts';
import { benchFolder, writeStore } from './write-store.ts';

const messagesPerSession = 10;
const payloadBytes = 64;
/** After that a start has freed what it needed. */
const restMs = 10_000;

interface Start {
  readonly seconds: number;
  /** CPU time of the process until then. */
  readonly cpuSeconds: number;
  readonly megabytes: number;
  readonly restMegabytes: number;
}

export async function runStart({ full }: CommandLine): Promise<boolean> {
  const sessions = full ? 1_000_000 : 100_000;
  const messages = sessions * messagesPerSession;
  const folder = await benchFolder('start-store');
  try {
    showStep(`a store with ${sessions} sessions and ${messages} messages`);
    await writeStore(folder, { sessions, messages, payloadBytes });
    showStep('the start');
    const start = await startOn(folder);
    clear();
    const [as, many] = [sessions.toLocaleString('en'), messages.toLocaleString('en')];
    say(
      table([
        ['', 'until it listens', 'CPU until then', 'memory then', 'at rest'],
        [
          `${as} sessions and subscriptions, ${many} messages`,
          `${start.seconds.toFixed(1)} s`,
          `${start.cpuSeconds.toFixed(1)} s`,
          `${start.megabytes} MB`,
          `${start.restMegabytes} MB`,
        ],
      ]),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return true;
}

async function startOn(folder: string): Promise<Start> {
  const args = ['--port', '0', '--tcp-port', '0', '--workers', '1', '--data', folder];
  const startedAtMs = performance.now();
  const broker = spawn(process.execPath, [join(root, 'dist', 'core', 'cli.js'), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  endWithUs(broker);
  let said = '';
  for await (const text of broker.stdout) {
    said += text;
    if (said.includes('  Page ')) break;
  }
  if (!said.includes('  Page ')) throw new BenchError('The broker has not started on that store.');
  const seconds = (performance.now() - startedAtMs) / 1_000;
  const pid = broker.pid ?? 0;
  const cpuSeconds = await cpuSecondsOf(pid);
  const megabytes = await memoryMbOf(pid);
  await delay(restMs);
  const start = { seconds, cpuSeconds, megabytes, restMegabytes: await memoryMbOf(pid) };
  const exited = once(broker, 'exit');
  broker.kill('SIGKILL');
  await exited;
  return start;
}
