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
 * A new file is readable by its owner only; an existing one keeps its owner and permissions, so that root can change a file of the
 * broker's user, and a symbolic link to it remains. Errors: ACCESS_FILE_UNREADABLE.
 */
export function replaceFile(path: string, text: string): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      if (existsSync(target)) keepOwner(descriptor, target);
      writeFileSync(descriptor, text); // the whole content: an almost full disk accepts a part
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
