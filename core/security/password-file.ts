/** mosquitto's password file: `name:hash` in each line. */
import { accessFileFault, linesOf } from './access-file.ts';
import { hashFault } from './password-hash-format.ts';

/** The hash of each user. */
export type PasswordFile = ReadonlyMap<string, string>;

/**
 * `path` is for errors. They never show a hash, and so no user name either: in a damaged line it may be a piece of one.
 * Errors: ACCESS_FILE_INVALID.
 */
export function parsePasswordFile(text: string, path: string): PasswordFile {
  const users = new Map<string, string>();
  for (const { number, text: line } of linesOf(text)) {
    const colon = line.indexOf(':');
    const username = usernameIn(line);
    if (username === '')
      throw accessFileFault(path, number, 1, "give a user name, ':' and the hash of the password.");
    const hash = line.slice(colon + 1).trim();
    if (users.has(username)) throw accessFileFault(path, number, 1, 'this user name is already in the file.');
    const fault = hashFault(hash);
    if (fault !== undefined)
      throw accessFileFault(path, number, colon + 2, `what follows the user name ${fault}.`);
    users.set(username, hash);
  }
  return users;
}

/** The user name in a line of the file, as mosquitto reads it; empty if there is none. */
export function usernameIn(line: string): string {
  return line.slice(0, Math.max(0, line.indexOf(':'))).trim();
}

/** Users of `before` who were removed or whose password has changed. */
export function changedUsers(before: PasswordFile, after: PasswordFile): Set<string> {
  return new Set([...before.keys()].filter((username) => after.get(username) !== before.get(username)));
}
