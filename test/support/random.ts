/** Random numbers, repeatable by a seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to below `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  bytes(byteCount: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: byteCount }, () => this.below(256));
  }
}

const { RALLYMQ_TEST_SEED: seedGiven } = process.env;

/**
 * The seeds of a test: `count` new ones in each run, or the one of RALLYMQ_TEST_SEED. The first one is
 * printed, which the runner shows when a test fails or its process dies.
 */
export function seeds(count: number): readonly number[] {
  const first = seedGiven === undefined ? Date.now() % 1_000_000_007 : Number(seedGiven);
  console.log(`seeds from ${first}`);
  return Array.from({ length: seedGiven === undefined ? count : 1 }, (_, index) => first + index);
}

/** How to reproduce a failure. */
export function replayOf(seed: number): string {
  return `replay with RALLYMQ_TEST_SEED=${seed}`;
}
