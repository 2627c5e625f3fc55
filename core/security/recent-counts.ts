/**
 * Counts recent events by name, in time windows that begin with the first event. Anyone can make up names, so their number is
 * limited; beyond it, those with the oldest window are forgotten.
 */
import type { Clock } from '../sessions/timers.ts';

export interface RecentCountsOptions {
  readonly clock: Clock;
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
    for (const [oldest, { endsMs }] of this.#windows) {
      if (this.#windows.size <= namesMax && endsMs > nowMs) break;
      this.#windows.delete(oldest);
    }
    return 1;
  }

  forget(name: string): void {
    this.#windows.delete(name);
  }

  get size(): number {
    return this.#windows.size;
  }
}
