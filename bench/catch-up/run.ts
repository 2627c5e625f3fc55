/**
 * The subcommand `catch-up`: sessions that were disconnected come back all at once to the messages published
 * for all of them in the meantime, with QoS 1 and fsync. A live pair of clients measures round trips before
 * and during that. With --full: 10,000 sessions and 1,000 messages of 1 KB. The clients are
 * bench/catch-up/catch-up.cpp.
 */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { compile } from '../load/compile.ts';
import { rallymqWith } from '../peers/rallymq.ts';
import { clear, say, showStep, table } from '../progress.ts';
import { benchFolder } from '../start/write-store.ts';

interface Figures {
  readonly isSound: boolean;
  readonly seconds: number;
  readonly perSecond: number;
  readonly restP50Us: number;
  readonly restP99Us: number;
  readonly meanwhileP50Us: number;
  readonly meanwhileP99Us: number;
}

export async function runCatchUp({ full }: CommandLine): Promise<boolean> {
  const [sessions, messages, payloadBytes] = full ? [10_000, 1_000, 1_024] : [2_000, 500, 64];
  const program = await compile({
    name: 'catch-up',
    main: 'bench/catch-up/catch-up.cpp',
    includes: ['bench/catch-up', 'native/log'],
  });
  const folder = await benchFolder('catch-up-store');
  const broker = await rallymqWith('durable', ['--data', folder], 'kept with fsync').start();
  try {
    showStep(`${sessions} sessions come back to ${messages} messages each`);
    const args = [`${broker.tcp?.port ?? 0}`, `${sessions}`, `${messages}`, `${payloadBytes}`];
    const figures = await figuresOf(program, args);
    clear();
    say(`${sessions.toLocaleString('en')} sessions, ${messages} messages of ${payloadBytes} bytes each`);
    say(
      table([
        ['', 'seconds', 'messages/s', 'live p50 us', 'live p99 us'],
        ['at rest', '', '', `${figures.restP50Us}`, `${figures.restP99Us}`],
        [
          'catching up',
          figures.seconds.toFixed(1),
          figures.perSecond.toLocaleString('en'),
          `${figures.meanwhileP50Us}`,
          `${figures.meanwhileP99Us}`,
        ],
      ]),
    );
    return figures.isSound;
  } finally {
    await broker.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function figuresOf(program: string, args: readonly string[]): Promise<Figures> {
  try {
    return JSON.parse((await promisify(execFile)(program, args)).stdout) as Figures;
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
    throw new BenchError(`The clients have not got what they should: ${stderr}${stdout}`.trim(), { cause });
  }
}
