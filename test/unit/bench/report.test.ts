/** The report from results that are made up: what is in them is in it, and its plots are drawn to scale. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { crossingCostUs } from '../../../bench/hand-over/figures.ts';
import { countOf } from '../../../bench/hand-over/memory-traffic.ts';
import type { LoadResult, StageResult } from '../../../bench/load/generator.ts';
import { metricsOf } from '../../../bench/load/metrics.ts';
import { scenariosOf } from '../../../bench/load/scenarios.ts';
import { barChart } from '../../../bench/report/bar-chart.ts';
import { type Costs, capacityPage, costsOf, limitsOf } from '../../../bench/report/capacity.ts';
import { lineChart } from '../../../bench/report/line-chart.ts';
import { markdownTable } from '../../../bench/report/markdown.ts';
import { reportFiles } from '../../../bench/report/report.ts';
import { element } from '../../../bench/report/svg.ts';
import {
  type HandOverFile,
  headerOf,
  type PeersFile,
  publishedFolder,
  writeResult,
} from '../../../bench/results.ts';
import { root } from '../../../bench/root.ts';
import { standingsOf, valuesOf } from '../../../bench/standings.ts';

const noFaults = {
  lost: 0,
  undelivered: 0,
  duplicates: 0,
  outOfOrder: 0,
  unclear: 0,
  corrupt: 0,
  refused: 0,
  disconnected: 0,
};

function stageOf(delivered: number, cpuSeconds: number): StageResult {
  return {
    name: 'load',
    clients: 1_000,
    kernelBytes: 1_000 * 8_192,
    openSeconds: 0.5,
    seconds: 2,
    published: delivered,
    delivered,
    refused: 0,
    reconnects: 0,
    takeovers: 0,
    unsubscribes: 0,
    latencyNs: { count: delivered, p50: 1e6, p90: 2e6, p99: 3e6, p999: 4e6, max: 5e6 },
    generator: { cpuSeconds: 1, busiestThread: 0.5, wasTheLimit: delivered > 900_000 },
    broker: {
      cpuSeconds,
      openCpuSeconds: 0.1,
      openMainCpuSeconds: 0.02,
      busiestThread: 0.9,
      bytesBefore: 50e6,
      bytesReady: 50e6 + 1_000 * 2_048,
      bytesAfter: 50e6 + 1_000 * 2_048,
      bytesPeak: 60e6,
    },
  };
}

function resultOf(delivered: number, cpuSeconds: number, lost = 0): LoadResult {
  return { scenario: 'x', stages: [stageOf(delivered, cpuSeconds)], faults: { ...noFaults, lost } };
}

async function madeUp(): Promise<PeersFile> {
  const names = ['p2p', 'quiet', 'fan-out', 'connection-storm', 'idle-connections', 'shared'];
  const scenarios = scenariosOf('quick').filter(({ name }) => names.includes(name));
  const played = scenarios.flatMap(({ name: scenario }) =>
    [0, 1, 2].flatMap((round) => [
      { scenario, peer: 'rallymq', round, result: resultOf(400_000 * (round + 1), 1) },
      scenario === 'shared'
        ? { scenario, peer: 'other', round, error: 'bench-12-sub-3: SUBSCRIBE was refused with 158' }
        : { scenario, peer: 'other', round, result: resultOf(100_000 * (round + 1), 1, round === 2 ? 7 : 0) },
    ]),
  );
  const peers = [
    { name: 'rallymq', description: 'RallyMQ, as made up' },
    { name: 'other', description: 'Other | 1.0' },
  ];
  return { ...(await headerOf('npm run bench -- peers', 'quick')), peers, scenarios, rounds: 3, played };
}

test('the report has the medians, the ratios round by round, what could not be played and what went wrong', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'bench-report-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeResult(folder, 'peers', await madeUp());
  const files = await reportFiles(folder);
  const page = files.get('docs/benchmarks.md') ?? '';
  assert.ok(
    page.includes('| deliveries a second, /s | 400,000 (200,000 – 600,000) | 100,000 (50,000 – 150,000) |'),
    page,
  );
  assert.ok(page.includes('| RallyMQ against it (more is better) |  | 4.00× |'));
  assert.ok(page.includes('- other could not play it: SUBSCRIBE was refused with 158'));
  assert.ok(page.includes('- other: 7 lost'));
  assert.ok(page.includes('- rallymq: in 1 of 3 runs the load generator was the limit'));
  assert.ok(page.includes('npm run bench -- peers'));
  for (const plot of page.matchAll(/\]\((plots\/[^)]*)\)/g)) assert.ok(files.has(`docs/${plot[1]}`), plot[1]);
  assert.match(files.get('docs/capacity.md') ?? '', /Ten million connections/);
});

test('the report says where another broker is better, and counts no run in which messages were lost', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'bench-report-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = await madeUp();
  const better = file.played.map((each) =>
    each.scenario === 'p2p' && each.peer === 'other'
      ? { ...each, result: resultOf(4_000_000, 1, each.round === 0 ? 0 : 5) }
      : each,
  );
  const { lines, behind } = standingsOf({ ...file, played: better });
  assert.ok(lines > behind.length);
  const throughput = behind.filter(({ metric }) => metric.name === 'perSecond');
  assert.deepEqual(
    throughput.map(({ scenario, ours, best, ratio }) => [scenario, ours, best.value, ratio]),
    [['p2p', 400_000, 2_000_000, { min: 0.1, median: 0.1, max: 0.1 }]],
  );
  await writeResult(folder, 'peers', { ...file, played: better });
  const page = (await reportFiles(folder)).get('docs/benchmarks.md') ?? '';
  assert.ok(page.includes('| deliveries a second, /s | p2p | 400,000 | 2,000,000 (other) | 0.100× |'), page);
  assert.equal(standingsOf({ ...file, peers: file.peers.slice(0, 1) }).lines, 0);
});

test('what the memory of a broker that ran already grows by is not compared', async () => {
  const file = await madeUp();
  const scenario = file.scenarios.find(({ kind }) => kind === 'connections') ?? assert.fail();
  const metric = metricsOf('connections').find(({ isGrowth }) => isGrowth) ?? assert.fail();
  const peers = file.peers.map((each) => ({ ...each, isExternal: true as const }));
  assert.equal(valuesOf(file, scenario, 'other', metric)[0], 2);
  assert.deepEqual(valuesOf({ ...file, peers }, scenario, 'other', metric), []);
});

/** With two workers a delivery costs 1 µs of CPU more in `quiet` and crosses two lanes. */
async function handOverMadeUp(): Promise<HandOverFile> {
  const scenarios = scenariosOf('quick').filter(({ name }) => name === 'quiet');
  const played = [1, 2].map((workers) => ({
    scenario: 'quiet',
    workers,
    round: 0,
    result: resultOf(1_000_000, workers),
    lanes: {
      publishSent: 100,
      handedOver: workers === 1 ? 0 : 200,
      laneBatches: workers === 1 ? 0 : 50,
      laneRecords: workers === 1 ? 0 : 400,
      doorbells: workers === 1 ? 0 : 10,
    },
  }));
  const header = await headerOf('npm run bench -- hand-over', 'quick');
  return { ...header, scenarios, workers: [1, 2], rounds: 1, played, noMemoryTraffic: 'made up' };
}

test('what a hand-over costs is what a delivery costs more than with one worker, by the lanes it crosses', async (t) => {
  const file = await handOverMadeUp();
  assert.equal(crossingCostUs(file, 'quiet', 2)?.median, 0.5);
  assert.equal(crossingCostUs(file, 'quiet', 1), undefined);
  const folder = await mkdtemp(join(tmpdir(), 'bench-report-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeResult(folder, 'handOver', file);
  const page = (await reportFiles(folder)).get('docs/benchmarks.md') ?? '';
  for (const row of [
    '| lanes crossed for each delivery | - | 2.00 |',
    '| records in a batch | - | 8.00 |',
    '| doorbells a second | - | 50,000 |',
    '| batches that found their reader asleep, % | - | 20.0 |',
    '| CPU of a crossing, µs | - | 0.500 |',
    'The memory traffic was not counted on this machine: made up.',
  ])
    assert.ok(page.includes(row), `${row} in ${page}`);
});

test('the report has what a page can do with each client, and what it missed', async (t) => {
  const cases = (['rally', 'mqtt.js'] as const).flatMap((client) =>
    ([1, 100] as const).flatMap((window) =>
      [0, 1].map((round) => ({
        peer: 'rallymq',
        client,
        qos: 1 as const,
        window,
        round,
        result: {
          perSecond: (client === 'rally' ? 6_000 : 2_000) * (round + 1),
          p50Us: 500,
          p99Us: 2_000,
          lost: client === 'mqtt.js' && window === 100 ? round : 0,
        },
      })),
    ),
  );
  const header = await headerOf('npm run bench -- browser', 'quick');
  const versions = { chromium: '150.0', mqttJs: '5.16.0' };
  const folder = await mkdtemp(join(tmpdir(), 'bench-report-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeResult(folder, 'browser', { ...header, rounds: 2, versions, peers: ['rallymq'], cases });
  const page = (await reportFiles(folder)).get('docs/benchmarks.md') ?? '';
  const row =
    '| rallymq | 1 | 9,000 (6,000 – 12,000) | 3,000 (2,000 – 4,000) | 3.00× | 0.500 and 2.00 | 0.500 and 2.00 |';
  assert.ok(page.includes(row), page);
  assert.ok(page.includes('- rallymq, mqtt.js, QoS 1: 1 did not come back'), page);
});

test('what perf counted is read, and what it cannot count is not', () => {
  assert.equal(countOf('started\n123456,,cache-misses,0,100.00,,\n'), 123_456);
  assert.equal(countOf('<not supported>,,cache-misses,0,100.00,,\n'), undefined);
});

test('what stands in docs is what the report would write', async () => {
  if (!existsSync(publishedFolder)) {
    for (const page of ['benchmarks', 'capacity'])
      assert.ok(!existsSync(join(root, `docs/${page}.md`)), page);
    return;
  }
  for (const [path, content] of await reportFiles(publishedFolder)) {
    assert.equal(await readFile(join(root, path), 'utf8'), content, path);
  }
});

test('the plan takes its costs from the scenarios, and its first limit is the smallest', async () => {
  const costs = costsOf(await madeUp()) ?? assert.fail();
  assert.equal(costs.connectionBytes, 2_048);
  assert.equal(costs.kernelBytes, 4_096);
  assert.ok(Math.abs(costs.busyDelivery - 1 / 800_000) < 1e-12);
  assert.ok(Math.abs(costs.connectControl - 0.02 / 1_000) < 1e-12);
  for (const cores of [1, 8, 64]) {
    const limits = limitsOf(costs, cores).map(({ connections }) => connections);
    assert.deepEqual(
      limits,
      [...limits].sort((a, b) => a - b),
    );
  }
  const memoryOf = (cores: number): number =>
    limitsOf(costs, cores).find(({ name }) => name === 'memory')?.connections ?? assert.fail();
  // Half of 4 GiB by 6 KiB.
  assert.equal(memoryOf(1), (2 * 2 ** 30) / 6_144);
  assert.equal(memoryOf(8), 8 * memoryOf(1));
  // More cores do not help the one control plane.
  const reconnectsOf = (cores: number): number =>
    limitsOf(costs, cores).find(({ name }) => name.startsWith('all come back'))?.connections ?? assert.fail();
  assert.equal(reconnectsOf(64), reconnectsOf(256));
});

test('the plan counts what it costs to cross lanes, and names settings apart from limits', async () => {
  const [file, handOver] = [await madeUp(), await handOverMadeUp()];
  const [without, withCost] = [costsOf(file), costsOf(file, handOver)].map((costs) => costs ?? assert.fail());
  assert.ok(without && withCost);
  assert.equal(without.quietCrossing, undefined);
  assert.ok(Math.abs((withCost.quietCrossing ?? 0) - 0.5e-6) < 1e-12);
  const chatOf = (costs: Costs, cores: number): number =>
    limitsOf(costs, cores).find(({ name }) => name.startsWith('CPU: chat'))?.connections ?? assert.fail();
  assert.equal(chatOf(without, 1), chatOf(withCost, 1));
  assert.ok(chatOf(without, 8) > chatOf(withCost, 8));
  const page = capacityPage(file, handOver);
  assert.match(page, /a lane that a message crosses, on its own \| 0\.500 µs/);
  assert.match(page, /a lane that a message crosses, among many \| not measured/);
  assert.doesNotMatch(page, /The first limit is \*\*(open files|`connectionsMax)/);
  assert.match(page, /once these settings are raised: /);
});

test('a plan without the scenarios that it needs says so', async () => {
  const file = await madeUp();
  assert.equal(costsOf({ ...file, scenarios: [] }), undefined);
});

test('bars are as long as their share of the longest in their group', () => {
  const svg = barChart({
    title: 'T & <t>',
    unit: 'ms',
    series: ['a', 'b'],
    groups: [
      { label: 'one', values: [10, 5] },
      { label: 'two', values: [undefined, 1_000] },
    ],
  });
  const lengths = [...svg.matchAll(/<rect x="170" [^>]*width="([\d.]+)"[^>]*class="series(\d)"/g)].map(
    (bar) => [Number(bar[1]), bar[2]],
  );
  const [longest] = lengths[0] ?? [];
  assert.deepEqual(lengths, [
    [longest, '0'],
    [Number(longest) / 2, '1'],
    [longest, '1'],
  ]);
  assert.ok(svg.includes('not possible') && svg.includes('T &#38; &#60;t&#62; (ms)'));
  assertWellFormed(svg);
});

test('a line goes from its first point to its last, and its scale begins at 0', () => {
  const points = [
    [0, 50],
    [10, 100],
  ] as const;
  const svg = lineChart({ title: 'Memory', xTitle: 's', yTitle: 'MB', lines: [{ name: 'a', points }] });
  const [first, last] = (/points="([^"]*)"/.exec(svg)?.[1] ?? '')
    .split(' ')
    .map((pair) => pair.split(',').map(Number));
  assert.ok(first && last);
  const [bottom, top] = [256, 50];
  assert.equal(last[1], top);
  assert.equal(first[1], (bottom + top) / 2);
  assertWellFormed(svg);
});

test('attributes and text are escaped', () => {
  assert.equal(
    element('text', { x: 1 / 3, id: '"<' }, 'a&b'),
    '<text x="0.33" id="&#34;&#60;">a&#38;b</text>',
  );
  assert.equal(element('line', { x1: 1 }), '<line x1="1"/>');
});

test('columns of figures are to the right, and a bar in a cell does not end it', () => {
  assert.equal(
    markdownTable(['', 'n', 'why'], [['a|b', '1,000', 'so']]),
    '|  | n | why |\n| --- | ---: | --- |\n| a\\|b | 1,000 | so |',
  );
});

/** Every element that is opened is closed, in order. */
function assertWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, isEnd, name, isEmpty] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (isEnd) assert.equal(open.pop(), name);
    else if (!isEmpty) open.push(name ?? '');
  }
  assert.deepEqual(open, []);
}
