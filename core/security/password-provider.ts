/** Authenticates the users of a password file (main thread). */
import { createHmac, randomBytes } from 'node:crypto';
import type { ConnectingClient } from '../config/authentication.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import type { PasswordFile } from './password-file.ts';
import type { Decision, Provider } from './provider.ts';
import type { RememberedPasswords } from './remembered-passwords.ts';

export interface PasswordProviderOptions {
  users(): PasswordFile;
  readonly remembered: RememberedPasswords;
  /** Of core/security/password-pool.ts. */
  readonly pool: {
    readonly isFull: boolean;
    verify(hash: string, password: Uint8Array): Promise<boolean>;
  };
  /** There is no other provider for users that are not in the file. */
  readonly isLast: boolean;
}

const badPassword: Decision = { reasonCode: ReasonCode.badUserNameOrPassword };
const busy: Decision = { reasonCode: ReasonCode.serverBusy };
const none = new Uint8Array();

export class PasswordProvider implements Provider {
  readonly name = 'password';
  readonly #options: PasswordProviderOptions;
  readonly #key = randomBytes(32);

  constructor(options: PasswordProviderOptions) {
    this.#options = options;
  }

  decide({ username, password = none }: ConnectingClient): Decision | Promise<Decision> {
    const { users, remembered, isLast } = this.#options;
    if (username === undefined) return 'unknown';
    const hash = users().get(username);
    if (hash === undefined) return isLast ? this.#refuse(username, password) : 'unknown';
    if (remembered.has(username, hash, password)) return { username };
    return this.#verify(username, hash, password);
  }

  async #verify(username: string, hash: string, password: Uint8Array): Promise<Decision> {
    const { users, remembered, pool } = this.#options;
    if (pool.isFull) return busy;
    if (!(await pool.verify(hash, password))) return badPassword;
    if (users().get(username) !== hash) return badPassword; // the file has changed meanwhile
    remembered.add(username, hash, password);
    return { username };
  }

  /** An unknown user takes as long as a known one, so that user names cannot be found out. */
  async #refuse(username: string, password: Uint8Array): Promise<Decision> {
    const { users, pool } = this.#options;
    if (pool.isFull) return busy;
    const hashes = [...users().values()];
    const index = createHmac('sha256', this.#key).update(username).digest().readUInt32BE() % hashes.length;
    const hash = hashes[index]; // always the same one for the same name
    if (hash !== undefined) await pool.verify(hash, password);
    return badPassword;
  }
}
