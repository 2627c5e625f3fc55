/**
 * Stores the second copy of this node's log: chunk after chunk, each behind the previous one. Stored chunks are
 * committed (native/log/replica.h).
 *
 *   replica.take() --> window [ chunk | chunk | chunk ] --append behind the one before--> stream
 *                      stored(n) <-- in order
 *
 * Many are in transit at once. When one is refused or not answered, the replicator waits for the others, asks the
 * stream how far it got, and appends the missing ones again. A node that finds another node's chunk there has been
 * deposed.
 */
import type { Replica } from '../data-plane/addon.ts';
import type { Clock } from '../sessions/timers.ts';
import { type Appended, type ChunkPlace, ownerOf, type StoredChunk } from './log-streams.ts';

/** The stream of this node's log. */
export interface LogStream {
  /** Rejects: it cannot be reached. */
  last(): Promise<StoredChunk | undefined>;
  append(chunk: Uint8Array, place: ChunkPlace): Promise<Appended>;
  dropBefore(sequence: number): Promise<void>;
}

export interface ReplicatorOptions {
  readonly replica: Pick<Replica, 'take' | 'stored' | 'figures'>;
  readonly stream: LogStream;
  readonly clock: Clock;
  /** The sequence of the last chunk already there; 0: none. */
  readonly base: number;
  /** Another node has taken over the stream, or it no longer exists: nothing is stored from now on. */
  onDeposed(): void;
}

/** In transit at once; more is not faster. */
const windowBytesMax = 1_048_576;
const windowChunksMax = 64;
const retryMs = 250;
const dropMs = 1_000;

interface Pending {
  readonly chunk: Uint8Array;
  isStored: boolean;
}

export class Replicator {
  readonly #options: ReplicatorOptions;
  /** Taken, but not known to be stored together with all previous ones. */
  readonly #window: Pending[] = [];
  #windowBytes = 0;
  #stored = 0;
  /** The last stored one. */
  #last: Uint8Array | undefined;
  #underWay = 0;
  #isBroken = false;
  /** How much was stored when the missing ones were last appended again. */
  #storedBefore = -1;
  #isOver = false;
  #dropped = 0;
  #resent = 0;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
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
  }
  stop(): void {
    this.#isOver = true;
  }

  #hasRoom(): boolean {
    return this.#windowBytes < windowBytesMax && this.#window.length < windowChunksMax;
  }

  #append(pending: Pending, number: number): void {
    this.#underWay++;
    const { stream, base } = this.#options;
    const place: ChunkPlace = {
      behind: base + number,
      name: this.#nameOf(pending.chunk, number),
      nameBefore: number === 0 ? undefined : this.#nameOf(pending.chunk, number - 1),
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

  /** Unique to this run: of two runs with the same base, one has stored nothing. */
  #nameOf(chunk: Uint8Array, number: number): string {
    return `${ownerOf(chunk)}-${this.#options.base}-${number}`;
  }

  #advance(): void {
    let count = 0;
    while (this.#window[count]?.isStored === true) count++;
    this.#settle(count);
  }

  #settle(count: number): void {
    if (count === 0 || this.#isOver) return;
    for (const { chunk } of this.#window.splice(0, count)) {
      this.#windowBytes -= chunk.length;
      this.#last = chunk;
    }
    this.#stored += count;
    this.#options.replica.stored(this.#stored);
  }

  /** A stream that stores nothing, since JetStream is full or has no leader, is not asked all the time. */
  #recoverSoon(): void {
    if (this.#stored > this.#storedBefore) void this.#recover();
    else this.#options.clock.after(retryMs, () => void this.#recover());
  }

  async #recover(): Promise<void> {
    const { stream, base, clock } = this.#options;
    if (this.#isOver) return;
    let last: StoredChunk | undefined;
    try {
      last = await stream.last();
    } catch {
      clock.after(retryMs, () => void this.#recover());
      return;
    }
    if (this.#isOver) return;
    const there = (last?.sequence ?? 0) - base - this.#stored;
    const ours = there === 0 ? this.#last : this.#window[there - 1]?.chunk;
    const isOurs = there === 0 && this.#stored === 0 ? true : isSame(ours, last?.chunk);
    if (!isOurs) {
      this.#isOver = true;
      this.#options.onDeposed();
      return;
    }
    this.#settle(there);
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
    const { clock, replica, stream, base } = this.#options;
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
      stream.dropBefore(base + droppable + 1).then(dropped, () => this.#dropLater());
    });
  }
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0;
}
