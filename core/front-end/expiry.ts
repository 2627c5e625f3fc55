/** When what a connection was let in by is over, of the wall clock, which tokens are dated by. */

/** setTimeout() takes no longer one, and a machine that slept must not add to it. */
const timerMsMax = 60_000;

export class Expiry {
  readonly #onExpired: () => void;
  #atMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(onExpired: () => void) {
    this.#onExpired = onExpired;
  }

  /** Undefined: never. */
  set(atMs: number | undefined): void {
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    if (atMs !== undefined) this.#wait(atMs);
  }

  #wait(atMs: number): void {
    const leftMs = Math.min(Math.max(0, atMs - Date.now()), timerMsMax);
    this.#timer = setTimeout(() => {
      if (this.#atMs === undefined) return;
      if (Date.now() < this.#atMs) this.#wait(this.#atMs);
      else this.#onExpired();
    }, leftMs);
    this.#timer.unref();
  }
}
