/**
 * Counts recent events by name, in time windows that begin with the first event. Anyone can make up names, so their number is
 * limited; beyond it, those with the oldest window are forgotten.
 */
import type { Clock } from '../sessions/timers.ts';

export interface RecentCountsOptions {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly windowMs: number;
  readonly namesMax: number;
}

interface Window {
  count: number;
  readonly endsMs: number;
}

export class RecentCounts {
  readonly #options: RecentCountsOptions;
  /** In the order in which the windows end. */
  readonly #windows = new Map<string, Window>();
  /** Stands at the oldest: whoever begins with the first of a Map passes all that were deleted there. */
  #order = this.#windows.entries();
  #oldest: [name: string, window: Window] | undefined;

  constructor(options: RecentCountsOptions) {
    this.#options = options;
  }

  /** Returns the count in the current window. */
  add(name: string): number {
    const { clock, windowMs, namesMax } = this.#options;
    const nowMs = clock.nowMs();
    const window = this.#windows.get(name);
    if (window !== undefined && window.endsMs > nowMs) return ++window.count;
    this.#windows.delete(name);
    this.#windows.set(name, { count: 1, endsMs: nowMs + windowMs });
    for (let first = this.#first(); first !== undefined; first = this.#first()) {
      const [oldestName, { endsMs }] = first;
      if (this.#windows.size <= namesMax && endsMs > nowMs) break;
      this.#windows.delete(oldestName);
    }
    return 1;
  }

  /** The count in the current window; 0: there is none. */
  countOf(name: string): number {
    const window = this.#windows.get(name);
    return window !== undefined && window.endsMs > this.#options.clock.nowMs() ? window.count : 0;
  }

  /** The oldest, of those that have not been forgotten. */
  #first(): [name: string, window: Window] | undefined {
    while (this.#oldest === undefined || this.#windows.get(this.#oldest[0]) !== this.#oldest[1]) {
      const { done, value } = this.#order.next();
      if (done !== true) this.#oldest = value;
      else if (this.#windows.size === 0) return undefined;
      else this.#order = this.#windows.entries(); // the last one has ended, and gives nothing more
    }
    return this.#oldest;
  }

  forget(name: string): void {
    this.#windows.delete(name);
  }

  get size(): number {
    return this.#windows.size;
  }
}
