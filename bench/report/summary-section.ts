/** The first screen of docs/benchmarks.md: a few figures that say most, and what they are worth. */
import { metricsOf } from '../load/metrics.ts';
import { shortNumber } from '../progress.ts';
import type { PeersFile } from '../results.ts';
import { standingsOf, valuesOf } from '../standings.ts';
import { medianOf } from '../statistics.ts';
import { markdownTable } from './markdown.ts';

/** By scenario and metric. */
const chosen = [
  ['p2p', 'perSecond', 'deliveries a second, 10 busy pairs'],
  ['fan-out', 'perSecond', 'deliveries a second, 1 publisher to many'],
  ['p2p-qos1', 'perSecond', 'the same pairs with QoS 1'],
  ['p2p', 'cpuPerDelivery', 'broker CPU per delivery, busy'],
  ['quiet', 'latency_p99', 'latency of single messages, 99th percentile'],
  ['connection-storm', 'perSecond', 'new connections a second'],
  ['idle-connections', 'bytesPerConnection', 'memory per idle connection'],
  ['p2p', 'memory', 'memory of the whole broker'],
] as const;

/** Nothing if none of them was played. */
export function summarySection(file: PeersFile): string[] {
  const names = file.peers.map(({ name }) => name);
  const rows = chosen.flatMap(([scenarioName, metricName, label]) => {
    const scenario = file.scenarios.find(({ name }) => name === scenarioName);
    const metric = scenario && metricsOf(scenario.kind).find(({ name }) => name === metricName);
    if (scenario === undefined || metric === undefined) return [];
    const cells = names.map((peer) => {
      const median = medianOf(valuesOf(file, scenario, peer, metric));
      return median === undefined ? '–' : shortNumber(median);
    });
    return [[`${label}${metric.unit === '/s' ? '' : `, ${metric.unit}`}`, ...cells]];
  });
  if (rows.length === 0) return [];
  const { lines, behind } = standingsOf(file);
  return [
    '## In short',
    markdownTable(['', ...names], rows),
    `Medians over WebSocket without TLS, on one small machine that broker and load generator share: compare the brokers, do not` +
      ` expect the numbers of yours. RallyMQ is first in ${lines - behind.length} of ${lines} comparisons;` +
      ' [the others](#where-rallymq-is-not-first) are mostly memory, connections that are made, and latency under moderate load.' +
      ' Everything below is detail: each scenario with its spread, plots, and how to repeat it.',
  ];
}
