/**
 * Where this broker is first, and where another one is, over all scenarios and figures that compare brokers.
 */
import type { LoadResult } from './load/generator.ts';
import { faultsOf, type Metric, metricsOf } from './load/metrics.ts';
import type { Scenario } from './load/scenarios.ts';
import { isOurs, ours } from './peers/peer.ts';
import { shortNumber } from './progress.ts';
import type { PeersFile } from './results.ts';
import { medianOf, ratios, type Spread, shownSpread, spreadOf } from './statistics.ts';

/** A line in which another broker is better than this one. */
export interface Behind {
  readonly scenario: string;
  readonly metric: Metric;
  readonly ours: number;
  readonly best: { readonly peer: string; readonly value: number };
  /** Ours relative to the other's, round by round. */
  readonly ratio: Spread;
}

export interface Standings {
  /** In which this broker and at least one other are compared. */
  readonly lines: number;
  readonly behind: readonly Behind[];
}

/** Compares medians. Runs in which messages were lost, duplicated or reordered do not count. */
export function standingsOf(file: PeersFile): Standings {
  let lines = 0;
  const behind: Behind[] = [];
  const others = file.peers.map(({ name }) => name).filter((name) => !isOurs(name));
  for (const scenario of file.scenarios) {
    for (const metric of metricsOf(scenario.kind)) {
      if (metric.better === undefined) continue;
      const own = valuesOf(file, scenario, ours, metric, isSound);
      const median = medianOf(own);
      const rivals = others.flatMap((peer) => {
        const values = valuesOf(file, scenario, peer, metric, isSound);
        const value = medianOf(values);
        const ratio = ratios(own, values);
        return value === undefined || ratio === undefined ? [] : [{ peer, value, ratio }];
      });
      const sign = metric.better === 'more' ? -1 : 1;
      const best = rivals.sort((a, b) => sign * (a.value - b.value))[0];
      if (median === undefined || best === undefined) continue;
      lines++;
      if (sign * (median - best.value) <= 0) continue;
      behind.push({ scenario: scenario.name, metric, ours: median, best, ratio: best.ratio });
    }
  }
  return { lines, behind };
}

/** One row for each line; a figure in which another broker is better nearly everywhere is a single row. */
export function behindRows({ behind }: Standings): string[][] {
  const titles = [...new Set(behind.map(({ metric }) => titleOf(metric)))];
  return titles.flatMap((title) => {
    const own = behind.filter(({ metric }) => titleOf(metric) === title);
    return own.length > rowsMax ? [togetherRow(title, own)] : own.map((each) => rowOf(title, each));
  });
}

export const behindHead = ['figure', 'scenario', 'RallyMQ', 'the best', 'RallyMQ against it'] as const;

const rowsMax = 6;

function rowOf(title: string, { scenario, ours, best, ratio }: Behind): string[] {
  return [
    title,
    scenario,
    shortNumber(ours),
    `${shortNumber(best.value)} (${best.peer})`,
    shownSpread(ratio, '×'),
  ];
}

function togetherRow(title: string, own: readonly Behind[]): string[] {
  const range = (values: readonly number[]): string =>
    `${shortNumber(Math.min(...values))} – ${shortNumber(Math.max(...values))}`;
  const peers = [...new Set(own.map(({ best }) => best.peer))].join(', ');
  return [
    title,
    `${own.length} scenarios`,
    range(own.map((each) => each.ours)),
    `${range(own.map(({ best }) => best.value))} (${peers})`,
    shownSpread(spreadOf(own.map(({ ratio }) => ratio.median)), '×'),
  ];
}

export function titleOf({ title, unit }: Metric): string {
  return unit === '' ? title : `${title}, ${unit}`;
}

/** Of each round; undefined if missing. What has grown before is unknown, so that growth has no values then. */
export function valuesOf(
  file: PeersFile,
  scenario: Scenario,
  peer: string,
  metric: Metric,
  counts: (result: LoadResult) => boolean = () => true,
): (number | undefined)[] {
  const isExternal = file.peers.some(({ name, isExternal }) => name === peer && isExternal);
  if (metric.isGrowth && (isExternal || scenario.warmUps !== undefined)) return [];
  const played = file.played.filter((each) => each.scenario === scenario.name && each.peer === peer);
  return Array.from({ length: file.rounds }, (_, round) => {
    const result = played.find((each) => each.round === round)?.result;
    return result && counts(result) ? metric.of(result) : undefined;
  });
}

function isSound(result: LoadResult): boolean {
  return faultsOf(result) === '';
}
