/**
 * The subcommand `start`: how long a broker with a large store takes until it listens, and what memory it has then and
 * at rest: with nothing, with the sessions alone, and with all, which shows what each of them takes. A tenth of the goal,
 * which is 1 million sessions with a subscription each and 10 million messages; all of it with --full.
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
  const empty = await measure(0, 0);
  const withoutMessages = await measure(sessions, 0);
  const all = await measure(sessions, messages);
  clear();
  say(
    table([
      [
        'sessions and subscriptions',
        'messages',
        'until it listens',
        'CPU until then',
        'memory then',
        'at rest',
      ],
      rowOf(0, 0, empty),
      rowOf(sessions, 0, withoutMessages),
      rowOf(sessions, messages, all),
    ]),
  );
  const bytesEach = (of: Start, before: Start, count: number): string =>
    (((of.restMegabytes - before.restMegabytes) * 1_048_576) / count).toFixed(0);
  const [aSession, aMessage] = [
    bytesEach(withoutMessages, empty, sessions),
    bytesEach(all, withoutMessages, messages),
  ];
  say(`At rest: ${aSession} bytes a session with its subscription, ${aMessage} bytes a message.`);
  return true;
}

async function measure(sessions: number, messages: number): Promise<Start> {
  const folder = await benchFolder('start-store');
  try {
    showStep(`a store with ${sessions} sessions and ${messages} messages`);
    await writeStore(folder, { sessions, messages, payloadBytes });
    showStep(`the start with ${sessions} sessions and ${messages} messages`);
    return await startOn(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function rowOf(sessions: number, messages: number, start: Start): readonly string[] {
  return [
    sessions.toLocaleString('en'),
    messages.toLocaleString('en'),
    `${start.seconds.toFixed(1)} s`,
    `${start.cpuSeconds.toFixed(1)} s`,
    `${start.megabytes} MB`,
    `${start.restMegabytes} MB`,
  ];
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
