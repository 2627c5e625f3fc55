/**
 * Other nodes have taken over the log of this one (log-streams.ts), and have everything it has acknowledged: its data
 * directory is obsolete.
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import { isLogFile, supersededFolderName } from '../storage/store-files.ts';
import { systemReason } from '../system-reason.ts';
import { readKnownCluster, writeKnownCluster } from './cluster-memory.ts';

export class Superseded extends Error {
  constructor() {
    super('another node has taken over the log in the meantime');
  }
}

/** Moves the files of an obsolete log aside, replacing those of the last time. Errors: STORE_NOT_USABLE. */
export function setLogAside(directory: string): void {
  const folder = join(directory, supersededFolderName);
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
    for (const name of readdirSync(directory))
      if (isLogFile(name)) renameSync(join(directory, name), join(folder, name));
    forgetStream(directory);
  } catch (cause) {
    const sentence = `${directory}, whose log other nodes have taken over, cannot be emptied: ${systemReason(cause)}.`;
    throw new BrokerError('STORE_NOT_USABLE', sentence, { cause });
  }
}

function forgetStream(directory: string): void {
  const known = readKnownCluster(directory);
  if (known !== undefined) writeKnownCluster(directory, { ...known, stream: undefined });
}
