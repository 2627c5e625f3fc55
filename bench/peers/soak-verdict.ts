/** Whether a soak was sound: what the issue of it is, in sentences; none if there is nothing to say against it. */
import type { LoadResult, Sample } from '../load/generator.ts';
import { faultsOf } from '../load/metrics.ts';
import { shortNumber } from '../progress.ts';
import { spreadOf } from '../statistics.ts';

/**
 * Its memory may grow by so much after the first quarter. V8 gives back late what it has: with 800 connections a second
 * the broker grew to 149 MB and went back to 135 while they went on. A leak of a kilobyte for each of the 50 connections a
 * second that a soak makes is 45 MB in the fifteen minutes between the two quarters of half an hour.
 */
const growthBytesMax = 24 * 1_024 * 1_024;
const bytesPerMb = 1_024 * 1_024;

/** A soak in which nothing of a kind happened says nothing about it, so that is a fault of the soak. */
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

/** By how many bytes the median of the last quarter is above that of the second; nothing of too few samples. */
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
