/** What a soak has found, and the clock by which its model tells before from after. */

/** One thing that is not as the model says. */
export interface Fault {
  /** The rule that it breaks, in a word: `lost`, `doubled`, `order` ... */
  readonly rule: string;
  readonly what: string;
  /** Whose histories explain it ... */
  readonly clients: readonly string[];
  /** ... around these moments. */
  readonly moments: readonly number[];
}

/**
 * Counts what has happened. All clients of a soak share one thread, so a larger number is later for all of them:
 * whatever the broker has answered by then, it had done before.
 */
export class LogicalClock {
  #now = 0;

  /** A moment that is later than all before. */
  next(): number {
    return ++this.#now;
  }

  get now(): number {
    return this.#now;
  }
}

export const never = Number.POSITIVE_INFINITY;
