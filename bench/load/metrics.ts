/** The interesting figures of a scenario's result, for the tables, each with its unit. */
import type { Ballast, LoadResult, StageResult } from './generator.ts';
import type { Kind } from './scenarios.ts';

export interface Metric {
  readonly name: string;
  readonly title: string;
  /** Times in µs or ms, memory in bytes, KB or MB. */
  readonly unit: string;
  /** The growth of memory, which is known only for a process started for the scenario. */
  readonly isGrowth?: true;
  /** Which brokers are compared by it; none: it is only shown. */
  readonly better?: 'more' | 'less';
  /** Undefined if the result does not have it. */
  readonly of: (result: LoadResult) => number | undefined;
}

const nsPerUs = 1_000;
const nsPerMs = 1_000_000;
const bytesPerMb = 1 << 20;

const perSecond: Metric = {
  name: 'perSecond',
  title: 'deliveries a second',
  unit: '/s',
  better: 'more',
  of: (result) => rateOf(last(result)),
};
const cpu: Metric = {
  name: 'cpuPerDelivery',
  title: 'broker CPU per delivery',
  unit: 'µs',
  better: 'less',
  of: (result) => cpuPerDelivery(last(result)),
};
const latency = (quantile: 'p50' | 'p99' | 'p999', title: string): Metric => ({
  name: `latency_${quantile}`,
  title,
  unit: 'ms',
  better: 'less',
  of: (result) => scaled(last(result)?.latencyNs?.[quantile], 1 / nsPerMs),
});
const memory: Metric = {
  name: 'memory',
  title: 'broker memory',
  unit: 'MB',
  better: 'less',
  of: (result) => scaled(last(result)?.broker?.bytesPeak, 1 / bytesPerMb),
};

const messages = [
  perSecond,
  cpu,
  latency('p50', 'latency p50'),
  latency('p99', 'latency p99'),
  latency('p999', 'latency p99.9'),
  memory,
];

/** At a fixed rate, throughput is no achievement: whatever was not delivered is a fault. */
const paced: readonly Metric[] = [
  {
    name: 'duePerSecond',
    title: 'messages due a second',
    unit: '/s',
    of: (result) => quotient(last(result)?.scheduleLagNs?.count, last(result)?.seconds),
  },
  { name: perSecond.name, title: perSecond.title, unit: perSecond.unit, of: perSecond.of },
  ...messages.slice(1),
  {
    name: 'scheduleLag_p99',
    title: 'of that the generator was late by, p99',
    unit: 'ms',
    of: (result) => scaled(last(result)?.scheduleLagNs?.p99, 1 / nsPerMs),
  },
];

const connectionRate: Metric = {
  name: 'perSecond',
  title: 'connections a second',
  unit: '/s',
  better: 'more',
  of: ({ stages: [stage] }) => stage && (stage.clients - stage.refused) / stage.openSeconds,
};
const connectionMetrics: readonly Metric[] = [
  connectionRate,
  {
    name: 'refused',
    title: 'refused',
    unit: '',
    of: ({ stages: [stage] }) => stage?.refused,
  },
  {
    name: 'cpuPerConnect',
    title: 'broker CPU per connection made',
    unit: 'µs',
    better: 'less',
    of: ({ stages: [stage] }) => stage?.broker && (stage.broker.openCpuSeconds * 1e6) / stage.clients,
  },
  {
    name: 'bytesPerConnection',
    isGrowth: true,
    title: 'memory per connection',
    unit: 'KB',
    better: 'less',
    of: ({ stages: [stage] }) =>
      stage?.broker && (stage.broker.bytesAfter - stage.broker.bytesBefore) / stage.clients / 1_024,
  },
  {
    name: 'idleCpu',
    title: 'CPU once they are idle',
    unit: '% of a core',
    better: 'less',
    of: ({ stages: [stage] }) => stage?.broker && (stage.broker.cpuSeconds * 100) / stage.seconds,
  },
  {
    name: 'connect_p99',
    title: 'connect p99',
    unit: 'ms',
    better: 'less',
    of: ({ stages: [stage] }) => scaled(stage?.connectNs?.p99, 1 / nsPerMs),
  },
];

const subscriptions: readonly Metric[] = [
  {
    name: 'costRatio',
    title: 'CPU per delivery, with them against without',
    unit: '×',
    better: 'less',
    of: (result) => quotient(cpuPerDelivery(last(result)), cpuPerDelivery(result.stages[0])),
  },
  bytesPerSubscription('exact'),
  bytesPerSubscription('wildcard'),
  {
    name: 'subscribesPerSecond',
    title: 'subscriptions made a second',
    unit: '/s',
    better: 'more',
    of: ({ ballast = [] }) => quotient(sum(ballast, ({ count }) => count) * 1e9, sum(ballast, subscribeTime)),
  },
  {
    name: 'subscribeGrowth',
    title: 'time of the last fifth against the first',
    unit: '×',
    of: (result) => growth(ballastOf(result, 'exact').flatMap(({ subscribeNs }) => subscribeNs)),
  },
  perSecond,
];

const retained: readonly Metric[] = [
  {
    name: 'retainsPerSecond',
    title: 'messages retained a second',
    unit: '/s',
    better: 'more',
    of: (result) => quotient(result.retained, stageOf(result, 'retain')?.openSeconds),
  },
  {
    name: 'bytesPerRetained',
    isGrowth: true,
    title: 'memory per retained message',
    unit: 'B',
    better: 'less',
    of: (result) => {
      const usage = stageOf(result, 'retain')?.broker;
      return usage && quotient(usage.bytesReady - usage.bytesBefore, result.retained);
    },
  },
  answer('p50', 'few', 'answer with 10 of them, p50'),
  answer('max', 'few', 'answer with 10 of them, max'),
  answer('p50', 'all', 'the same while another reads all, p50'),
  answer('max', 'all', 'the same while another reads all, max'),
  othersLatency('p99', 'quiet', 'latency p99 of others before'),
  othersLatency('p99', 'all', 'latency p99 of others while all are read'),
  othersLatency('max', 'all', 'latency max of others while all are read'),
  {
    name: 'answer_all',
    title: 'until all are read, 2 s of that slowly',
    unit: 's',
    better: 'less',
    of: (result) => scaled(stageOf(result, 'all')?.answerAllNs?.max, 1e-9),
  },
  {
    name: 'memory_all',
    isGrowth: true,
    title: 'memory beyond that while all are read',
    unit: 'MB',
    better: 'less',
    of: (result) => {
      const usage = stageOf(result, 'all')?.broker;
      return usage && (usage.bytesPeak - usage.bytesBefore) / bytesPerMb;
    },
  },
];

const slow: readonly Metric[] = [
  ...messages,
  {
    name: 'throughputRatio',
    title: 'deliveries to the others, with slow ones against without',
    unit: '×',
    better: 'more',
    of: (result) => quotient(rateOf(last(result)), rateOf(result.stages[0])),
  },
  {
    name: 'memoryGrowth',
    isGrowth: true,
    title: 'memory that the slow ones take',
    unit: 'MB',
    better: 'less',
    of: (result) => {
      const usage = last(result)?.broker;
      return usage && (usage.bytesPeak - usage.bytesBefore) / bytesPerMb;
    },
  },
];

const metrics: Readonly<Record<Kind, readonly Metric[]>> = {
  messages,
  paced,
  connections: connectionMetrics,
  upgrades: connectionMetrics,
  subscriptions,
  retained,
  slow,
  soak: messages,
};

/** The first one is what a scenario is mainly about. */
export function metricsOf(kind: Kind): readonly Metric[] {
  return metrics[kind];
}

/** The errors in a sentence; empty if there are none. */
export function faultsOf(result: LoadResult): string {
  const { lost, undelivered } = result.faults;
  const faults = shownCounts(result.faults);
  return lost + undelivered > 0 ? `${faults}${shownDrops(result)}` : faults;
}

/**
 * Whether the broker accounts for what did not arrive: dropped messages are legitimate, lost ones are a bug.
 */
function shownDrops({ faults, dropped }: LoadResult): string {
  if (dropped === undefined) return ''; // it does not tell
  const droppedCount = sum(Object.values(dropped), (count) => count);
  const uncounted = faults.lost + faults.undelivered - droppedCount;
  if (droppedCount === 0) return '; the broker counted none of it as dropped';
  const counted = `; the broker counted ${shownCounts(dropped)}`;
  return uncounted > 0 ? `${counted}, and ${uncounted} nowhere` : counted;
}

function shownCounts(counts: object): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

export function generatorWasTheLimit(result: LoadResult): boolean {
  return last(result)?.generator.wasTheLimit ?? false;
}

export function last({ stages }: LoadResult): StageResult | undefined {
  return stages.at(-1);
}

function stageOf({ stages }: LoadResult, name: string): StageResult | undefined {
  return stages.find((stage) => stage.name === name);
}

export function rateOf(stage: StageResult | undefined): number | undefined {
  return stage && quotient(stage.delivered, stage.seconds);
}

export function cpuPerDelivery(stage: StageResult | undefined): number | undefined {
  return quotient(scaled(stage?.broker?.cpuSeconds, 1e9 / nsPerUs), stage?.delivered);
}

function bytesPerSubscription(name: 'exact' | 'wildcard'): Metric {
  return {
    name: `bytesPer_${name}`,
    isGrowth: true,
    title: `memory per ${name} subscription`,
    unit: 'B',
    better: 'less',
    of: (result) => {
      const usage = stageOf(result, name)?.broker;
      const count = sum(ballastOf(result, name), (ballast) => ballast.count);
      return usage && quotient(usage.bytesReady - usage.bytesBefore, count);
    },
  };
}

/** Ballast clients are in the order of their stages. */
function ballastOf(result: LoadResult, name: string): readonly Ballast[] {
  let first = 0;
  for (const stage of result.stages.slice(1)) {
    if (stage.name === name) return result.ballast?.slice(first, first + stage.clients) ?? [];
    first += stage.clients;
  }
  return [];
}

function subscribeTime({ subscribeNs }: { readonly subscribeNs: readonly number[] }): number {
  return sum(subscribeNs, (ns) => ns);
}

function othersLatency(quantile: 'p99' | 'max', stage: 'quiet' | 'all', title: string): Metric {
  return {
    name: `latency_${stage}_${quantile}`,
    title,
    unit: 'ms',
    ...(stage === 'all' ? { better: 'less' as const } : {}),
    of: (result) => scaled(stageOf(result, stage)?.latencyNs?.[quantile], 1 / nsPerMs),
  };
}

function answer(quantile: 'p50' | 'max', stage: 'few' | 'all', title: string): Metric {
  return {
    name: `answer_${stage}_${quantile}`,
    title,
    unit: 'ms',
    better: 'less',
    of: (result) => {
      const played = stageOf(result, stage);
      if (stage === 'all' && !played?.answerAllNs) return undefined;
      return scaled(played?.answerNs?.[quantile], 1 / nsPerMs);
    },
  };
}

/** How much longer the last fifth took than the first. */
function growth(times: readonly number[]): number | undefined {
  const fifth = Math.floor(times.length / 5);
  return quotient(
    sum(times.slice(-fifth), (ns) => ns),
    sum(times.slice(0, fifth), (ns) => ns),
  );
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

function quotient(value: number | undefined, divisor: number | undefined): number | undefined {
  return value === undefined || divisor === undefined || divisor === 0 ? undefined : value / divisor;
}
