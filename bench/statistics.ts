/** What several runs of the same thing say together. */
import { shortNumber } from './progress.ts';

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Undefined for no values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? min;
  const upper = sorted[Math.ceil((sorted.length - 1) / 2)] ?? max;
  return { min, median: (lower + upper) / 2, max };
}

/** The smallest value that at least this part of them does not exceed. Undefined for no values. */
export function quantileOf(values: readonly number[], part: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** Of the values that are there. */
export function medianOf(values: readonly (number | undefined)[]): number | undefined {
  return spreadOf(values.flatMap((value) => value ?? []))?.median;
}

/**
 * The ratio of `of` to `to`, run by run, so that anything that slows the machine for a while slows both. A
 * run that lacks one of the two does not count.
 */
export function ratios(
  of: readonly (number | undefined)[],
  to: readonly (number | undefined)[],
): Spread | undefined {
  const pairs = of.map((value, run) => [value, to[run]] as const);
  return spreadOf(
    pairs.flatMap(([value, base]) =>
      value === undefined || base === undefined || base === 0 ? [] : [value / base],
    ),
  );
}

/** The median, with the smallest and the largest if they differ; `-` for no values. */
export function shownSpread(spread: Spread | undefined, unit = ''): string {
  if (!spread) return '-';
  const { min, median, max } = spread;
  const range = min === max ? '' : ` (${shortNumber(min)} – ${shortNumber(max)})`;
  return `${shortNumber(median)}${unit}${range}`;
}
