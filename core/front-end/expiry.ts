/** The end of a connection's credentials, on the wall clock, which tokens use. */

/** setTimeout() accepts no longer one, and the time in which a machine slept must count. */
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
