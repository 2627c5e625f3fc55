/** The parts of docs/benchmarks.md about single functions, HTTP, the browser and the soak. */
import { browserHead, browserRows } from '../browser/figures.ts';
import { laneGroup, microGroups } from '../micro/groups.ts';
import { soakFaults, soakRows } from '../peers/soak-verdict.ts';
import { shortNumber } from '../progress.ts';
import type { BrowserFile, ClusterFile, HttpFile, MicroFile, SoakFile } from '../results.ts';
import { lineChart } from './line-chart.ts';
import { capitalised, markdownTable, provenance } from './markdown.ts';
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
    "RallyMQ's own are in bold: `native` is the data plane in C++, `core/wire` the code for control packets and browsers.";
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

export function browserSection(file: BrowserFile): Section {
  const { chromium, mqttJs } = file.versions;
  const intro = [
    `A page of Chromium ${chromium} publishes 64 bytes and gets its own message back: with 100 of them on the way, how many`,
    'that makes a second, and with one, how long it takes from `publish` to the listener. The page, the browser and the',
    `broker share the cores. \`rally\` is this project's client, \`mqtt.js\` is MQTT.js ${mqttJs}.`,
  ].join('\n');
  const lost = file.cases
    .filter(({ result }) => result.lost > 0)
    .map(
      ({ peer, client, qos, result }) => `- ${peer}, ${client}, QoS ${qos}: ${result.lost} did not come back`,
    );
  const parts = ['## In a browser', provenance(file), intro, markdownTable(browserHead, browserRows(file))];
  return { markdown: [...parts, ...(lost.length > 0 ? [lost.join('\n')] : [])].join('\n\n'), plots: {} };
}

export function clusterSection(file: ClusterFile): Section {
  const intro = [
    `Nodes of one worker each, one nats-server ${file.nats}, and all clients share the cores. Goals that are not met are in bold.`,
    'What each line measures is in `bench/cluster/`.',
  ].join(' ');
  const rows = file.figures.map(({ title, value, goal, isMet, note }) => [
    title,
    isMet ? value : `**${value}**`,
    goal,
    note,
  ]);
  const head = ['', 'measured', 'goal', ''];
  return {
    markdown: ['## Cluster', provenance(file), intro, markdownTable(head, rows)].join('\n\n'),
    plots: {},
  };
}

const soakExplanation = [
  'Publishers of QoS 0, 1 and 2 at a fixed rate, subscribers with and without wildcards, half of them over WebSocket and',
  'half over TCP, some of which read slowly or not at all. Pairs of clients with one client identifier come and go, take',
  'each other over, subscribe and unsubscribe; every other pair has a session that outlives its connections, and nothing of',
  'QoS 1 and 2 may be missing in it, over whichever transport its client comes back.',
].join('\n');

export function soakSection(file: SoakFile): Section {
  const faults = soakFaults(file);
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
    `${capitalised(file.scenario.title)}. ${soakExplanation}`,
    markdownTable(['', file.peer], soakRows(file)),
    faults.length === 0
      ? 'Nothing was wrong.'
      : faults.map((fault) => `- Not as it should be: ${fault}`).join('\n'),
    '![Memory over time](plots/soak.svg)',
  ];
  return { markdown: parts.join('\n\n'), plots: { 'soak.svg': plot } };
}
