/** A thread of the pool that hashes and verifies passwords, apart from the event loops: a password takes a tenth of a second. */
import { hashPassword, verifyPassword } from '../core/security/password-hash.ts';

export type PasswordTask =
  | { readonly kind: 'hash'; readonly password: Uint8Array }
  | { readonly kind: 'verify'; readonly hash: string; readonly password: Uint8Array };

export function runPasswordTask(task: PasswordTask): string | boolean {
  return task.kind === 'hash' ? hashPassword(task.password) : verifyPassword(task.hash, task.password);
}
