/** Replaces the content of a file atomically: a reader sees either the old or the new one. */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { BrokerError } from '../broker-error.ts';
import { systemReason } from '../system-reason.ts';

/**
 * Only its owner may read a new one; one that is there keeps its owner and its rights, so that root can change a file of the
 * broker's user, and a link to it stays. Errors: ACCESS_FILE_UNREADABLE.
 */
export function replaceFile(path: string, text: string): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      if (existsSync(target)) keepOwner(descriptor, target);
      writeFileSync(descriptor, text); // all of it: a disk that is almost full takes a part
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, target);
  } catch (cause) {
    rmSync(temporary, { force: true });
    const sentence = `${path} cannot be written: ${systemReason(cause)}.`;
    throw new BrokerError('ACCESS_FILE_UNREADABLE', sentence, { cause });
  }
}

function keepOwner(descriptor: number, path: string): void {
  const [own, { uid, gid, mode }] = [fstatSync(descriptor), statSync(path)];
  if (own.uid !== uid || own.gid !== gid) fchownSync(descriptor, uid, gid);
  fchmodSync(descriptor, mode & 0o777);
}
