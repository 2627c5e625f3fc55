/** How far a polled score is behind the pushed one. A score is identified by its time `at`. */

export class Behind {
  /** When the scores were pushed that no poll has shown yet, oldest first. */
  #missed: { at: number; pushedMs: number }[] = [];
  #shownAt = 0;
  #sumMs = 0;
  #count = 0;

  reset(): void {
    this.#missed = [];
    this.#shownAt = 0;
    this.forgetMean();
  }

  forgetMean(): void {
    this.#sumMs = 0;
    this.#count = 0;
  }

  pushed(at: number, nowMs: number): void {
    if (at > this.#shownAt) this.#missed.push({ at, pushedMs: nowMs });
  }

  /** Returns whether the score differs from that of the last poll. */
  polled(at: number, nowMs: number): boolean {
    const hasNews = this.#shownAt !== 0 && at !== this.#shownAt;
    this.#shownAt = at;
    for (const { pushedMs } of this.#missed.filter((missed) => missed.at <= at)) {
      this.#sumMs += nowMs - pushedMs;
      this.#count += 1;
    }
    this.#missed = this.#missed.filter((missed) => missed.at > at);
    return hasNews;
  }

  get isBehind(): boolean {
    return this.#missed.length > 0;
  }

  /** How long a newer score has existed; 0 if there is none. */
  behindMs(nowMs: number): number {
    const [first] = this.#missed;
    return first === undefined ? 0 : nowMs - first.pushedMs;
  }

  /** The average time from push to display; undefined until there are `countMin`. */
  meanMs(countMin = 1): number | undefined {
    return this.#count < countMin ? undefined : this.#sumMs / this.#count;
  }
}
