/**
 * Events per minute, averaged over the last 1, 5 and 15 minutes like the Unix load: at each sample the old average decays by
 * e^(-time/period), and the new value makes up for it.
 */
export const loadPeriods = [
  ['1min', 60],
  ['5min', 300],
  ['15min', 900],
] as const;

export type LoadPeriod = (typeof loadPeriods)[number][0];

export class LoadAverages {
  #total = 0;
  readonly #perMinute = new Map<LoadPeriod, number>();

  /** `total`: the number of events since startup, or, if it is lower than before, since a node joined its cluster again. */
  sample(total: number, elapsedSeconds: number): void {
    const events = total < this.#total ? total : total - this.#total;
    const current = (events * 60) / elapsedSeconds;
    this.#total = total;
    for (const [period, seconds] of loadPeriods) {
      const before = this.#perMinute.get(period) ?? 0;
      this.#perMinute.set(period, current + Math.exp(-elapsedSeconds / seconds) * (before - current));
    }
  }

  perMinute(period: LoadPeriod): number {
    return this.#perMinute.get(period) ?? 0;
  }
}
