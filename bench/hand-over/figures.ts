/** The cost of handing messages over between workers, from results: for the terminal, the report and the plan. */
import { metricsOf } from '../load/metrics.ts';
import type { Scenario } from '../load/scenarios.ts';
import type { HandOverFile, HandOverPlayed } from '../results.ts';
import { type Spread, shownSpread, spreadOf } from '../statistics.ts';

interface Figure {
  readonly title: string;
  readonly of: (played: HandOverPlayed) => number | undefined;
}

const loadFigures: readonly Figure[] = metricsOf('messages').map(({ title, unit, of }) => ({
  title: `${title}, ${unit}`,
  of: ({ result }) => of(result),
}));
const ofMetric = (name: string): ((played: HandOverPlayed) => number | undefined) => {
  const metric = metricsOf('messages').find((each) => each.name === name);
  return ({ result }) => metric?.of(result);
};
const cpuPerDelivery = ofMetric('cpuPerDelivery');
const perSecond = ofMetric('perSecond');

const crossings = ({ lanes }: HandOverPlayed): number | undefined =>
  quotient(lanes.handedOver, lanes.publishSent);

/** With fewer lane crossings per delivery, a difference says nothing about them. */
const crossingsMin = 0.1;

/** Undefined if no lane was crossed, as with one worker. */
const laneFigures: readonly Figure[] = [
  { title: 'lanes crossed for each delivery', of: crossings },
  {
    title: 'records in a batch',
    of: ({ lanes }) => quotient(lanes.laneRecords, lanes.laneBatches),
  },
  {
    title: 'doorbells a second',
    of: (played) => {
      const each = quotient(played.lanes.doorbells, played.lanes.publishSent);
      const rate = perSecond(played);
      return each === undefined || rate === undefined ? undefined : each * rate;
    },
  },
  {
    title: 'batches that found their reader asleep, %',
    of: ({ lanes }) => quotient(lanes.doorbells * 100, lanes.laneBatches),
  },
];

const memoryFigure: Figure = {
  title: 'cache misses for each delivery',
  of: ({ cacheMisses, lanes }) => cacheMisses && quotient(cacheMisses, lanes.publishSent),
};

/** Rows of a title and a cell for each number of workers. */
export function handOverRows(file: HandOverFile, scenario: Scenario): string[][] {
  const playedWith = (workers: number): readonly HandOverPlayed[] =>
    file.played.filter((each) => each.scenario === scenario.name && each.workers === workers);
  const row = ({ title, of }: Figure): string[] => [
    title,
    ...file.workers.map((workers) =>
      shownSpread(spreadOf(playedWith(workers).flatMap((each) => of(each) ?? []))),
    ),
  ];
  const cost = [
    'CPU of a crossing, µs',
    ...file.workers.map((workers) => {
      const spread = crossingCostUs(file, scenario.name, workers);
      return spread ? shownSpread(spread) : '-';
    }),
  ];
  const rows = [...loadFigures.map(row), ...laneFigures.map(row), cost];
  return file.noMemoryTraffic === undefined ? [...rows, row(memoryFigure)] : rows;
}

/**
 * The additional CPU time of a delivery, in µs, compared with one worker in the same round, for each lane
 * that a message crosses. Undefined if messages cross none, or too few to tell.
 */
export function crossingCostUs(file: HandOverFile, scenario: string, workers: number): Spread | undefined {
  const own = file.played.filter((each) => each.scenario === scenario);
  return spreadOf(
    own
      .filter((each) => each.workers === workers)
      .flatMap((each) => {
        const alone = own.find((other) => other.workers === 1 && other.round === each.round);
        const [more, base] = [cpuPerDelivery(each), alone && cpuPerDelivery(alone)];
        const crossed = crossings(each);
        if (more === undefined || base === undefined || crossed === undefined) return [];
        return crossed < crossingsMin ? [] : [(more - base) / crossed];
      }),
  );
}

/** Why a figure is missing, as a sentence; empty if none is. */
export function memoryTrafficNote({ noMemoryTraffic }: HandOverFile): string {
  return noMemoryTraffic === undefined
    ? ''
    : `The memory traffic was not counted on this machine: ${noMemoryTraffic}.`;
}

function quotient(value: number, divisor: number): number | undefined {
  return divisor === 0 || value === 0 ? undefined : value / divisor;
}
