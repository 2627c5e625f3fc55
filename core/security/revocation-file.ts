/**
 * Tokens that are revoked before they expire.
 *
 *     token 4f1c...                  by its `jti`
 *     user lee                       all tokens of a user
 *     user kim 2026-11-28T09:00:00Z  those issued before
 */

import type { Identity } from './access.ts';
import { accessFileFault, linesOf } from './access-file.ts';

export class RevocationFile {
  readonly #tokens = new Set<string>();
  /** The time up to which tokens are revoked, in seconds. */
  readonly #users = new Map<string, number>();

  /** `path` is for errors. Errors: ACCESS_FILE_INVALID. */
  static parse(text: string, path: string): RevocationFile {
    const file = new RevocationFile();
    for (const { number, text: line } of linesOf(text)) {
      const [kind, name, time, ...more] = line.trim().split(/\s+/);
      const isKnown = (kind === 'token' && time === undefined) || kind === 'user';
      if (!isKnown || name === undefined || more.length > 0)
        throw accessFileFault(path, number, 1, "give 'token ID', 'user NAME' or 'user NAME TIME'.");
      if (kind === 'token') file.#tokens.add(name);
      else file.#users.set(name, Math.max(file.#users.get(name) ?? 0, secondsOf(time, path, number, line)));
    }
    return file;
  }

  /** Whether it revokes the credentials of a client. Only tokens have an issue time. */
  has({ username, tokenId, issuedAt }: Identity): boolean {
    if (tokenId !== undefined && this.#tokens.has(tokenId)) return true;
    const before = username === undefined ? undefined : this.#users.get(username);
    return before !== undefined && issuedAt !== undefined && issuedAt < before;
  }
}

function secondsOf(time: string | undefined, path: string, number: number, line: string): number {
  if (time === undefined) return Number.POSITIVE_INFINITY;
  const seconds = Date.parse(time) / 1_000;
  if (!Number.isNaN(seconds) && /^\d{4}-/.test(time)) return seconds;
  throw accessFileFault(
    path,
    number,
    line.indexOf(time) + 1,
    `'${time}' is not a time such as 2026-11-28T09:00:00Z.`,
  );
}
