/** Exports a store to a file of JSON lines, and imports it (store-lines.ts). Both run in a thread (workers/storage.ts). */
import { constants } from 'node:buffer';
import { closeSync, fstatSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { BrokerError, type BrokerErrorCode } from '../broker-error.ts';
import type { Addon, StoreFault, StoreItem, StoreRefusal } from '../data-plane/addon.ts';
import { isSystemError, systemReason } from '../system-reason.ts';
import { type EmptyFolder, makeEmpty } from './backup.ts';
import { filesOf } from './store-files.ts';
import { endLine, LineFault, LineReader, lineOf } from './store-lines.ts';

export interface TransferOutcome {
  readonly messages: number;
  readonly retained: number;
  readonly sessions: number;
  /** The number of damaged places; their content is missing. */
  readonly damaged: number;
}

/** Bytes written or read at once. */
const chunkBytes = 262_144;
const newline = 0x0a;

/** `onMade`: called when there is a new file, which is to be removed if the export does not end. */
export async function exportStore(
  addon: Addon,
  directory: string,
  file: string,
  progress: Uint8Array,
  onMade: () => void,
): Promise<TransferOutcome> {
  await filesOf(directory); // fails if there is no store
  const { target, isMade, takeBack, close } = targetOf(file);
  const count = new Counts();
  let waiting = '';
  let lines = 0;
  const flush = (): void => {
    writeAll(target, waiting);
    waiting = '';
  };
  try {
    if (isMade) onMade();
    const outcome = addon.exportStore(directory, progress, (item) => {
      count.note(item);
      waiting += `${lineOf(item)}\n`;
      lines++;
      if (waiting.length >= chunkBytes) flush();
    });
    if ('fault' in outcome) throw refusalOf(directory, outcome);
    waiting += `${endLine(lines)}\n`;
    flush();
    if (fstatSync(target).isFile()) fsyncSync(target);
    return { ...count.outcome, damaged: outcome.damaged };
  } catch (error) {
    takeBack();
    throw isSystemError(error)
      ? new BrokerError('STORE_NOT_USABLE', `${file} cannot be written: ${systemReason(error)}.`, {
          cause: error,
        })
      : error;
  } finally {
    close();
  }
}

interface Target {
  readonly target: number;
  readonly isMade: boolean;
  /** Removes what was made. */
  takeBack(): void;
  close(): void;
}

/**
 * A new file, or standard output. That is another's: a file is continued where it stands, not opened again, which would
 * empty it, and nothing of it is removed.
 */
function targetOf(file: string): Target {
  const isOutput = file === '/dev/stdout';
  if (isOutput && fstatSync(1).isFile())
    return { target: 1, isMade: false, takeBack: () => {}, close: () => {} };
  const target = opened(file, isOutput ? 'w' : 'wx');
  const isMade = !isOutput && fstatSync(target).isFile();
  return {
    target,
    isMade,
    takeBack: () => {
      if (isMade) rmSync(file);
    },
    close: () => closeSync(target),
  };
}

export async function importStore(
  addon: Addon,
  directory: string,
  file: string,
  told: (done: number, total: number) => void,
): Promise<TransferOutcome> {
  const source = opened(file, 'r');
  const count = new Counts();
  const reader = new LineReader();
  const lines = linesOf(source, told);
  let number = 0;
  let target: EmptyFolder | undefined;
  try {
    const found = fstatSync(source);
    if (found.isFile() && found.size === 0)
      throw new BrokerError('STORE_NOT_USABLE', `${file} is empty. Nothing was imported.`);
    target = await makeEmpty(addon, directory, 'data directory');
    const next = (): StoreItem | undefined => {
      for (;;) {
        number++;
        const { done, value } = lines.next();
        if (done) return void reader.finish();
        const text = textOf(value);
        const item = text.trim() === '' ? undefined : reader.read(text);
        if (item === undefined) continue; // nothing may follow the last line
        count.note(item);
        return item;
      }
    };
    const first = next();
    const items = first === undefined ? [] : [first];
    const outcome = addon.importStore(directory, () => items.pop() ?? next());
    if ('fault' in outcome) throw refusalOf(directory, outcome as StoreRefusal, ' Nothing was imported.');
    target.complete();
    return { ...count.outcome, damaged: 0 };
  } catch (error) {
    target?.takeBack();
    if (isSystemError(error))
      throw new BrokerError(
        'STORE_NOT_USABLE',
        `${file} cannot be read: ${systemReason(error)}. Nothing was imported.`,
        { cause: error },
      );
    if (!(error instanceof LineFault)) throw error;
    const sentence = `${file}, line ${number}: ${error.message}. Nothing was imported.`;
    throw new BrokerError('STORE_NOT_USABLE', sentence, { cause: error });
  } finally {
    target?.release();
    closeSync(source);
  }
}

const refusalCodes: Readonly<Record<StoreFault, BrokerErrorCode>> = {
  held: 'STORE_IN_USE',
  newerFormat: 'STORE_TOO_NEW',
  notUsable: 'STORE_NOT_USABLE',
};

/** Why a command cannot use a store. `behind`: a further sentence. */
export function refusalOf(directory: string, { fault, detail }: StoreRefusal, behind = ''): BrokerError {
  const sentences: Readonly<Record<StoreFault, string>> = {
    held: `${directory} is in use by ${detail}; stop that broker first, or use a backup.`,
    newerFormat: `${directory} has format ${detail}, which this version does not know; use the newer RallyMQ.`,
    notUsable: `${directory} cannot be used: ${detail}.`,
  };
  return new BrokerError(refusalCodes[fault], sentences[fault] + behind);
}

class Counts {
  outcome = { messages: 0, retained: 0, sessions: 0 };

  note({ kind }: StoreItem): void {
    if (kind === 'message') this.outcome.messages++;
    if (kind === 'retained') this.outcome.retained++;
    if (kind === 'session') this.outcome.sessions++;
  }
}

function opened(file: string, flags: string): number {
  try {
    return openSync(file, flags, 0o600);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'it already exists' : systemReason(cause);
    throw new BrokerError('STORE_NOT_USABLE', `${file} cannot be opened: ${why}.`, { cause });
  }
}

function writeAll(target: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(target, bytes, at);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function textOf(line: Uint8Array): string {
  try {
    return utf8.decode(line);
  } catch (cause) {
    throw new LineFault('it is not UTF-8', { cause });
  }
}

function* linesOf(source: number, told: (done: number, total: number) => void): Generator<Uint8Array> {
  const total = fstatSync(source).size;
  let done = 0;
  let parts: Buffer[] = []; // a line may be very long
  let partBytes = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const count = readSync(source, chunk, 0, chunk.length, null);
    if (count === 0) break;
    const read = chunk.subarray(0, count);
    let from = 0;
    for (let end = read.indexOf(newline); end >= 0; end = read.indexOf(newline, from)) {
      yield Buffer.concat([...parts, read.subarray(from, end)]);
      parts = [];
      partBytes = 0;
      from = end + 1;
    }
    parts.push(read.subarray(from));
    partBytes += count - from;
    if (partBytes > constants.MAX_STRING_LENGTH)
      throw new LineFault('it is longer than any line of an export');
    done += count;
    told(done, Math.max(total, done));
  }
  if (partBytes > 0) yield Buffer.concat(parts);
}
