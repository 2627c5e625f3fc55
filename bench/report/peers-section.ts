/** The part of docs/benchmarks.md about the loads: plots, and for each scenario a table of all brokers. */
import { faultsOf, generatorWasTheLimit, type Metric, metricsOf } from '../load/metrics.ts';
import type { Scenario } from '../load/scenarios.ts';
import { ours } from '../peers/peer.ts';
import type { PeersFile, Played } from '../results.ts';
import { behindHead, behindRows, standingsOf, titleOf, valuesOf } from '../standings.ts';
import { medianOf, ratios, shownSpread, spreadOf } from '../statistics.ts';
import { barChart } from './bar-chart.ts';
import { capitalised, markdownTable, provenance } from './markdown.ts';

export interface Section {
  readonly markdown: string;
  /** By the name of their file in docs/plots/. */
  readonly plots: Readonly<Record<string, string>>;
}

const plotted = [
  {
    file: 'throughput.svg',
    metric: 'perSecond',
    kinds: ['messages', 'slow'],
    title: 'Deliveries a second; longer is better',
  },
  {
    file: 'cpu.svg',
    metric: 'cpuPerDelivery',
    kinds: ['messages', 'paced', 'slow'],
    title: 'Broker CPU per delivery; shorter is better',
  },
  {
    file: 'latency.svg',
    metric: 'latency_p99',
    kinds: ['messages', 'paced', 'slow'],
    title: 'Latency, 99th percentile; shorter is better',
  },
  {
    file: 'connections.svg',
    metric: 'bytesPerConnection',
    kinds: ['connections'],
    title: 'Memory per connection; shorter is better',
  },
] as const;

export function peersSection(file: PeersFile): Section {
  const names = file.peers.map(({ name }) => name);
  const plots: Record<string, string> = {};
  const parts = [
    '## Loads',
    provenance(file),
    roundsSentence(file),
    file.peers.map(({ name, description }) => `- **${name}**: ${description}`).join('\n'),
  ];
  for (const { file: plot, metric: name, kinds, title } of plotted) {
    const scenarios = file.scenarios.filter(({ kind }) => (kinds as readonly string[]).includes(kind));
    const metric = scenarios.flatMap(({ kind }) => metricsOf(kind)).find((each) => each.name === name);
    if (!metric) continue;
    const groups = scenarios.map((scenario) => ({
      label: scenario.name,
      values: names.map((peer) => medianOf(valuesOf(file, scenario, peer, metric))),
    }));
    plots[plot] = barChart({ title, unit: metric.unit, series: names, groups });
    parts.push(`![${title}](plots/${plot})`);
  }
  parts.push(...standingsPart(file));
  parts.push(...file.scenarios.map((scenario) => scenarioPart(file, scenario, names)));
  return { markdown: parts.join('\n\n'), plots };
}

function roundsSentence({ rounds, scenarios }: PeersFile): string {
  const fewer = scenarios.filter(({ roundsMax }) => roundsMax !== undefined && roundsMax < rounds);
  const times = rounds === 1 ? 'once' : `${rounds} times`;
  const exceptions = fewer.map(({ name, roundsMax }) => `${name} ${roundsMax} times`).join(', ');
  return [
    `Each broker played each scenario ${times}${exceptions === '' ? '' : ` (${exceptions})`}, in turns. A figure is the median`,
    `${rounds === 1 ? '' : ', with the smallest and the largest in brackets'}. Below it is the factor by which RallyMQ's differs from the`,
    ` other's, as the median of the rounds' ratios${rounds === 1 ? '' : ', with the smallest and the largest'}.`,
    ' MQTT 5.0 unless a broker or a scenario says otherwise, 64 bytes of payload. A broker that this suite starts is',
    ' started afresh for each scenario, all of them without TLS and without authentication.',
  ].join('');
}

function standingsPart(file: PeersFile): string[] {
  const standings = standingsOf(file);
  const { lines, behind } = standings;
  if (lines === 0) return [];
  const head = '### Where RallyMQ is not first';
  const count =
    `There are ${lines} lines below in which brokers are compared, by medians of runs without lost, doubled or reordered` +
    ` messages. RallyMQ is first in ${lines - behind.length} of them`;
  if (behind.length === 0) return [head, `${count}.`];
  return [head, `${count}, and not in these:`, markdownTable(behindHead, behindRows(standings))];
}

function scenarioPart(file: PeersFile, scenario: Scenario, names: readonly string[]): string {
  const metrics = metricsOf(scenario.kind);
  const rows = metrics.flatMap((metric) => metricRows(file, scenario, metric, names));
  const notes = names.flatMap((name) => notesOf(file, scenario, name));
  const table = markdownTable(['', ...names], rows);
  return [
    `### ${scenario.name}`,
    `${capitalised(scenario.title)}.`,
    table,
    ...(notes.length > 0 ? [notes.join('\n')] : []),
  ].join('\n\n');
}

function metricRows(
  file: PeersFile,
  scenario: Scenario,
  metric: Metric,
  names: readonly string[],
): string[][] {
  const own = names.map((name) => valuesOf(file, scenario, name, metric));
  const spreads = own.map((values) => spreadOf(values.flatMap((value) => value ?? [])));
  if (spreads.every((spread) => spread === undefined)) return [];
  const rows = [[titleOf(metric), ...spreads.map((spread) => shownSpread(spread))]];
  const reference = names.indexOf(ours);
  const referenceValues = own[reference];
  if (metric.better === undefined || !referenceValues || names.length < 2) return rows;
  const ratioCells = own.map((values, index) =>
    index === reference ? '' : shownSpread(ratios(referenceValues, values), '×'),
  );
  if (ratioCells.some((cell) => cell !== '' && cell !== '-'))
    rows.push([`RallyMQ against it (${metric.better} is better)`, ...ratioCells]);
  return rows;
}

function playedBy(file: PeersFile, scenario: Scenario, peer: string): readonly Played[] {
  return file.played.filter((each) => each.scenario === scenario.name && each.peer === peer);
}

/** What went wrong, since a median would hide it. */
function notesOf(file: PeersFile, scenario: Scenario, peer: string): string[] {
  const played = playedBy(file, scenario, peer);
  const errors = new Set(played.flatMap(({ error }) => error ?? []));
  const faults = new Set(played.flatMap(({ result }) => (result && faultsOf(result)) || []));
  const limits = played.filter(({ result }) => result && generatorWasTheLimit(result)).length;
  return [
    ...[...errors].map((error) => `- ${peer} could not play it: ${withoutClient(error)}`),
    ...[...faults].map((fault) => `- ${peer}: ${fault}`),
    ...(limits > 0
      ? [`- ${peer}: in ${limits} of ${played.length} runs the load generator was the limit, not the broker`]
      : []),
  ];
}

/** The name of a client differs from run to run and says nothing. */
function withoutClient(error: string): string {
  return error.replace(/^bench-\S+: /, '');
}
