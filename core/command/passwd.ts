/**
 * `rallymq passwd FILE USER [--delete] [--batch]`: adds a user to a password file, changes a password or removes a
 * user. The file is replaced atomically, so that a broker reads either the old or the new one.
 */
import { existsSync } from 'node:fs';
import { BrokerError } from '../broker-error.ts';
import { readArguments } from '../config/arguments.ts';
import { readAccessFile } from '../security/access-file.ts';
import { parsePasswordFile, usernameIn } from '../security/password-file.ts';
import { replaceFile } from '../security/replace-file.ts';
import { readPassword } from './read-password.ts';

export const passwdUsage = [
  'Usage: rallymq passwd FILE USER [--delete] [--batch]',
  '',
  'Sets the password of a user in a password file, which is created if missing.',
  '',
  '  --delete  remove the user',
  '  --batch   read the password from the first line of standard input, without asking',
  '',
  'A running broker reads the file again on SIGHUP.',
  '',
].join('\n');

export interface PasswdRequest {
  readonly path: string;
  readonly username: string;
  readonly deletes: boolean;
  readonly isBatch: boolean;
}

/** Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID. */
export function readPasswdRequest(args: readonly string[]): PasswdRequest {
  const { flags, operands } = readArguments('rallymq passwd', args, { delete: 'switch', batch: 'switch' });
  const [path, username, ...more] = operands;
  if (path === undefined || username === undefined || more.length > 0)
    throw new BrokerError('FLAG_VALUE_INVALID', 'Give a file and a user name: rallymq passwd FILE USER.');
  if (!/^[^:\0\r\n#\s][^:\0\r\n]*$/.test(username) || username !== username.trimEnd())
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      "A user name in a password file may not contain ':' or a line break, begin with '#', or begin or end with a space.",
    );
  return { path, username, deletes: flags.delete === true, isBatch: flags.batch === true };
}

/** Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID, FLAG_VALUE_INVALID. */
export async function passwd({ path, username, deletes, isBatch }: PasswdRequest): Promise<string> {
  const before = deletes || existsSync(path) ? readAccessFile(path) : '';
  const isKnown = parsePasswordFile(before, path).has(username);
  if (deletes && !isKnown)
    throw new BrokerError('FLAG_VALUE_INVALID', `${path} has no user '${username}': nothing was changed.`);
  const line = deletes ? undefined : await newLine(username, isBatch);
  replaceFile(path, withLine(before, username, line));
  return `${username} ${deletes ? 'was removed' : isKnown ? 'has a new password' : 'was added'}.\n`;
}

async function newLine(username: string, isBatch: boolean): Promise<string> {
  const { hashPassword } = await import('../security/password-hash.ts'); // not for the other commands
  return `${username}:${hashPassword(await readPassword(isBatch ? 'batch' : 'twice', username))}`;
}

/** All other lines, including comments, stay unchanged. */
function withLine(before: string, username: string, line: string | undefined): string {
  const lines = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const index = lines.findIndex((each) => usernameIn(each) === username);
  if (index < 0) lines.push(...(line === undefined ? [] : [line]));
  else lines.splice(index, 1, ...(line === undefined ? [] : [line]));
  return lines.map((each) => `${each}\n`).join('');
}
