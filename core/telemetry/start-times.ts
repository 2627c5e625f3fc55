/**
 * Since when each counter counts. The counters of the data plane begin anew when a node joins its cluster again,
 * and those of its lanes when another node does; the process and its other counters go on. A counter that is new, or
 * less than before, has begun after the previous export. None has begun later than now: the clock may be set back.
 */
import type { Distribution, Family, Sample } from '../statistics/metrics-text.ts';

interface Count {
  readonly startedAtMs: number;
  readonly counts: readonly number[];
}

export class StartTimes {
  readonly #startedAtMs: number;
  /** Of the previous export. */
  #atMs: number;
  #counts: ReadonlyMap<string, Count> = new Map();

  constructor(startedAtMs: number) {
    this.#startedAtMs = startedAtMs;
    this.#atMs = startedAtMs;
  }

  /** Before each export. */
  note(families: readonly Family[], nowMs: number): void {
    const counts = new Map<string, Count>();
    for (const family of families) {
      if (family.type === 'gauge') continue;
      for (const point of family.type === 'histogram' ? family.distributions : family.samples) {
        const key = keyOf(family, point);
        const count = this.#countOf(this.#counts.get(key), 'counts' in point ? point.counts : [point.value]);
        counts.set(key, { ...count, startedAtMs: Math.min(count.startedAtMs, nowMs) });
      }
    }
    this.#counts = counts;
    this.#atMs = nowMs;
  }

  #countOf(before: Count | undefined, counts: readonly number[]): Count {
    const goesOn = before?.counts.every((count, index) => (counts[index] ?? 0) >= count) ?? false;
    return { startedAtMs: before !== undefined && goesOn ? before.startedAtMs : this.#atMs, counts };
  }

  /** In ms since 1970. */
  of(family: Family, point: Sample | Distribution): number {
    return this.#counts.get(keyOf(family, point))?.startedAtMs ?? this.#startedAtMs;
  }
}

function keyOf({ name }: Family, { labels = {} }: Sample | Distribution): string {
  return `${name} ${JSON.stringify(labels)}`;
}
