/**
 * Stores the second copy of this node's log: chunk after chunk, each behind the previous one. Stored chunks are
 * committed (native/log/replica.h).
 *
 *   replica.take() --> window [ chunk | chunk | chunk ] --append behind the one before--> stream
 *                      stored(n) <-- in order
 *
 * Many are in transit at once. When one is refused or not answered, the replicator waits for the others, asks the
 * stream how far it got, and appends the missing ones again. A node that finds another node's chunk there has been
 * deposed. The answer may be outdated: a leader that has just been elected does not know everything that is stored yet.
 */
import { randomUUID } from 'node:crypto';
import type { Replica } from '../data-plane/addon.ts';
import type { Clock } from '../sessions/timers.ts';
import { type Appended, type ChunkPlace, type Found, ownerOf } from './log-streams.ts';

/** The stream of this node's log. */
export interface LogStream {
  /** Its last chunk. Rejects: it cannot be reached. */
  find(): Promise<Found>;
  append(chunk: Uint8Array, place: ChunkPlace): Promise<Appended>;
  dropBefore(sequence: number): Promise<void>;
  /** Of its first chunk; if there is none, of the next one. Rejects: it cannot be reached. */
  firstSequence(): Promise<number>;
}

export interface ReplicatorOptions {
  readonly replica: Pick<Replica, 'take' | 'stored' | 'figures' | 'wantCheckpoint'>;
  readonly stream: LogStream;
  readonly clock: Clock;
  /** The sequence of the last chunk already there; 0: none. */
  readonly base: number;
  /** Another node has taken over the stream, or it no longer exists: nothing is stored from now on. */
  onDeposed(): void;
  /** The stream has lost chunks that are needed: until a checkpoint repeats them, nobody can take over the log. */
  onBeginningLost(): void;
}

/** In transit at once; more is not faster. */
const windowBytesMax = 1_048_576;
const windowChunksMax = 64;
const retryMs = 250;
/** So often a stream with less than was stored, or none, is asked again: after that, it has lost it. */
const outdatedMax = 20;
const dropMs = 1_000;
/** Between two looks at where the stream begins. */
const lookMs = 5_000;

interface Pending {
  readonly chunk: Uint8Array;
  isStored: boolean;
}

export class Replicator {
  readonly #options: ReplicatorOptions;
  /** Another run may begin at the same base: JetStream would take its chunks for those of this one. */
  readonly #run = randomUUID();
  /** Taken, but not known to be stored together with all previous ones. */
  readonly #window: Pending[] = [];
  #windowBytes = 0;
  #stored = 0;
  /** The sequence behind which this run begins. */
  #base: number;
  #underWay = 0;
  #isBroken = false;
  /** How much was stored when the missing ones were last appended again. */
  #storedBefore = -1;
  /** How often, one after the other, the stream had less than was stored. */
  #outdated = 0;
  #isOver = false;
  #dropped = 0;
  /** The sequence from which on everything is needed. */
  #needed: number | undefined;
  #hasLostBeginning = false;
  #resent = 0;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
    this.#base = options.base;
  }

  get resent(): number {
    return this.#resent;
  }

  /** There is a chunk, or may be. */
  pump(): void {
    while (!this.#isBroken && !this.#isOver && this.#hasRoom()) {
      const chunk = this.#options.replica.take();
      if (chunk === undefined) return;
      const pending: Pending = { chunk, isStored: false };
      this.#window.push(pending);
      this.#windowBytes += chunk.length;
      this.#append(pending, this.#stored + this.#window.length - 1);
    }
  }

  /** Also drops, now and then, chunks that a checkpoint has made superfluous. */
  start(): void {
    this.pump();
    this.#dropLater();
    this.#lookLater(0);
  }
  stop(): void {
    this.#isOver = true;
  }

  #hasRoom(): boolean {
    return this.#windowBytes < windowBytesMax && this.#window.length < windowChunksMax;
  }

  #append(pending: Pending, number: number): void {
    this.#underWay++;
    const { stream } = this.#options;
    const place: ChunkPlace = {
      behind: this.#base + number,
      name: this.#nameOf(number),
      nameBefore: number === 0 ? undefined : this.#nameOf(number - 1),
    };
    void stream.append(pending.chunk, place).then((appended) => {
      this.#underWay--;
      if (appended === 'stored') pending.isStored = true;
      else this.#isBroken = true;
      this.#advance();
      if (!this.#isBroken) this.pump();
      else if (this.#underWay === 0) this.#recoverSoon();
    });
  }

  #nameOf(number: number): string {
    return `${this.#run}-${number}`;
  }

  #advance(): void {
    let count = 0;
    while (this.#window[count]?.isStored === true) count++;
    this.#settle(count);
  }

  #settle(count: number): void {
    if (count === 0 || this.#isOver) return;
    for (const { chunk } of this.#window.splice(0, count)) this.#windowBytes -= chunk.length;
    this.#stored += count;
    this.#options.replica.stored(this.#stored);
  }

  /** A stream that stores nothing, since JetStream is full or has no leader, is not asked all the time. */
  #recoverSoon(): void {
    if (this.#stored > this.#storedBefore) void this.#recover();
    else this.#options.clock.after(retryMs, () => void this.#recover());
  }

  async #recover(): Promise<void> {
    const { stream, clock, onDeposed } = this.#options;
    const again = (): void => {
      clock.after(retryMs, () => void this.#recover());
    };
    if (this.#isOver) return;
    let last: Found;
    try {
      last = await stream.find();
    } catch {
      again();
      return;
    }
    if (this.#isOver) return;
    const there = this.#storedOf(last);
    this.#outdated = there === 'less' ? this.#outdated + 1 : 0;
    if (there === 'less' && this.#outdated <= outdatedMax) {
      again();
      return;
    }
    if (typeof there === 'string') {
      this.#isOver = true;
      onDeposed();
      return;
    }
    this.#settle(there - this.#stored);
    this.#appendAgain();
  }

  /** How many chunks of this run are stored if this is the last one of the stream. */
  #storedOf(last: Found): number | 'less' | 'others' {
    if (last === 'missing') return 'less';
    const { sequence, chunk } = last;
    const count = sequence - this.#base;
    if (count < this.#stored) return 'less';
    const isBegun = this.#stored > 0;
    if (chunk === undefined && isBegun) return 'less'; // it was purged
    if (count === 0 || (chunk !== undefined && last.name === this.#nameOf(count - 1))) return count;
    const isOfPreviousRun =
      !isBegun && (chunk === undefined || this.#window.some((each) => isOfSameLog(each.chunk, chunk)));
    if (!isOfPreviousRun) return 'others';
    this.#base = sequence; // it was outdated when this run began
    return 0;
  }

  #appendAgain(): void {
    this.#isBroken = false;
    this.#storedBefore = this.#stored;
    for (const [index, pending] of this.#window.entries()) {
      pending.isStored = false;
      this.#resent++;
      this.#append(pending, this.#stored + index);
    }
    this.pump();
  }

  #dropLater(): void {
    const { clock, replica, stream } = this.#options;
    clock.after(dropMs, () => {
      if (this.#isOver) return;
      const { droppable } = replica.figures();
      if (droppable <= this.#dropped) {
        this.#dropLater();
        return;
      }
      const dropped = (): void => {
        this.#dropped = droppable;
        this.#dropLater();
      };
      this.#needed = this.#base + droppable + 1;
      stream.dropBefore(this.#needed).then(dropped, () => this.#dropLater());
    });
  }

  /** Servers of NATS may have lost the first chunks, or somebody has purged the stream. */
  #lookLater(afterMs = lookMs): void {
    const { clock, stream } = this.#options;
    clock.after(afterMs, () => {
      if (this.#isOver) return;
      stream.firstSequence().then(
        (first) => {
          this.#needed ??= first;
          this.#onFirst(first > this.#needed);
          this.#lookLater();
        },
        () => this.#lookLater(),
      );
    });
  }
  #onFirst(isLost: boolean): void {
    const { replica, onBeginningLost } = this.#options;
    if (isLost) replica.wantCheckpoint();
    if (isLost && !this.#hasLostBeginning) onBeginningLost();
    this.#hasLostBeginning = isLost;
  }
}

function isOfSameLog(one: Uint8Array, other: Uint8Array): boolean {
  return ownerOf(one) === ownerOf(other);
}
