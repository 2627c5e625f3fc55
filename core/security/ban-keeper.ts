/**
 * The bans of a broker (main thread): `broker.bans`, their file, and the listeners for new ones. The file is read again when it
 * changes, so `rallymq ban` needs no signal.
 */
import { existsSync, statSync } from 'node:fs';
import type { Limits } from '../config/limits.ts';
import type { Clock, Timer } from '../sessions/timers.ts';
import { readAccessFile } from './access-file.ts';
import { banFileText, parseBanFile } from './ban-file.ts';
import {
  type Ban,
  type BanCandidate,
  type BanKind,
  BanList,
  type BanOrigin,
  type BanRequest,
  canonicalOrSame,
} from './bans.ts';
import { replaceFile } from './replace-file.ts';

/** `broker.bans`: the banned addresses, users and clients. */
export interface Bans {
  /** The bans in force, including the broker's own. */
  list(): readonly Ban[];
  /**
   * Bans an address, a user or a client, and ends its connections with 0x98. The ban is written to the `banFile`, if there is one.
   * Errors: BAN_INVALID, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID; then nothing has changed.
   */
  add(request: BanRequest): Ban;
  /** False if there was no such ban. Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID; then it remains. */
  remove(kind: BanKind, value: string): boolean;
}

export interface BanKeeperOptions {
  /** Undefined: bans by hand are kept in memory. */
  readonly path: string | undefined;
  readonly limits: Pick<Limits, 'bansMax' | 'banMs'>;
  readonly clock: Clock;
  /** Wall-clock time. */
  nowMs(): number;
  /** New bans, together: looking for the clients that they concern takes time. */
  onBanned(bans: readonly Ban[]): void;
  onLifted(kind: BanKind, value: string): void;
  /** The file has changed and has a mistake: its previous content stays in force. */
  onFileFault(error: unknown): void;
}

/** A ban by hand that is no longer in force, and since when, in wall-clock time. */
export interface LiftedBan {
  readonly kind: BanKind;
  readonly value: string;
  readonly atMs: number;
}

const lookMs = 1_000;

export class BanKeeper implements Bans {
  readonly #options: BanKeeperOptions;
  readonly #bans: BanList;
  #seen = '';
  /** When somebody last changed the bans here; in a cluster this is not the time at which this node heard of others. */
  #changedAtMs = Number.NEGATIVE_INFINITY;
  /** By kind and value, oldest first. */
  readonly #lifted = new Map<string, LiftedBan>();
  #timer: Timer | undefined;

  constructor(options: BanKeeperOptions) {
    this.#options = options;
    this.#bans = new BanList({ nowMs: options.nowMs, bansMax: options.limits.bansMax });
  }

  list(): readonly Ban[] {
    return this.#bans.list();
  }

  add(request: BanRequest): Ban {
    this.#loadChanged();
    const before = this.#bans.list();
    const ban = this.#bans.add(request);
    this.#write(before);
    this.#changedAtMs = this.#options.nowMs();
    this.#onBanned([ban]);
    return ban;
  }

  /** The same for many; those that are in force already change nothing. Errors: as add(), then the others are in force. */
  addAll(requests: readonly BanRequest[]): void {
    this.#loadChanged();
    const before = this.#bans.list();
    const known = new Set(before.filter(({ origin }) => origin === 'hand').map(nameOf));
    const added: Ban[] = [];
    let fault: unknown;
    for (const request of requests.filter((each) => !known.has(nameOf(each)))) {
      try {
        added.push(this.#bans.add(request));
      } catch (error) {
        fault ??= error;
      }
    }
    if (added.length > 0) {
      this.#write(before);
      this.#onBanned(added);
    }
    if (fault !== undefined) throw fault;
  }

  remove(kind: BanKind, value: string): boolean {
    this.#loadChanged();
    const before = this.#bans.list();
    const isRemoved = this.#bans.remove(kind, value);
    if (!isRemoved) return false;
    this.#write(before);
    this.#noteLifted({ kind, value: canonicalOrSame(kind, value), atMs: this.#options.nowMs() });
    this.#options.onLifted(kind, value);
    return true;
  }

  /** The bans that were lifted since the start, here or elsewhere, and not set again: as many as there may be bans. */
  get lifted(): readonly LiftedBan[] {
    return [...this.#lifted.values()];
  }

  /**
   * Lifts bans that were lifted elsewhere while this broker did not hear of it, unless somebody has changed the bans here since:
   * then these are wanted. Errors: as remove().
   */
  liftAll(lifted: readonly LiftedBan[]): void {
    this.#loadChanged();
    const before = this.#bans.list();
    const removed: LiftedBan[] = [];
    for (const each of lifted) {
      if (each.atMs < this.#changedAtMs && before.some((ban) => keyOf(ban) === keyOf(each))) continue;
      this.#noteLifted(each);
      if (this.#bans.remove(each.kind, each.value)) removed.push(each);
    }
    if (removed.length > 0) this.#write(before);
    for (const { kind, value } of removed) this.#options.onLifted(kind, value);
  }

  #noteLifted(ban: LiftedBan): void {
    const key = keyOf(ban);
    this.#lifted.delete(key);
    this.#lifted.set(key, ban);
    const [oldest] = this.#lifted.keys();
    if (this.#lifted.size > this.#options.limits.bansMax && oldest !== undefined) this.#lifted.delete(oldest);
  }

  #onBanned(bans: readonly Ban[]): void {
    for (const ban of bans) this.#lifted.delete(keyOf(ban));
    this.#options.onBanned(bans);
  }

  /** A temporary ban by the broker itself. Connected clients stay connected. */
  addOwn(kind: BanKind, value: string, origin: Exclude<BanOrigin, 'hand'>): void {
    const { limits, nowMs, onBanned } = this.#options;
    const { banMs } = limits; // for the broker's own bans
    if (banMs === 0) return;
    onBanned([this.#bans.add({ kind, value, expiresAt: new Date(nowMs() + banMs) }, origin)]);
  }

  find(candidate: BanCandidate): Ban | undefined {
    return this.#bans.find(candidate);
  }

  /**
   * Reads the file, and again whenever it changes: from now on it is checked every second. Called again when a node joins
   * its cluster anew: then nothing changes. Errors: those of load().
   */
  open(): void {
    if (this.#timer !== undefined) return;
    this.load();
    this.#watch();
  }

  /** Reads the file, which may be missing. Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID, BAN_INVALID. */
  load(): void {
    const { path } = this.#options;
    if (path === undefined) return;
    this.#seen = stampOf(path);
    const before = new Set(this.#bans.list().map(nameOf));
    this.#bans.replaceByHand(existsSync(path) ? parseBanFile(readAccessFile(path), path) : []);
    const added = this.#bans.list().filter((ban) => !before.has(nameOf(ban)));
    this.#changedAtMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? this.#changedAtMs;
    if (added.length > 0) this.#onBanned(added);
  }

  #watch(): void {
    if (this.#options.path === undefined) return;
    this.#timer = this.#options.clock.after(lookMs, () => {
      this.#look();
      this.#watch();
    });
  }

  close(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    try {
      this.#loadChanged();
    } catch (error) {
      this.#options.onFileFault(error);
    }
  }

  /** Also before the file is written, since what somebody else has just changed must not be lost. Errors: those of load(). */
  #loadChanged(): void {
    const { path } = this.#options;
    if (path !== undefined && stampOf(path) !== this.#seen) this.load();
  }

  /** If that fails, the previous bans are restored. */
  #write(before: readonly Ban[]): void {
    const { path } = this.#options;
    if (path === undefined) return;
    try {
      replaceFile(path, banFileText(this.#bans.list()));
    } catch (error) {
      this.#bans.restore(before);
      throw error;
    }
    this.#seen = stampOf(path);
  }
}

function keyOf({ kind, value }: Pick<Ban, 'kind' | 'value'>): string {
  return `${kind} ${value}`;
}

function nameOf({ kind, value, expiresAt }: Ban | BanRequest): string {
  return `${kind} ${value} ${expiresAt?.getTime() ?? ''}`;
}

/** Changes with the file. */
function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeMs}`;
}
