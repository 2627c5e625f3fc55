/**
 * `rallymq store info|check|backup|restore|export|import|compact`: an operator's commands for a data directory. Long ones run in a
 * separate thread (workers/storage.ts), which reports its progress.
 */
import { existsSync, rmSync } from 'node:fs';
import { BrokerError, type BrokerErrorCode } from '../broker-error.ts';
import { readArguments } from '../config/arguments.ts';
import { commandDataDirectory } from '../config/options.ts';
import type { StoreRefusal, StoreReport } from '../data-plane/addon.ts';
import { type BackupOutcome, removeCopyIn, removeIncomplete } from './backup.ts';
import { refusalOf, type TransferOutcome } from './export.ts';
import { showProgress } from './progress-bar.ts';
import { filesOf, type StoreFiles } from './store-files.ts';
import {
  plural,
  shownBytes,
  textOfBackup,
  textOfCheck,
  textOfCompact,
  textOfInfo,
  textOfTransfer,
} from './store-text.ts';

/** Megabytes per second that a check reads from a store in use: little for a disk. */
const onlineRate = 100;

export const storeUsage = [
  'Usage: rallymq store info [--data DIR] [--json]',
  '       rallymq store check [--repair] [--rate MB] [--data DIR] [--json]',
  '       rallymq store backup FOLDER [--data DIR] [--json]',
  '       rallymq store restore FOLDER [--data DIR] [--json]',
  '       rallymq store export FILE [--data DIR] [--json]',
  '       rallymq store import FILE [--data DIR] [--json]',
  '       rallymq store compact [--data DIR] [--json]',
  '',
  'Maintains the data directory of a broker.',
  '',
  '  info      number and size of its files; also while the broker runs',
  '  check     reads everything and reports damage (exit status 1 if any); also while the broker runs',
  '  backup    copies it to a new folder; also while the broker runs, without delaying it',
  '  restore   creates the data directory from a backup; it must be missing or empty',
  '  export    writes all sessions and messages to a new file, as JSON lines (/dev/stdout prints them)',
  '  import    creates the data directory from such a file; it must be missing or empty',
  '  compact   rewrites the live records, so that the files are as small as possible',
  '',
  `  --data DIR  the data directory (default ${commandDataDirectory}, or RALLYMQ_DATA)`,
  '  --repair    set damaged parts aside; the broker must not be running',
  `  --rate MB   megabytes that a check reads per second (default: ${onlineRate} while the broker runs, else no limit)`,
  '  --json      print JSON',
  '',
].join('\n');

const actions = ['info', 'check', 'backup', 'restore', 'export', 'import', 'compact'] as const;

/** The argument of each command besides the data directory; the others have none. */
const operands: Readonly<Partial<Record<StoreRequest['action'], 'FOLDER' | 'FILE'>>> = {
  backup: 'FOLDER',
  restore: 'FOLDER',
  export: 'FILE',
  import: 'FILE',
};

const kinds = { data: 'text', repair: 'switch', rate: 'text', json: 'switch' } as const;

export interface StoreRequest {
  readonly action: (typeof actions)[number];
  readonly directory: string;
  /** The given folder or file; empty if none is needed. */
  readonly folder: string;
  readonly repairs: boolean;
  /** Bytes per second that a check reads; undefined: the default. */
  readonly bytesPerSecond: number | undefined;
  readonly isJson: boolean;
}

export interface StoreOutcome {
  readonly text: string;
  readonly isSound: boolean;
}

/** Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID. */
export function readStoreRequest(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): StoreRequest {
  const { flags, operands: given } = readArguments('rallymq store', args, kinds);
  const [action, folder, ...more] = given;
  if (!isAction(action)) {
    const other = action === undefined ? '' : `, not '${action}'`;
    throw new BrokerError(
      'FLAG_UNKNOWN',
      `Give one of ${actions.join(', ')}${other}: see rallymq store --help.`,
    );
  }
  const operand = operands[action];
  if ((operand !== undefined) !== (folder !== undefined) || more.length > 0) {
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      operand === undefined
        ? `'${folder}' is not a flag of rallymq store ${action}: name the data directory with --data DIR.`
        : `Give one ${operand.toLowerCase()}: rallymq store ${action} ${operand}.`,
    );
  }
  if (flags.repair === true && action !== 'check') {
    throw new BrokerError('FLAG_VALUE_INVALID', '--repair is for rallymq store check.');
  }
  const bytesPerSecond = bytesPerSecondOf(flags.rate, action);
  return {
    action,
    directory: directoryOf(flags.data, environment['RALLYMQ_DATA']),
    folder: folder ?? '',
    repairs: flags.repair === true,
    bytesPerSecond,
    isJson: flags.json === true,
  };
}

function bytesPerSecondOf(rate: string | undefined, action: string): number | undefined {
  if (rate === undefined) return undefined;
  if (action !== 'check') throw new BrokerError('FLAG_VALUE_INVALID', '--rate is for rallymq store check.');
  if (/^[1-9]\d{0,5}$/.test(rate)) return Number(rate) * 1e6;
  throw new BrokerError(
    'FLAG_VALUE_INVALID',
    `--rate is '${rate}': give a whole number of megabytes a second, from 1 to 999999.`,
  );
}

/** Chosen in the same way as by the broker; if that keeps everything in memory, there is no store. */
function directoryOf(flag: string | undefined, variable: string | undefined): string {
  const chosen = flag ?? (variable || commandDataDirectory);
  if (chosen !== '' && chosen !== 'none') return chosen;
  throw new BrokerError('FLAG_VALUE_INVALID', 'There is no data directory: give one with --data DIR.');
}

function isAction(text: string | undefined): text is StoreRequest['action'] {
  return actions.some((each) => each === text);
}

/** Errors: STORE_IN_USE, STORE_TOO_NEW, STORE_NOT_USABLE. */
export async function storeCommand(request: StoreRequest): Promise<StoreOutcome> {
  const run = { info, check, backup, restore, export: exported, import: imported, compact }[request.action];
  return await run(request);
}

async function info({ directory, isJson }: StoreRequest): Promise<StoreOutcome> {
  const files = await filesOf(directory);
  return { text: isJson ? json(files) : textOfInfo(directory, files), isSound: true };
}

async function check({ directory, repairs, bytesPerSecond, isJson }: StoreRequest): Promise<StoreOutcome> {
  const report = await checked(directory, repairs, bytesPerSecond);
  const text = isJson ? json({ directory, ...report }) : textOfCheck(directory, report, repairs);
  return { text, isSound: report.damage.length === 0 };
}

async function backup({ directory, folder, isJson }: StoreRequest): Promise<StoreOutcome> {
  const outcome = await inThread<BackupOutcome>({ kind: 'backup', directory, folder }, 'Copying');
  return { text: isJson ? json({ folder, ...outcome }) : textOfBackup(folder, outcome), isSound: true };
}

/** A damaged backup is not restored silently. */
async function restore({ directory, folder, isJson }: StoreRequest): Promise<StoreOutcome> {
  const copied = await inThread<BackupOutcome>({ kind: 'restore', directory, folder }, 'Copying');
  const report = await checked(directory, false);
  const text = `${directory} has the ${plural(copied.files, 'file')} of ${folder}, ${shownBytes(copied.bytes)}.\n`;
  return {
    text: isJson ? json({ directory, ...copied, ...report }) : text + textOfCheck(directory, report, false),
    isSound: report.damage.length === 0,
  };
}

async function exported({ directory, folder: file, isJson }: StoreRequest): Promise<StoreOutcome> {
  const outcome = await inThread<TransferOutcome>({ kind: 'export', directory, folder: file }, 'Reading');
  if (file === '/dev/stdout') return { text: '', isSound: outcome.damaged === 0 };
  const text = isJson ? json({ file, ...outcome }) : textOfTransfer(file, outcome);
  return { text, isSound: outcome.damaged === 0 };
}

async function imported({ directory, folder: file, isJson }: StoreRequest): Promise<StoreOutcome> {
  const outcome = await inThread<TransferOutcome>({ kind: 'import', directory, folder: file }, 'Writing');
  const text = isJson ? json({ directory, ...outcome }) : textOfTransfer(directory, outcome);
  return { text, isSound: true };
}

async function compact({ directory, isJson }: StoreRequest): Promise<StoreOutcome> {
  const { bytes: bytesBefore } = await filesOf(directory);
  const outcome = await inThread<StoreRefusal | { readonly damaged: number }>(
    { kind: 'compact', directory },
    'Reading',
  );
  if ('fault' in outcome) throw refusalOf(directory, outcome);
  const { bytes } = await filesOf(directory);
  const text = isJson
    ? json({ directory, bytesBefore, bytes, ...outcome })
    : textOfCompact(directory, bytesBefore, bytes);
  return { text, isSound: outcome.damaged === 0 };
}

async function checked(directory: string, repairs: boolean, bytesPerSecond?: number): Promise<StoreReport> {
  const files: StoreFiles = await filesOf(directory);
  const task = { kind: 'check', directory, repairs, bytesPerSecond: bytesPerSecond ?? 0 } as const;
  let report = await inThread<StoreReport>(task, 'Reading');
  if (report.fault === 'held' && !repairs) {
    const rate = bytesPerSecond ?? onlineRate * 1e6;
    report = await inThread<StoreReport>(
      { kind: 'check-online', directory, bytesPerSecond: rate },
      'Reading',
    );
  }
  const { fault, detail } = report;
  if (fault !== 'none') throw refusalOf(directory, { fault, detail });
  return { ...report, bytes: report.bytes || files.bytes };
}

export type StoreTask =
  | {
      readonly kind: 'check';
      readonly directory: string;
      readonly repairs: boolean;
      /** 0: unlimited. */
      readonly bytesPerSecond: number;
    }
  | { readonly kind: 'check-online'; readonly directory: string; readonly bytesPerSecond: number }
  | { readonly kind: 'compact'; readonly directory: string }
  | {
      readonly kind: 'backup' | 'restore' | 'export' | 'import';
      readonly directory: string;
      readonly folder: string;
    };

export type StoreAnswer =
  | { readonly result: unknown }
  | { readonly refused: { readonly code: BrokerErrorCode; readonly message: string } };

/** A signal ends the command and removes its incomplete result; a second one ends it at once. */
async function inThread<Result>(task: StoreTask, what: string): Promise<Result> {
  const { Piscina } = await import('piscina'); // not for the other commands
  const progress = new Uint8Array(new SharedArrayBuffer(3));
  const folder = task.kind === 'backup' ? task.folder : task.directory;
  const isNew = !existsSync(folder);
  let ended: NodeJS.Signals | undefined;
  let patience: NodeJS.Timeout | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    ended = signal;
    Atomics.store(progress, 1, 1);
    // The thread may not take notice in time: it reads a whole store, or a pipe that nobody writes to, or waits for a disk.
    const end = (): void => {
      if (task.kind === 'check-online') removeCopyIn(folder);
      else if (task.kind !== 'export') removeIncomplete(folder, isNew);
      else if (Atomics.load(progress, 2) !== 0) rmSync(task.folder, { force: true });
      process.kill(process.pid, signal);
    };
    patience = setTimeout(end, patienceMs);
  };
  const signals = isUndone(task) ? endingSignals : [];
  for (const signal of signals) process.once(signal, onSignal);
  const pool = new Piscina({
    filename: new URL('../../workers/storage.js', import.meta.url).href,
    name: 'runStoreTask',
    maxThreads: 1,
  });
  const stopShowing = showProgress(what, () => Atomics.load(progress, 0));
  try {
    const answer = (await pool.run({ task, progress })) as StoreAnswer;
    if ('refused' in answer) throw new BrokerError(answer.refused.code, answer.refused.message);
    return answer.result as Result;
  } finally {
    stopShowing();
    clearTimeout(patience);
    for (const signal of signals) process.off(signal, onSignal);
    if (ended !== undefined) process.kill(process.pid, ended);
    await pool.destroy();
  }
}

/** How long a thread has, after a signal, to remove what it has begun. */
const patienceMs = 200;

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The others can be killed at any moment. */
function isUndone({ kind }: StoreTask): boolean {
  return kind !== 'check' && kind !== 'compact';
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
