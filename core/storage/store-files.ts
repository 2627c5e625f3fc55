/** The files of a data directory, by their names: native/log/segment-format.h. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import { systemReason } from '../system-reason.ts';

export interface StoreFiles {
  readonly directory: string;
  readonly segments: number;
  /** All files together. */
  readonly bytes: number;
  readonly spareSegments: number;
  /** Including damage that was found. */
  readonly setAside: readonly string[];
}

/** In the data directory of a cluster node: core/cluster/cluster-memory.ts. */
export const clusterFileName = 'cluster.json';

/** Also there: a log that other nodes have continued (core/cluster/superseded.ts), and logs that this node continues. */
export const supersededFolderName = 'superseded';
export const standInFolderName = 'stand-in';

/** Who uses the directory: native/log/directory-lock.h. */
export const lockFileName = 'lock';

/** In a folder that a command is filling; one that is killed leaves it there. */
export const incompleteFileName = 'incomplete';

export const whyIncomplete =
  'the rallymq store command that was to fill it has not ended; unless it is still running, remove the directory and repeat that command';

export function isIncomplete(directory: string): boolean {
  return existsSync(join(directory, incompleteFileName));
}

const segmentPattern = /^\d{10}\.seg$/;

export function isSegment(name: string): boolean {
  return segmentPattern.test(name);
}

/** The files of a log, and nothing else. */
export function isLogFile(name: string): boolean {
  return isSegment(name) || name.startsWith('spare-') || name.endsWith('.damaged');
}

/** In the order in which they were written. Errors: STORE_NOT_USABLE if there is no store. */
export async function segmentsOf(directory: string): Promise<string[]> {
  const names = await namesIn(directory);
  if (names.includes(incompleteFileName)) throw notAStore(directory, whyIncomplete);
  const segments = names.filter(isSegment);
  if (segments.length === 0) throw notAStore(directory, 'it has no segments');
  return segments.sort();
}

export async function filesOf(directory: string): Promise<StoreFiles> {
  const segments = await segmentsOf(directory);
  const names = await namesIn(directory);
  let bytes = 0;
  for (const name of names) bytes += await sizeOf(join(directory, name));
  return {
    directory,
    segments: segments.length,
    bytes,
    spareSegments: names.filter((name) => name.startsWith('spare-')).length,
    setAside: names.filter((name) => name.endsWith('.damaged')).sort(),
  };
}

/** The allocated size: a segment that is not full is smaller than it seems. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0; // it has just been recycled
    throw error;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    throw notAStore(directory, systemReason(cause), cause);
  }
}

function notAStore(directory: string, why: string, cause?: unknown): BrokerError {
  return new BrokerError('STORE_NOT_USABLE', `${directory} is not a data directory: ${why}.`, { cause });
}
