/**
 * Passwords that were recently verified, so that a client that reconnects need not be verified again. Only a keyed hash is
 * kept, and the key never leaves this process. Another hash in the password file makes another entry.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../sessions/timers.ts';

export interface RememberedPasswordsOptions {
  readonly clock: Clock;
  /** 0: nothing is remembered. */
  readonly keptMs: number;
  readonly entriesMax: number;
}

export class RememberedPasswords {
  readonly #options: RememberedPasswordsOptions;
  readonly #key = randomBytes(32);
  /** When each expires, oldest first. */
  readonly #entries = new Map<string, number>();

  constructor(options: RememberedPasswordsOptions) {
    this.#options = options;
  }

  has(username: string, hash: string, password: Uint8Array): boolean {
    if (this.#entries.size === 0) return false;
    const endsMs = this.#entries.get(this.#nameOf(username, hash, password));
    return endsMs !== undefined && endsMs > this.#options.clock.nowMs();
  }

  add(username: string, hash: string, password: Uint8Array): void {
    const { keptMs, entriesMax, clock } = this.#options;
    if (keptMs === 0) return;
    const name = this.#nameOf(username, hash, password);
    this.#entries.delete(name);
    this.#entries.set(name, clock.nowMs() + keptMs);
    for (const [oldest, endsMs] of this.#entries) {
      if (this.#entries.size <= entriesMax && endsMs > clock.nowMs()) break;
      this.#entries.delete(oldest);
    }
  }

  #nameOf(username: string, hash: string, password: Uint8Array): string {
    const hmac = createHmac('sha256', this.#key);
    for (const part of [Buffer.from(username), Buffer.from(hash), password]) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      hmac.update(length).update(part);
    }
    return hmac.digest('base64');
  }
}
