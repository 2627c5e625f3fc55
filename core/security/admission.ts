/**
 * Admits clients, apart from their credentials (main thread): bans, the number of connections of an address and a user, the rate
 * of CONNECTs, and whether the broker has room.
 *
 *   CONNECT -> refusalOf() -> authentication -> failed(): delayed, or banned
 *                                            -> refusalOfUser() -> connected() ... disconnected()
 */
import type { Limits } from '../config/limits.ts';
import type { ClientInfo } from '../sessions/session-record.ts';
import type { Clock } from '../sessions/timers.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { addressKey, isCountedByAddress } from './address-key.ts';
import type { BanCandidate, BanKind, BanOrigin } from './bans.ts';
import { ConnectRates } from './connect-rates.ts';
import { FailedLogins, type LoginAttempt } from './failed-logins.ts';
import { RecentCounts } from './recent-counts.ts';

export interface AdmissionOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly bans: {
    find(candidate: BanCandidate): unknown;
    addOwn(kind: BanKind, value: string, origin: Exclude<BanOrigin, 'hand'>): void;
  };
  /** The broker is overloaded, so it accepts no new clients. */
  isOverloaded(): boolean;
  /** The client that is connected with an identifier, which a new connection replaces. */
  connected(clientId: string): ClientInfo | undefined;
}

const flappingWindowMs = 60_000;

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #rates: ConnectRates;
  readonly #failures: FailedLogins;
  readonly #arrivals: RecentCounts;
  /** Connections by address, and by user name; empty without a limit. */
  readonly #byAddress = new Map<string, number>();
  readonly #byUsername = new Map<string, number>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { clock, limits, bans } = options;
    this.#rates = new ConnectRates({ clock, limits });
    this.#failures = new FailedLogins({
      clock,
      limits,
      ban: (kind, value) => bans.addOwn(kind, value, 'failedLogins'),
    });
    this.#arrivals = new RecentCounts({
      clock,
      windowMs: flappingWindowMs,
      namesMax: limits.trackedNamesMax,
    });
  }

  /** Why a client is refused before it is authenticated; undefined if it is not refused. */
  refusalOf(client: LoginAttempt): number | undefined {
    const { bans, isOverloaded } = this.#options;
    if (bans.find(client) !== undefined) return ReasonCode.banned;
    if (isOverloaded()) return ReasonCode.serverBusy;
    if (!this.#rates.take(client.remoteAddress)) return ReasonCode.connectionRateExceeded;
    return this.#isAddressFull(client) ? ReasonCode.quotaExceeded : undefined;
  }

  #isAddressFull({ clientId, remoteAddress }: LoginAttempt): boolean {
    const { connectionsPerAddressMax } = this.#options.limits;
    if (connectionsPerAddressMax === 0 || !isCountedByAddress(remoteAddress)) return false;
    const before = this.#options.connected(clientId);
    const address = addressKey(remoteAddress);
    const others = countOf(this.#byAddress, address, before && addressKey(before.remoteAddress));
    return others >= connectionsPerAddressMax;
  }

  /**
   * The same for an authenticated client, with its verified user name: meanwhile it may have been banned, and others of its
   * address may have connected.
   */
  refusalOfUser(client: LoginAttempt): number | undefined {
    const { bans, limits } = this.#options;
    const { username, clientId } = client;
    if (bans.find(client) !== undefined) return ReasonCode.banned;
    if (this.#isAddressFull(client)) return ReasonCode.quotaExceeded;
    if (username === undefined) return undefined;
    const before = this.#options.connected(clientId)?.username;
    const { connectionsPerUserMax } = limits;
    const isFull =
      connectionsPerUserMax > 0 && countOf(this.#byUsername, username, before) >= connectionsPerUserMax;
    return isFull ? ReasonCode.quotaExceeded : undefined;
  }

  /** The same for a caller over HTTP, which has no connection that counts. */
  isBanned(client: LoginAttempt): boolean {
    return this.#options.bans.find(client) !== undefined;
  }

  /** A client has failed to authenticate. Returns the delay of its refusal, in milliseconds. */
  failed(client: LoginAttempt): number {
    return this.#failures.add(client);
  }

  connected(client: ClientInfo): void {
    const { limits, bans } = this.#options;
    this.#count(client, 1);
    const { connectsPerMinutePerClientMax } = limits;
    if (connectsPerMinutePerClientMax === 0) return;
    if (this.#arrivals.add(client.clientId) < connectsPerMinutePerClientMax) return;
    this.#arrivals.forget(client.clientId);
    bans.addOwn('clientId', client.clientId, 'flapping');
  }

  disconnected(client: ClientInfo): void {
    this.#count(client, -1);
  }

  /** The limits of connections have changed. Without a limit, connections were not counted. */
  recount(connected: Iterable<ClientInfo>): void {
    this.#byAddress.clear();
    this.#byUsername.clear();
    for (const client of connected) this.#count(client, 1);
  }

  #count({ remoteAddress, username }: ClientInfo, step: 1 | -1): void {
    const { connectionsPerAddressMax, connectionsPerUserMax } = this.#options.limits;
    if (connectionsPerAddressMax > 0 && isCountedByAddress(remoteAddress))
      add(this.#byAddress, addressKey(remoteAddress), step);
    if (connectionsPerUserMax > 0 && username !== undefined) add(this.#byUsername, username, step);
  }
}

function add(counts: Map<string, number>, name: string, step: 1 | -1): void {
  const count = (counts.get(name) ?? 0) + step;
  if (count > 0) counts.set(name, count);
  else counts.delete(name);
}

/** Without the connection that is about to be replaced. */
function countOf(counts: ReadonlyMap<string, number>, name: string, leaving: string | undefined): number {
  return (counts.get(name) ?? 0) - (leaving === name ? 1 : 0);
}
