/**
 * Sessions that were restored at startup and not used since (main thread): columns instead of an object for
 * each, since a store may have a million of them. The session directory makes a record of one when it is needed, and
 * takes it from here.
 *
 *   place     of a session: they are in the order of their keys
 *   columns   key, worker, stamp, client identifier       as in the store
 *             when it left, when it ends, when its will is due: reported by its worker
 *   table     hash of a client identifier -> place + 1
 *
 *   lost  --its worker has reported its state-->  resting  --take()-->  taken
 *      \<--the worker has ended-----------------/
 */
import { randomBytes } from 'node:crypto';
import type { RecoveredSessions } from '../data-plane/addon.ts';
import { HalfSipHash } from './half-sip-hash.ts';

const never = Number.POSITIVE_INFINITY;
const states = { lost: 0, resting: 1, taken: 2 } as const;

export interface RestingSession {
  readonly key: number;
  readonly worker: number;
  readonly clientId: string;
  /** In a cluster: RecoveredSessions. */
  readonly stamp: number;
  /** Its worker has not reported its state: nothing else is known. */
  readonly isLost: boolean;
  /** When it left, on the clock, in whole milliseconds. */
  readonly sinceSeconds: number;
  /** When it ends and when its will is due, on the clock; undefined: never. */
  readonly expiresAtMs: number | undefined;
  readonly willAtMs: number | undefined;
}

export class RestingSessions {
  readonly #sessions: RecoveredSessions;
  readonly #clientIds: Buffer;
  readonly #states: Uint8Array;
  readonly #sinceSeconds: Int32Array;
  readonly #expiresAtMs: Float64Array;
  /** Undefined: none has a will. */
  #willAtMs: Float64Array | undefined;
  readonly #k0 = randomBytes(4).readInt32LE();
  readonly #k1 = randomBytes(4).readInt32LE();
  readonly #table: Uint32Array;
  #size: number;

  constructor(sessions: RecoveredSessions) {
    const count = sessions.keys.length;
    const { buffer, byteOffset, byteLength } = sessions.clientIds;
    this.#sessions = sessions;
    this.#clientIds = Buffer.from(buffer, byteOffset, byteLength);
    this.#states = new Uint8Array(count);
    this.#sinceSeconds = new Int32Array(count);
    this.#expiresAtMs = new Float64Array(count);
    this.#table = new Uint32Array(count === 0 ? 0 : 2 ** Math.ceil(Math.log2(2 * count)));
    this.#size = count;
    for (let place = 0; place < count; place++) this.#table[this.#freeSlotFor(place)] = place + 1;
  }

  /** The sessions that are still here. */
  get size(): number {
    return this.#size;
  }
  /** The number of sessions at startup: places are below it. */
  get places(): number {
    return this.#states.length;
  }
  isHere(place: number): boolean {
    return this.#states[place] !== states.taken;
  }
  keyOf(place: number): number {
    return this.#sessions.keys[place] ?? 0;
  }
  workerOf(place: number): number {
    return this.#sessions.workers[place] ?? 0;
  }
  clientIdOf(place: number): string {
    return this.#clientIds.toString('utf8', this.#startOf(place), this.#endOf(place));
  }
  stampOf(place: number): number {
    return this.#sessions.stamps[place] ?? 0;
  }
  at(place: number): RestingSession {
    return {
      key: this.keyOf(place),
      worker: this.workerOf(place),
      clientId: this.clientIdOf(place),
      stamp: this.stampOf(place),
      isLost: this.#states[place] === states.lost,
      sinceSeconds: this.#sinceSeconds[place] ?? 0,
      expiresAtMs: orNever(this.#expiresAtMs[place]),
      willAtMs: orNever(this.#willAt(place)),
    };
  }

  /** The place of a session that is still here; undefined: there is none. */
  find(clientId: string): number | undefined {
    if (this.#size === 0) return undefined;
    const bytes = Buffer.from(clientId);
    const mask = this.#table.length - 1;
    let slot = this.#hashOf(bytes, 0, bytes.length) & mask;
    for (;;) {
      const place = (this.#table[slot] ?? 0) - 1;
      if (place < 0) return undefined;
      const isMeant =
        this.isHere(place) &&
        this.#clientIds.compare(bytes, 0, bytes.length, this.#startOf(place), this.#endOf(place)) === 0;
      if (isMeant) return place;
      slot = (slot + 1) & mask;
    }
  }
  findKey(key: number): number | undefined {
    const place = this.firstFrom(key);
    return this.#sessions.keys[place] === key && this.isHere(place) ? place : undefined;
  }
  /** Whether it is here, or was. */
  hadKey(key: number): boolean {
    return this.#sessions.keys[this.firstFrom(key)] === key;
  }
  /** The first place whose key is not smaller. */
  firstFrom(key: number): number {
    const { keys } = this.#sessions;
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] ?? 0) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The places of the sessions that are still here. */
  *here(): Iterable<number> {
    for (let place = 0; place < this.places; place++) if (this.isHere(place)) yield place;
  }
  /** Of those whose workers have reported their state. */
  *resting(): Iterable<number> {
    for (let place = 0; place < this.places; place++) if (this.#states[place] === states.resting) yield place;
  }
  /** Of those of a worker that has not. */
  *lostWith(worker: number): Iterable<number> {
    for (let place = 0; place < this.places; place++)
      if (this.#states[place] === states.lost && this.#sessions.workers[place] === worker) yield place;
  }

  /** Its worker has reported its state; times are on the clock, undefined: never. */
  rest(place: number, leftAtMs: number, expiresAtMs: number | undefined, willAtMs: number | undefined): void {
    this.#states[place] = states.resting;
    this.#sinceSeconds[place] = Math.floor(leftAtMs / 1_000);
    this.#expiresAtMs[place] = expiresAtMs ?? never;
    if (willAtMs !== undefined) this.#willAtMs ??= new Float64Array(this.places).fill(never);
    if (this.#willAtMs !== undefined) this.#willAtMs[place] = willAtMs ?? never;
  }
  workerLost(worker: number): void {
    for (const place of this.resting())
      if (this.#sessions.workers[place] === worker) this.#states[place] = states.lost;
  }
  /** From now on it is elsewhere. */
  take(place: number): void {
    this.#states[place] = states.taken;
    this.#size--;
  }

  /** The places of at most `most` sessions that are due by then, and when the next one is due; Infinity: never. */
  dueUntil(untilMs: number, most: number): { readonly places: readonly number[]; readonly nextMs: number } {
    const places: number[] = [];
    let nextMs = never;
    for (let place = 0; place < this.places; place++) {
      if (this.#states[place] !== states.resting) continue;
      const dueAtMs = Math.min(this.#expiresAtMs[place] ?? 0, this.#willAt(place));
      if (dueAtMs <= untilMs && places.length < most) places.push(place);
      else if (dueAtMs < nextMs) nextMs = dueAtMs;
    }
    return { places, nextMs };
  }

  #willAt(place: number): number {
    return this.#willAtMs?.[place] ?? never;
  }
  #startOf(place: number): number {
    return place === 0 ? 0 : this.#endOf(place - 1);
  }
  #endOf(place: number): number {
    return this.#sessions.ends[place] ?? 0;
  }
  #freeSlotFor(place: number): number {
    const mask = this.#table.length - 1;
    let slot = this.#hashOf(this.#clientIds, this.#startOf(place), this.#endOf(place)) & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    return slot;
  }
  /** HalfSipHash-1-3. */
  #hashOf(bytes: Buffer, start: number, end: number): number {
    const hash = new HalfSipHash(this.#k0, this.#k1, 1);
    let at = start;
    for (; at + 4 <= end; at += 4) hash.takeWord(bytes.readInt32LE(at));
    let last = (end - start) << 24;
    for (let shift = 0; at < end; at++, shift += 8) last |= (bytes[at] ?? 0) << shift;
    hash.takeWord(last);
    return hash.end(3);
  }
}

function orNever(atMs: number | undefined): number | undefined {
  return atMs === never ? undefined : atMs;
}
