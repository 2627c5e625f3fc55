/** The reason in a system error, in words, without code, call and path: for a sentence that names these itself. */
import { getSystemErrorMap } from 'node:util';

/** In plainer words than the system's. */
const plainer: ReadonlyMap<string | undefined, string> = new Map([
  ['EISDIR', 'it is a directory'],
  ['ENOTFOUND', 'there is no such host'],
  ['EAI_AGAIN', 'the host name cannot be resolved now'],
]);

/** Of a failed call to the system: "no such file or directory"; of any other error its message. */
export function systemReason(error: unknown): string {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  return plainer.get(code) ?? words ?? message;
}

/** Whether the system has refused something: a full disk, a missing permission. Anything else is a bug of ours. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'errno' in error && 'syscall' in error;
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
