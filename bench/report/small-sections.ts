/** The parts of docs/benchmarks.md about single functions, HTTP and the soak. */
import { faultsOf } from '../load/metrics.ts';
import { laneGroup, microGroups } from '../micro/groups.ts';
import { memoryGrowth } from '../peers/soak.ts';
import { shortNumber } from '../progress.ts';
import type { HttpFile, MicroFile, SoakFile } from '../results.ts';
import { lineChart } from './line-chart.ts';
import { markdownTable, provenance } from './markdown.ts';
import type { Section } from './peers-section.ts';

const bytesPerMb = 1_024 * 1_024;

export function microSection(file: MicroFile): Section {
  const groups = [...microGroups(), laneGroup].map(({ name, title, operation }) => {
    const cases = file.cases.filter(({ group }) => group === name).sort((a, b) => b.perSecond - a.perSecond);
    const slowest = cases.at(-1)?.perSecond ?? 1;
    const rows = cases.map((each) => [
      each.isOurs ? `**${each.name}**` : each.name,
      shortNumber(each.perSecond),
      `${shortNumber(each.perSecond / slowest)}×`,
    ]);
    return `### ${title}\n\n${markdownTable(['', `${operation} a second`, 'of the slowest'], rows)}`;
  });
  const intro =
    "RallyMQ's own stand in bold: `native` is the data plane in C++, `core/wire` what control packets and the browser use.";
  return { markdown: ['## Single functions', provenance(file), intro, ...groups].join('\n\n'), plots: {} };
}

export function httpSection(file: HttpFile): Section {
  const rows = file.cases.map((each) => [
    `\`${each.path}\``,
    `${each.connections}`,
    `${each.pipelining}`,
    shortNumber(each.perSecond),
    shortNumber(each.p50Ms),
    shortNumber(each.p99Ms),
    `${each.errors + each.not2xx}`,
  ]);
  const head = ['path', 'connections', 'pipelined', 'requests a second', 'p50, ms', 'p99, ms', 'errors'];
  return { markdown: ['## HTTP', provenance(file), markdownTable(head, rows)].join('\n\n'), plots: {} };
}

export function soakSection(file: SoakFile): Section {
  const [stage] = file.result.stages;
  const growth = memoryGrowth(file.samples);
  const rows = [
    ['delivered', (stage?.delivered ?? 0).toLocaleString('en')],
    ['clients that came back', (stage?.reconnects ?? 0).toLocaleString('en')],
    ['latency p99, ms', shortNumber((stage?.latencyNs?.p99 ?? 0) / 1e6)],
    [
      'memory: last quarter against second, MB',
      growth === undefined ? '-' : shortNumber(growth / bytesPerMb),
    ],
    ['lost, doubled, out of order', faultsOf(file.result) || 'none'],
  ];
  const plot = lineChart({
    title: 'Memory of the broker under mixed load with churn',
    xTitle: 's',
    yTitle: 'MB',
    lines: [
      {
        name: file.peer,
        points: file.samples.map(({ seconds, brokerBytes }) => [seconds, brokerBytes / bytesPerMb]),
      },
    ],
  });
  const parts = [
    '## Soak',
    provenance(file),
    `${file.scenario.title}.`,
    markdownTable(['', file.peer], rows),
    '![Memory over time](plots/soak.svg)',
  ];
  return { markdown: parts.join('\n\n'), plots: { 'soak.svg': plot } };
}
