/** A clock controlled by the test. */
import type { Clock, Timer } from '../../core/sessions/timers.ts';

interface Due {
  readonly atMs: number;
  readonly action: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 1_000;
  #due: Due[] = [];

  nowMs(): number {
    return this.#nowMs;
  }
  after(ms: number, action: () => void): Timer {
    const due = { atMs: this.#nowMs + ms, action };
    this.#due.push(due);
    return { cancel: () => this.#remove(due) };
  }
  /** Pending timers. */
  get timers(): number {
    return this.#due.length;
  }
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#due.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#remove(next);
      this.#nowMs = next.atMs;
      next.action();
    }
    this.#nowMs = endMs;
  }
  #remove(due: Due): void {
    this.#due = this.#due.filter((each) => each !== due);
  }
}
