/**
 * Empties the broker before it stops (main thread): new clients are refused, and connected ones are
 * disconnected in slices, so that they do not all reach their next broker at once.
 *
 *     begin() --> a slice every 100 ms --> all told to go --> all gone, or graceMs have passed --> done
 */
import type { Clock, Timer } from '../sessions/timers.ts';

export interface DrainOptions {
  readonly clock: Clock;
  readonly clientsPerSecond: number;
  /** How long clients may take to leave once all were told. */
  readonly graceMs: number;
  /** Tells this many more clients to leave, and returns how many were told. */
  tellNext(count: number): number;
  connected(): number;
  done(): void;
}

const sliceMs = 100;

export class Drain {
  readonly #options: DrainOptions;
  readonly #beganMs: number;
  #told = 0;
  #allToldAtMs: number | undefined;
  #timer: Timer | undefined;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#beganMs = options.clock.nowMs();
    this.#proceed();
  }

  /** The broker stops: it is done, whoever is left. */
  stop(): void {
    this.#timer?.cancel();
    this.#options.done();
  }

  #proceed(): void {
    const { clock, graceMs, connected, done } = this.#options;
    const nowMs = clock.nowMs();
    if (this.#allToldAtMs === undefined && this.#tellSlice(nowMs)) this.#allToldAtMs = nowMs;
    const isLate = this.#allToldAtMs !== undefined && nowMs - this.#allToldAtMs >= graceMs;
    if (this.#allToldAtMs !== undefined && (connected() === 0 || isLate)) done();
    else this.#timer = clock.after(sliceMs, () => this.#proceed());
  }

  /** Tells as many as are due by now, at least one. True when none are left. */
  #tellSlice(nowMs: number): boolean {
    const { clientsPerSecond, tellNext } = this.#options;
    const due = Math.ceil(((nowMs - this.#beganMs + sliceMs) / 1_000) * clientsPerSecond);
    const count = Math.max(1, due - this.#told);
    const told = tellNext(count);
    this.#told += told;
    return told < count;
  }
}
