/**
 * Bans, temporary or permanent (main thread), of addresses and networks, user names and client identifiers. They are set by hand,
 * in a file or by a program; and by the broker itself, after repeated failed logins or when a client reconnects
 * endlessly.
 */
import { BrokerError } from '../broker-error.ts';
import { addressKey, canonicalNetwork, networkText, numericAddressOf } from './address-key.ts';

export const banKinds = ['address', 'username', 'clientId'] as const;
export type BanKind = (typeof banKinds)[number];

/** `hand`: in the file or by a program; otherwise why the broker has set it. */
export type BanOrigin = 'hand' | 'failedLogins' | 'flapping';

export interface Ban {
  readonly kind: BanKind;
  /** For an address: the address, or a network such as '203.0.113.0/24'; for an IPv6 address banned by the broker, its /64. */
  readonly value: string;
  readonly origin: BanOrigin;
  /** The given reason; may be empty. */
  readonly reason: string;
  /** Undefined: the ban does not expire. */
  readonly expiresAt: Date | undefined;
}

/** The argument of `broker.bans.add()`. */
export interface BanRequest {
  readonly kind: BanKind;
  readonly value: string;
  /** Default: the ban does not expire. */
  readonly expiresAt?: Date;
  readonly reason?: string;
}

/** The client that bans are compared with. */
export interface BanCandidate {
  readonly remoteAddress: string;
  readonly clientId: string;
  readonly username?: string | undefined;
}

export interface BanListOptions {
  /** Wall-clock time. */
  nowMs(): number;
  readonly bansMax: number;
}

export class BanList {
  readonly #options: BanListOptions;
  /** By kind and value, oldest first. */
  readonly #bans = new Map<string, Ban>();
  /**
   * The prefixes of banned networks for which addressKey() gives another text, and the number of bans with each, by the bits of
   * an address: a client's address is looked up once for each prefix, however many networks are banned.
   */
  #prefixes = { 32: new Map<number, number>(), 128: new Map<number, number>() };

  constructor(options: BanListOptions) {
    this.#options = options;
  }

  /** The bans in force. */
  list(): Ban[] {
    for (const ban of this.#bans.values()) if (this.#isOver(ban)) this.#delete(ban);
    return [...this.#bans.values()];
  }

  /** Replaces a ban of the same value. Errors: BAN_INVALID. */
  add(request: BanRequest, origin: BanOrigin = 'hand'): Ban {
    const { kind, expiresAt, reason = '' } = request;
    const ban: Ban = { kind, value: canonicalValue(request), origin, reason, expiresAt };
    const known = this.#bans.get(keyOf(ban));
    if (known?.origin === 'hand' && origin !== 'hand' && !this.#isOver(known)) return known;
    if (known !== undefined) this.#delete(known);
    if (!this.#makesRoom()) {
      if (origin !== 'hand') return ban;
      throw tooMany();
    }
    this.#set(ban);
    return ban;
  }

  /** Replaces all bans by the result of an earlier list(). */
  restore(bans: readonly Ban[]): void {
    this.#bans.clear();
    this.#prefixes = { 32: new Map(), 128: new Map() };
    for (const ban of bans) this.#set(ban);
  }

  /** False if there was no such ban. */
  remove(kind: BanKind, value: string): boolean {
    const ban = this.#bans.get(keyOf({ kind, value: canonicalOrSame(kind, value) }));
    if (ban === undefined) return false;
    this.#delete(ban);
    return !this.#isOver(ban);
  }

  /** Replaces all bans by hand. Errors: BAN_INVALID; then nothing has changed. */
  replaceByHand(requests: readonly BanRequest[]): void {
    const nowMs = this.#options.nowMs();
    const inForce = requests.filter(
      ({ expiresAt }) => expiresAt === undefined || expiresAt.getTime() > nowMs,
    );
    const keys = new Set(inForce.map((each) => keyOf({ kind: each.kind, value: canonicalValue(each) })));
    if (keys.size > this.#options.bansMax) throw tooMany();
    for (const ban of this.#bans.values()) if (ban.origin === 'hand') this.#delete(ban);
    for (const request of inForce) this.add(request);
  }

  /** The ban that applies to a client; undefined if there is none. */
  find({ remoteAddress, clientId, username }: BanCandidate): Ban | undefined {
    if (this.#bans.size === 0) return undefined;
    return (
      this.#get('address', addressKey(remoteAddress)) ??
      this.#get('clientId', clientId) ??
      (username === undefined ? undefined : this.#get('username', username)) ??
      this.#networkBan(remoteAddress)
    );
  }

  #set(ban: Ban): void {
    this.#bans.set(keyOf(ban), ban);
    this.#countPrefix(ban, 1);
  }

  #countPrefix({ kind, value }: Ban, step: 1 | -1): void {
    if (kind !== 'address' || !value.includes('/') || value.endsWith('::/64')) return;
    const prefixes = this.#prefixes[value.includes(':') ? 128 : 32];
    const prefix = Number(value.slice(value.indexOf('/') + 1));
    const count = (prefixes.get(prefix) ?? 0) + step;
    if (count > 0) prefixes.set(prefix, count);
    else prefixes.delete(prefix);
  }

  #get(kind: BanKind, value: string): Ban | undefined {
    const ban = this.#bans.get(keyOf({ kind, value }));
    if (ban === undefined || !this.#isOver(ban)) return ban;
    this.#delete(ban);
    return undefined;
  }

  #networkBan(address: string): Ban | undefined {
    const numeric = numericAddressOf(address);
    if (numeric === undefined) return undefined;
    for (const prefix of this.#prefixes[numeric.bits].keys()) {
      const ban = this.#get('address', networkText(numeric, prefix));
      if (ban !== undefined) return ban;
    }
    return undefined;
  }

  /** If there are too many, the broker's own oldest ban is removed, since anyone can cause those. False: all are by hand. */
  #makesRoom(): boolean {
    if (this.#bans.size < this.#options.bansMax) return true;
    const oldest = this.list().find((ban) => ban.origin !== 'hand');
    if (oldest !== undefined) this.#delete(oldest);
    return this.#bans.size < this.#options.bansMax;
  }

  #isOver({ expiresAt }: Ban): boolean {
    return expiresAt !== undefined && expiresAt.getTime() <= this.#options.nowMs();
  }

  #delete(ban: Ban): void {
    if (this.#bans.delete(keyOf(ban))) this.#countPrefix(ban, -1);
  }
}

function tooMany(): BrokerError {
  return new BrokerError('BAN_INVALID', 'The number of bans has reached bansMax: remove some, or raise it.');
}

function keyOf({ kind, value }: Pick<Ban, 'kind' | 'value'>): string {
  return `${kind} ${value}`;
}

/** Errors: BAN_INVALID. */
function canonicalValue({ kind, value, expiresAt, reason }: BanRequest): string {
  const isText = typeof value === 'string' && value !== '' && value.length <= valueLengthMax;
  if (!banKinds.includes(kind) || !isText)
    throw new BrokerError('BAN_INVALID', `A ban needs a kind (${banKinds.join(', ')}) and a value.`);
  if (expiresAt !== undefined && !(expiresAt instanceof Date && Number.isFinite(expiresAt.getTime())))
    throw new BrokerError('BAN_INVALID', 'The end of a ban must be a time: give expiresAt a valid Date.');
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > valueLengthMax))
    throw new BrokerError(
      'BAN_INVALID',
      `The reason of a ban must have at most ${valueLengthMax} characters.`,
    );
  const canonical = kind === 'address' ? canonicalNetwork(value) : value;
  if (canonical !== undefined) return canonical;
  throw new BrokerError(
    'BAN_INVALID',
    `'${value}' is not an address: give one such as 203.0.113.7, or 203.0.113.0/24.`,
  );
}

const valueLengthMax = 65_535;

/** As a ban of it has it. */
export function canonicalOrSame(kind: BanKind, value: string): string {
  return kind === 'address' ? (canonicalNetwork(value) ?? value) : value;
}
