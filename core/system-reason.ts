/** The reason in a system error, in words, without code, call and path: for a sentence that names these itself. */
import { getSystemErrorMap } from 'node:util';

/** Of a failed call to the system: "no such file or directory"; of any other error its message. */
export function systemReason(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? message;
}

/** Whether the system has refused something: a full disk, a missing permission. Anything else is a bug of ours. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'errno' in error && 'syscall' in error;
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
