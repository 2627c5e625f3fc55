/** The subcommand `log`: how fast the log alone acknowledges, compared with a sync of this disk. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { CommandLine } from '../command-line.ts';
import { compile } from '../load/compile.ts';
import { clear, say, shortNumber, showStep, table } from '../progress.ts';
import { root } from '../root.ts';

interface Row {
  readonly name: 'fdatasync' | 'log';
  readonly inFlight: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
  readonly recordsPerCommit: number;
  readonly bytesPerRecord: number;
}

/** The slow disk of the goals: how much longer each sync takes. */
const slowSyncMs = 2;

export async function runLog(command: CommandLine): Promise<boolean> {
  const ms = Math.round((command.seconds ?? (command.full ? 5 : 1)) * 1_000);
  const program = await compile({
    name: 'log',
    main: 'bench/log/log.cpp',
    linked: ['native/log'],
    includes: ['native', 'bench/log'],
  });
  // Next to the sources, since the system's folder for temporary files may be in memory.
  await mkdir(join(root, 'build', 'bench'), { recursive: true });
  const folder = await mkdtemp(join(root, 'build', 'bench', 'log-store-'));
  try {
    for (const delayMs of [0, slowSyncMs]) {
      showStep(`the log, ${ms} ms each`);
      const { stdout } = await promisify(execFile)(program, [folder, `${ms}`, `${delayMs}`]);
      clear();
      say(tableOf(stdout, delayMs));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return true;
}

function tableOf(stdout: string, delayMs: number): string {
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
  const [sync, ...logs] = rows;
  const title = delayMs === 0 ? 'the log on this disk' : `the same with ${delayMs} ms more for each sync`;
  return `\n${title}; fdatasync alone: p50 ${sync?.p50Us} us, p99 ${sync?.p99Us} us\n${table([
    ['in flight', 'acks/s', 'p50 us', 'p99 us', 'CPU us', 'records a commit', 'bytes a record'],
    ...logs.map((row) => [
      `${row.inFlight}`,
      shortNumber(row.perSecond),
      `${row.p50Us}`,
      `${row.p99Us}`,
      `${row.cpuUs}`,
      `${row.recordsPerCommit}`,
      `${row.bytesPerRecord}`,
    ]),
  ])}`;
}
