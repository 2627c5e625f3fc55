/**
 * Slows down repeated failed logins: each refusal is delayed more than the one before, and finally the address, the user name or
 * the client identifier is banned.
 */
import type { Limits } from '../config/limits.ts';
import type { Clock } from '../sessions/timers.ts';
import { addressKey, isOwnMachine } from './address-key.ts';
import type { BanKind } from './bans.ts';
import { RecentCounts } from './recent-counts.ts';

export interface FailedLoginsOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  ban(kind: BanKind, value: string): void;
}

/** The client that has failed. */
export interface LoginAttempt {
  readonly remoteAddress: string;
  /** Empty over HTTP, where there is none. */
  readonly clientId: string;
  readonly username?: string | undefined;
}

/** The first failures are free: people mistype. */
const freeFailures = 3;
const firstDelayMs = 100;

export class FailedLogins {
  readonly #options: FailedLoginsOptions;
  readonly #byAddress: RecentCounts;
  readonly #byUsername: RecentCounts;
  readonly #byClientId: RecentCounts;

  constructor(options: FailedLoginsOptions) {
    this.#options = options;
    const { clock, limits } = options;
    const counts = { clock, windowMs: limits.failedLoginsWindowMs, namesMax: limits.trackedNamesMax };
    this.#byAddress = new RecentCounts(counts);
    this.#byUsername = new RecentCounts(counts);
    this.#byClientId = new RecentCounts(counts);
  }

  /** The delay of the refusal, in milliseconds. */
  add({ remoteAddress, clientId, username }: LoginAttempt): number {
    const { failedLoginsPerAddressMax, failedLoginsPerNameMax, failedLoginDelayMsMax } = this.#options.limits;
    const address = addressKey(remoteAddress);
    // A proxy on this machine that is not in trustedProxies represents all its clients: it is slowed down, not banned.
    const perAddressMax = isOwnMachine(remoteAddress) ? 0 : failedLoginsPerAddressMax;
    const counts = [this.#count(this.#byAddress, 'address', address, perAddressMax)];
    if (clientId !== '')
      counts.push(this.#count(this.#byClientId, 'clientId', clientId, failedLoginsPerNameMax));
    if (username !== undefined)
      counts.push(this.#count(this.#byUsername, 'username', username, failedLoginsPerNameMax));
    const beyond = Math.max(...counts) - freeFailures;
    return beyond <= 0 ? 0 : Math.min(failedLoginDelayMsMax, firstDelayMs * 2 ** Math.min(beyond - 1, 20));
  }

  /**
   * An empty user name cannot be banned: its failures are only slowed down. Behind a ban the count begins anew, or whoever
   * goes on after it would not be banned again.
   */
  #count(counts: RecentCounts, kind: BanKind, value: string, max: number): number {
    const count = counts.add(value);
    if (max === 0 || count < max || value === '') return count;
    counts.forget(value);
    this.#options.ban(kind, value);
    return count;
  }
}
