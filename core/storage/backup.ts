/**
 * Copies a data directory that a broker may be using, without its help and without making it wait.
 *
 * A segment that is not the last one never changes again, so a hard link of it is a copy; the log does not use a file
 * again that has another name (native/log/segment-files.cpp). The last one is copied from its end to its beginning: a
 * group is written only after all groups before it are on the disk, so whatever group is in the copy, all before it
 * are too. What is cut off at the end was being written, as after a crash.
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
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { copyFile, link, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import { isSystemError, systemReason } from '../system-reason.ts';
import { makeDirectory } from './make-directory.ts';
import { clusterFileName, isSegment, segmentsOf } from './store-files.ts';

export interface BackupOutcome {
  readonly files: number;
  /** Of them, those that take no room but a name. */
  readonly links: number;
  readonly bytes: number;
}

/** A page is read at once, so that no group is seen half before and half after. */
const pageBytes = 4_096;

/** Of the folder of a copy, with the process that looks at it. */
const copyPrefix = 'check-';

type Progress = (done: number, total: number) => void;

/** Errors: STORE_NOT_USABLE. */
export async function backUp(directory: string, folder: string, progress: Progress): Promise<BackupOutcome> {
  await segmentsOf(directory); // says so where there is no store
  if (`${resolve(folder)}${sep}`.startsWith(`${resolve(directory)}${sep}`))
    throw new BrokerError(
      'STORE_NOT_USABLE',
      `${folder} is in the data directory itself, and would be lost with it: give another folder.`,
    );
  return await whole(folder, 'backup', () => copyTo(directory, folder, progress));
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
    copyFromItsEnd(join(directory, newest), join(folder, newest));
    // The next one may have been begun meanwhile: then this one is complete, and is taken again.
    if ((await segmentsOf(directory)).at(-1) === newest) break;
    await rm(join(folder, newest));
  }
  await copyClusterFile(directory, folder);
  syncFolder(folder);
  progress(1, 1);
  return await outcomeOf(folder, links);
}

/**
 * Looks at a copy in the directory itself, where all but the last segment are links, and removes it. Errors:
 * STORE_NOT_USABLE.
 */
export async function withCopyOf<Result>(
  directory: string,
  look: (folder: string) => Result,
): Promise<Result> {
  await removeLeftCopies(directory);
  const folder = copyIn(directory);
  try {
    await whole(folder, 'copy', () => copyTo(directory, folder, () => {}));
    return look(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function copyIn(directory: string): string {
  return join(directory, `${copyPrefix}${process.pid}`);
}

/** That of this process, which ends. */
export function removeCopyIn(directory: string): void {
  rmSync(copyIn(directory), { recursive: true, force: true });
}

/** Of processes that have ended in the middle: what they link would take its room for ever. */
export async function removeLeftCopies(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(copyPrefix) || isRunning(Number(name.slice(copyPrefix.length)))) continue;
    await rm(join(directory, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * The newest segment comes first: it names those before it, so that whoever starts with a part of them is told. Errors:
 * STORE_NOT_USABLE.
 */
export async function restore(directory: string, folder: string, progress: Progress): Promise<BackupOutcome> {
  const segments = await segmentsOf(folder);
  return await whole(directory, 'data directory', () => copyBack(directory, folder, segments, progress));
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
  syncFolder(dirname(join(directory, '.')));
  return await outcomeOf(directory, 0);
}

/** Which cluster the data is of, if it is (core/cluster/cluster-memory.ts). */
async function copyClusterFile(from: string, to: string): Promise<void> {
  const path = join(from, clusterFileName);
  if (!existsSync(path)) return;
  await copyFile(path, join(to, clusterFileName));
  const file = openSync(join(to, clusterFileName), 'r+');
  fsyncSync(file);
  closeSync(file);
}

/** Fills a folder that is empty or made for it. A part of what should be in it is not left there. */
async function whole(
  folder: string,
  what: string,
  fill: () => Promise<BackupOutcome>,
): Promise<BackupOutcome> {
  const { takeBack } = await makeEmpty(folder, what);
  try {
    return await fill();
  } catch (error) {
    takeBack();
    if (!isSystemError(error)) throw error;
    const sentence = `${error.path ?? folder} cannot be copied to ${folder}: ${systemReason(error)}. Nothing is left of it.`;
    throw new BrokerError('STORE_NOT_USABLE', sentence, { cause: error });
  }
}

/** `takeBack` restores what was there before: an empty folder, or none. Errors: STORE_NOT_USABLE. */
export async function makeEmpty(folder: string, what: string): Promise<{ readonly takeBack: () => void }> {
  const isNew = !existsSync(folder);
  const takeBack = (): void => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
    if (isNew) rmdirSync(folder);
  };
  try {
    makeDirectory(folder);
    if ((await readdir(folder)).length === 0) return { takeBack };
  } catch (cause) {
    throw new BrokerError('STORE_NOT_USABLE', `${folder} cannot be created: ${systemReason(cause)}.`, {
      cause,
    });
  }
  throw new BrokerError('STORE_NOT_USABLE', `${folder} is not empty: a ${what} needs a folder of its own.`);
}

/** False: it has been recycled since, so nothing in it is needed. */
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

/** Another disk: it may be recycled, and its file used again, while it is copied. */
async function copyWhole(from: string, to: string): Promise<boolean> {
  copyFromItsEnd(from, to);
  if (existsSync(from)) return true;
  await rm(to);
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
