/** Whether a soak found problems: one sentence for each, none if all is well. */
import type { LoadResult, Sample } from '../load/generator.ts';
import { faultsOf } from '../load/metrics.ts';
import { shortNumber } from '../progress.ts';
import { spreadOf } from '../statistics.ts';

/**
 * How much its memory may grow after the first quarter. V8 returns memory late: with 800 connections a second
 * the broker grew to 149 MB and went back to 135 while they continued. A leak of a kilobyte for each of the
 * 50 connections a second of a soak is 45 MB in the fifteen minutes between the two quarters of half an hour.
 */
const growthBytesMax = 24 * 1_024 * 1_024;
const bytesPerMb = 1_024 * 1_024;

/** If something never happened, the soak says nothing about it, so that counts as a problem of the soak. */
export function soakFaults({
  result,
  samples,
}: {
  readonly result: LoadResult;
  readonly samples: readonly Sample[];
}): string[] {
  const [stage] = result.stages;
  const faults = faultsOf(result);
  const growth = memoryGrowth(samples);
  const said = [
    [faults !== '', `${faults}${result.firstFault ? ` (${result.firstFault})` : ''}`],
    [(stage?.refused ?? 0) > 0, `${stage?.refused} connections of clients that came back were refused`],
    [!stage?.delivered, 'nothing was delivered'],
    [!stage?.reconnects, 'no client came back'],
    [!stage?.takeovers, 'no client was taken over'],
    [!stage?.unsubscribes, 'no client unsubscribed'],
    [!result.slow?.received, 'no slow client got anything'],
    [growth === undefined, 'it was too short to see whether the memory grows'],
    [
      growth !== undefined && growth > growthBytesMax,
      `the memory grew by ${shortNumber((growth ?? 0) / bytesPerMb)} MB after the first quarter`,
    ],
  ] as const;
  return said.flatMap(([isSo, sentence]) => (isSo ? [sentence] : []));
}

/**
 * How many bytes the median of the last quarter is above that of the second; undefined for too few samples.
 */
export function memoryGrowth(samples: readonly Sample[]): number | undefined {
  const quarter = Math.floor(samples.length / 4);
  const medianOf = (part: readonly Sample[]): number | undefined =>
    spreadOf(part.map(({ brokerBytes }) => brokerBytes))?.median;
  const early = medianOf(samples.slice(quarter, 2 * quarter));
  const late = medianOf(samples.slice(samples.length - quarter));
  return early === undefined || late === undefined ? undefined : late - early;
}

/** What a soak did, in rows of a title and a figure. */
export function soakRows({
  result,
  samples,
}: {
  readonly result: LoadResult;
  readonly samples: readonly Sample[];
}): (readonly [string, string])[] {
  const [stage] = result.stages;
  const count = (value: number | undefined): string => (value ?? 0).toLocaleString('en');
  const growth = memoryGrowth(samples);
  return [
    ['delivered', count(stage?.delivered)],
    ['clients that came back', count(stage?.reconnects)],
    ['takeovers', count(stage?.takeovers)],
    ['UNSUBSCRIBEs', count(stage?.unsubscribes)],
    [`read by ${count(result.slow?.count)} slow or frozen clients`, count(result.slow?.received)],
    ['latency p99, ms', shortNumber((stage?.latencyNs?.p99 ?? 0) / 1e6)],
    [
      'memory: last quarter against second, MB',
      growth === undefined ? '-' : shortNumber(growth / bytesPerMb),
    ],
    ['lost, doubled, out of order', faultsOf(result) || 'none'],
  ];
}
