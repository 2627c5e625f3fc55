/**
 * Copies a data directory that a broker may be using, without its help and without delaying it.
 *
 * A segment other than the last one never changes, so a hard link to it is a copy; the log does not reuse a file
 * that has another name (native/log/segment-files.cpp). The last segment is copied from its end to its beginning: a
 * group is written only after all groups before it are on the disk, so a copy that contains a group also contains all before it.
 * A group cut off at the end was being written, as after a crash.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { copyFile, link, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import type { Addon } from '../data-plane/addon.ts';
import { isSystemError, systemReason } from '../system-reason.ts';
import { makeDirectory } from './make-directory.ts';
import {
  clusterFileName,
  incompleteFileName,
  isIncomplete,
  isSegment,
  lockFileName,
  segmentsOf,
} from './store-files.ts';

export interface BackupOutcome {
  readonly files: number;
  /** How many of them take no space but a name. */
  readonly links: number;
  readonly bytes: number;
}

/** A page is read at once, so that no group is read half old and half new. */
const pageBytes = 4_096;

/** The name of the folder of a copy, with the process that checks it, which keeps it locked. */
const copyPrefix = 'check-';

type Progress = (done: number, total: number) => void;

/** Errors: STORE_NOT_USABLE, STORE_IN_USE if another command writes to the folder. */
export async function backUp(
  addon: Addon,
  directory: string,
  folder: string,
  progress: Progress,
): Promise<BackupOutcome> {
  await segmentsOf(directory); // fails if there is no store
  if (`${realPath(folder)}${sep}`.startsWith(`${realPath(directory)}${sep}`))
    throw new BrokerError(
      'STORE_NOT_USABLE',
      `${folder} is in the data directory itself, and would be lost with it: give another folder.`,
    );
  return await whole(addon, folder, 'backup', () => copyTo(directory, folder, progress));
}

/** Without symbolic links, also if its last parts do not exist yet. */
function realPath(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'ENOENT' || whole === dirname(whole)) throw error;
    return join(realPath(dirname(whole)), basename(whole));
  }
}

async function copyTo(directory: string, folder: string, progress: Progress): Promise<BackupOutcome> {
  const done = new Set<string>();
  let links = 0;
  for (;;) {
    const segments = await segmentsOf(directory);
    const newest = segments.at(-1) as string;
    for (const name of segments) {
      if (name !== newest && !done.has(name) && (await linkOrCopy(directory, folder, name, () => links++))) {
        done.add(name);
      }
      progress(done.size, segments.length);
    }
    await copyWhole(join(directory, newest), join(folder, newest));
    // The next segment may have been begun meanwhile: then this one is complete, and is copied again.
    if ((await segmentsOf(directory)).at(-1) === newest) break;
    await rm(join(folder, newest), { force: true });
  }
  await copyClusterFile(directory, folder);
  syncFolder(folder);
  progress(1, 1);
  return await outcomeOf(folder, links);
}

/**
 * Looks at a copy in the data directory itself, in which all but the last segment are links, and removes it. It is locked
 * meanwhile. Errors: STORE_NOT_USABLE.
 */
export async function withCopyOf<Result>(
  addon: Addon,
  directory: string,
  look: (folder: string) => Result,
): Promise<Result> {
  await removeLeftCopies(addon, directory);
  const folder = copyIn(directory);
  try {
    return await whole(addon, folder, 'copy', async () => {
      await copyTo(directory, folder, () => {});
      return look(folder);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function copyIn(directory: string): string {
  return join(directory, `${copyPrefix}${process.pid}`);
}

/** Of this process, when it ends. */
export function removeCopyIn(directory: string): void {
  rmSync(copyIn(directory), { recursive: true, force: true });
}

/**
 * Of processes that were killed: the linked files would take space for ever. The numbers of processes do not tell which: another
 * process may have the number now, and in another container they are others.
 */
export async function removeLeftCopies(addon: Addon, directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(copyPrefix)) continue;
    const folder = join(directory, name);
    const lock = addon.lockDirectory(folder);
    if ('fault' in lock) continue; // it is in use
    await rm(folder, { recursive: true, force: true });
    lock.remove();
  }
}

/**
 * The newest segment comes first: it names the earlier ones, so that a start with an incomplete copy fails. Errors:
 * STORE_NOT_USABLE, STORE_IN_USE, also for the directory of a broker that runs: it would write to the segments meanwhile.
 */
export async function restore(
  addon: Addon,
  directory: string,
  folder: string,
  progress: Progress,
): Promise<BackupOutcome> {
  const segments = await segmentsOf(folder);
  const lock = addon.lockDirectory(folder); // another fault: it is read-only, so that nobody writes there
  if ('fault' in lock && lock.fault === 'held')
    throw new BrokerError(
      'STORE_IN_USE',
      `${folder} is in use by ${lock.detail}: make a backup of it with "rallymq store backup", and restore that.`,
    );
  try {
    return await whole(addon, directory, 'data directory', () =>
      copyBack(directory, folder, segments, progress),
    );
  } finally {
    if (!('fault' in lock)) lock.remove();
  }
}

async function copyBack(
  directory: string,
  folder: string,
  segments: readonly string[],
  progress: Progress,
): Promise<BackupOutcome> {
  for (const [at, name] of [...segments].reverse().entries()) {
    const path = join(directory, name);
    await copyFile(join(folder, name), path);
    const file = openSync(path, 'r+');
    fsyncSync(file);
    closeSync(file);
    progress(at + 1, segments.length);
  }
  await copyClusterFile(folder, directory);
  syncFolder(directory);
  return await outcomeOf(directory, 0);
}

/** The cluster of the data, if any (core/cluster/cluster-memory.ts). */
async function copyClusterFile(from: string, to: string): Promise<void> {
  const path = join(from, clusterFileName);
  if (!existsSync(path)) return;
  await copyFile(path, join(to, clusterFileName));
  const file = openSync(join(to, clusterFileName), 'r+');
  fsyncSync(file);
  closeSync(file);
}

/** Fills an empty or new folder. An incomplete copy is removed. */
async function whole<Outcome>(
  addon: Addon,
  folder: string,
  what: string,
  fill: () => Promise<Outcome>,
): Promise<Outcome> {
  const target = await makeEmpty(addon, folder, what);
  try {
    const outcome = await fill();
    target.complete();
    return outcome;
  } catch (error) {
    target.takeBack();
    if (!isSystemError(error)) throw error;
    const sentence = `${error.path ?? folder} cannot be copied to ${folder}: ${systemReason(error)}. Nothing is left of it.`;
    throw new BrokerError('STORE_NOT_USABLE', sentence, { cause: error });
  } finally {
    target.release();
  }
}

export interface EmptyFolder {
  /** Restores the previous state: an empty folder, or none. */
  takeBack(): void;
  /** It has all that it was to have. Without that, nobody uses what is there: a command may be killed at any moment. */
  complete(): void;
  /** From now on others may use it. */
  release(): void;
}

/**
 * A folder to fill, which nobody else can use meanwhile: neither a broker that is started on it nor another command.
 * Errors: STORE_NOT_USABLE, STORE_IN_USE.
 */
export async function makeEmpty(addon: Addon, folder: string, what: string): Promise<EmptyFolder> {
  const isNew = !existsSync(folder);
  const cannotBeCreated = (why: string, cause?: unknown): BrokerError =>
    new BrokerError('STORE_NOT_USABLE', `${folder} cannot be created: ${why}.`, { cause });
  try {
    makeDirectory(folder);
  } catch (cause) {
    throw cannotBeCreated(systemReason(cause), cause);
  }
  const isEmpty = (): boolean => readdirSync(folder).every((name) => name === lockFileName);
  const notEmpty = `${folder} is not empty: a ${what} needs a folder of its own.`;
  if (!isEmpty()) throw new BrokerError('STORE_NOT_USABLE', notEmpty);
  const lock = addon.lockDirectory(folder);
  if ('fault' in lock) {
    if (lock.fault !== 'held') throw cannotBeCreated(lock.detail);
    throw new BrokerError(
      'STORE_IN_USE',
      `${folder} is in use by ${lock.detail}: a ${what} needs a folder of its own.`,
    );
  }
  if (!isEmpty()) {
    lock.remove();
    throw new BrokerError('STORE_NOT_USABLE', notEmpty);
  }
  const mark = join(folder, incompleteFileName);
  const takeBack = (): void => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
    if (isNew) rmdirSync(folder);
  };
  try {
    writeFileSync(mark, '');
    syncFolder(folder);
  } catch (cause) {
    takeBack();
    lock.remove();
    throw cannotBeCreated(systemReason(cause), cause);
  }
  return {
    complete: () => {
      rmSync(mark);
      syncFolder(folder);
      if (isNew) syncFolder(dirname(resolve(folder)));
    },
    takeBack,
    release: () => lock.remove(),
  };
}

/** What this process has not completed, when it ends meanwhile. `isNew`: so is the folder. */
export function removeIncomplete(folder: string, isNew: boolean): void {
  if (!isIncomplete(folder)) return;
  const names = isNew ? [''] : readdirSync(folder);
  for (const name of names) rmSync(join(folder, name), { recursive: true, force: true });
}

/** False: it has been recycled since, so its content is no longer needed. */
async function linkOrCopy(
  directory: string,
  folder: string,
  name: string,
  onLink: () => void,
): Promise<boolean> {
  const from = join(directory, name);
  try {
    await link(from, join(folder, name));
    onLink();
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !existsSync(from)) return false;
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK' && code !== 'EOPNOTSUPP') throw error;
  }
  return await copyWhole(from, join(folder, name));
}

/** It may be recycled, and its file reused, while it is copied: false. */
async function copyWhole(from: string, to: string): Promise<boolean> {
  try {
    copyFromItsEnd(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || existsSync(from)) throw error;
  }
  if (existsSync(from)) return true;
  await rm(to, { force: true });
  return false;
}

function copyFromItsEnd(from: string, to: string): void {
  const source = openSync(from, 'r');
  const target = openSync(to, 'wx', 0o600);
  try {
    const page = Buffer.alloc(pageBytes);
    const zeros = Buffer.alloc(pageBytes);
    const { size } = fstatSync(source);
    ftruncateSync(target, size);
    for (let at = Math.floor((size - 1) / pageBytes) * pageBytes; at >= 0; at -= pageBytes) {
      const count = readSync(source, page, 0, pageBytes, at);
      if (page.subarray(0, count).equals(zeros.subarray(0, count))) continue;
      for (let done = 0; done < count; ) done += writeSync(target, page, done, count - done, at + done);
    }
    fsyncSync(target);
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

function syncFolder(folder: string): void {
  const file = openSync(folder, 'r');
  fsyncSync(file);
  closeSync(file);
}

async function outcomeOf(folder: string, links: number): Promise<BackupOutcome> {
  const names = (await readdir(folder)).filter(isSegment);
  let bytes = 0;
  for (const name of names) bytes += (await stat(join(folder, name))).size;
  return { files: names.length, links, bytes };
}
