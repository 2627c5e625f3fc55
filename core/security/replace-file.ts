/** Replaces the content of a file atomically: a reader sees either the old or the new one. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { BrokerError } from '../broker-error.ts';

/** Only its owner may read a new one; one that is there keeps its rights. Errors: ACCESS_FILE_UNREADABLE. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (existsSync(path)) chmodSync(temporary, statSync(path).mode & 0o777);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BrokerError('ACCESS_FILE_UNREADABLE', `${path} cannot be written: ${reason}.`, { cause });
  }
}
