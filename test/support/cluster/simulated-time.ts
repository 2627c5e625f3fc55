/** A shared clock for many nodes: events in order, each on a node that may be suspended or gone. */
import type { Clock, Timer } from '../../../core/sessions/timers.ts';

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly actor: Actor | undefined;
  readonly action: () => void;
  isCancelled: boolean;
}

/** A process: its events wait while it is suspended, and never happen after its end. */
export class Actor {
  isGone = false;
  #isPaused = false;
  #missed: Due[] = [];
  readonly #time: SimulatedTime;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  get clock(): Clock {
    return {
      nowMs: () => this.#time.nowMs,
      after: (ms, action) => this.#time.after(ms, action, this),
    };
  }

  pause(): void {
    this.#isPaused = true;
  }
  resume(): void {
    this.#isPaused = false;
    const missed = this.#missed;
    this.#missed = [];
    for (const due of missed) this.#time.after(0, () => (due.isCancelled ? undefined : due.action()), this);
  }
  /** True: it happens now. */
  takes(due: Due): boolean {
    if (this.#isPaused && !this.isGone) this.#missed.push(due);
    return !this.#isPaused && !this.isGone;
  }
}

export class SimulatedTime {
  #nowMs = 1_000;
  #order = 0;
  readonly #heap: Due[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, action: () => void, actor?: Actor): Timer {
    const due = { atMs: this.#nowMs + ms, order: this.#order++, actor, action, isCancelled: false };
    this.#push(due);
    return {
      cancel: () => {
        due.isCancelled = true;
      },
    };
  }

  run(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= endMs; next = this.#heap[0]) {
      this.#pop();
      this.#nowMs = next.atMs;
      if (!next.isCancelled && (next.actor === undefined || next.actor.takes(next))) next.action();
    }
    this.#nowMs = endMs;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < heap.length && this.#isBefore(left, least)) least = left;
      if (right < heap.length && this.#isBefore(right, least)) least = right;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a] as Due, this.#heap[b] as Due];
    return first.atMs < second.atMs || (first.atMs === second.atMs && first.order < second.order);
  }

  #swap(a: number, b: number): void {
    const first = this.#heap[a] as Due;
    this.#heap[a] = this.#heap[b] as Due;
    this.#heap[b] = first;
  }
}
