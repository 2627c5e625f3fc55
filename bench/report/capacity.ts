/**
 * docs/capacity.md: what machines with 1, 8 and 64 cores can carry, and what ten million connections need,
 * computed from the measured costs of a delivery and a connection. It is a plan: no machine of those sizes
 * was measured.
 */

import { beatMs } from '../../core/cluster/membership.ts';
import { clusterWorkersMax, slotCount } from '../../core/cluster/slots.ts';
import { limitRanges } from '../../core/config/limits.ts';
import { workersMax } from '../../core/config/options.ts';
import { crossingCostUs } from '../hand-over/figures.ts';
import { metricsOf } from '../load/metrics.ts';
import { ours } from '../peers/peer.ts';
import { shortNumber } from '../progress.ts';
import type { ClusterCosts, ClusterFile, HandOverFile, PeersFile } from '../results.ts';
import { spreadOf } from '../statistics.ts';
import { markdownTable, provenance } from './markdown.ts';

/** What one unit of work costs, as measured. */
export interface Costs {
  /** CPU seconds per delivery: in batches, one by one, and to many subscribers at once. */
  readonly busyDelivery: number;
  readonly quietDelivery: number;
  readonly fanOutDelivery: number;
  /** CPU seconds of a connection that is made: on the workers, and on the one control plane. */
  readonly connectWorker: number;
  readonly connectControl: number;
  /** Bytes of an idle connection: in the process, and in the kernel. */
  readonly connectionBytes: number;
  readonly kernelBytes: number;
  /** CPU seconds of a lane that a message crosses, among many and on its own; nothing where that was not measured. */
  readonly busyCrossing: number | undefined;
  readonly quietCrossing: number | undefined;
}

/** The assumptions of the plan; everything else is measured. */
const assumptions = {
  /** Of the CPU, so that bursts and reconnects find room. */
  utilisation: 0.7,
  /** As clouds sell them. */
  gibPerCore: 4,
  /** Of the memory, for connections; the rest is for queues, retained messages and the system. */
  memoryShare: 0.5,
  /** In which all clients must have come back after an outage. */
  reconnectSeconds: 60,
  /** The maximum that Linux lets a process open unless fs.nr_open is raised. */
  descriptors: 1_048_576,
  /** The silence after which a WebSocket is pinged, as in native/net/sockets.h. */
  pingSeconds: 30,
  /** What a network card gives for each core, as clouds sell them. */
  gbitPerCore: 0.5,
  /** On the wire, of a small message with all its headers and the segment that acknowledges it. */
  wireBytes: 300,
  /** Between two messages that a connection gets. */
  scoresSeconds: 5,
  chatSeconds: 10,
} as const;

export interface Limit {
  readonly name: string;
  /** Connections at which it is reached. */
  readonly connections: number;
  readonly moves: string;
  /** It is a configuration value, which is raised first if needed. */
  readonly isSetting?: boolean;
}

const gib = 2 ** 30;
const bytesPerKb = 1_024;

/** Undefined if a scenario that it needs was not measured. */
export function costsOf(file: PeersFile, handOver?: HandOverFile): Costs | undefined {
  const busy = metric(file, 'p2p', 'rallymq', 'cpuPerDelivery');
  const quiet = metric(file, 'quiet', 'rallymq', 'cpuPerDelivery');
  const fanOut = metric(file, 'fan-out', 'rallymq', 'cpuPerDelivery');
  const connections = stageMedian(file, 'idle-connections', (stage) =>
    stage.broker ? (stage.broker.bytesAfter - stage.broker.bytesBefore) / stage.clients : undefined,
  );
  const kernel = stageMedian(file, 'idle-connections', (stage) => stage.kernelBytes / stage.clients / 2);
  const all = stageMedian(
    file,
    'connection-storm',
    (stage) => stage.broker && stage.broker.openCpuSeconds / stage.clients,
  );
  const control = stageMedian(
    file,
    'connection-storm',
    (stage) => stage.broker && stage.broker.openMainCpuSeconds / stage.clients,
  );
  if (busy === undefined || quiet === undefined || fanOut === undefined || connections === undefined)
    return undefined;
  if (kernel === undefined || all === undefined || control === undefined) return undefined;
  const crossing = (scenario: string): number | undefined => {
    const us = handOver && crossingCostUs(handOver, scenario, 2)?.median;
    return us === undefined ? undefined : Math.max(0, us) / 1e6;
  };
  return {
    busyDelivery: busy / 1e6,
    quietDelivery: quiet / 1e6,
    fanOutDelivery: fanOut / 1e6,
    connectWorker: Math.max(0, all - control),
    connectControl: control,
    connectionBytes: connections,
    kernelBytes: Math.max(0, kernel),
    busyCrossing: crossing('p2p'),
    quietCrossing: crossing('quiet'),
  };
}

/** All limits of one machine, the first one first. */
export function limitsOf(costs: Costs, cores: number): readonly Limit[] {
  const { utilisation, gibPerCore, memoryShare, reconnectSeconds, descriptors } = assumptions;
  const { pingSeconds, gbitPerCore, wireBytes } = assumptions;
  const workers = workersOf(cores);
  const cpu = workers * utilisation;
  const chat = costs.quietDelivery + crossingsOf(workers) * (costs.quietCrossing ?? 0);
  const perConnection = costs.connectionBytes + costs.kernelBytes;
  // On one core the control plane and the worker share it.
  const onControl = cores > 1 ? costs.connectControl / utilisation : 0;
  const onWorkers = (costs.connectWorker + (cores > 1 ? 0 : costs.connectControl)) / cpu;
  const limits: Limit[] = [
    {
      name: `CPU: scores, a message to each every ${assumptions.scoresSeconds} s by fan-out`,
      connections: (cpu * assumptions.scoresSeconds) / costs.fanOutDelivery,
      moves: 'less CPU per subscriber, or more workers',
    },
    {
      name: `CPU: chat, a message to each every ${assumptions.chatSeconds} s from another`,
      connections: (cpu * assumptions.chatSeconds) / chat,
      moves:
        'fewer system calls per message, since here every message has its own; cheaper hand-over; more workers',
    },
    {
      name: `CPU: silent WebSockets, a ping and its answer every ${pingSeconds} s`,
      connections: (cpu * pingSeconds) / costs.quietDelivery,
      moves:
        'a longer interval, as far as the proxies on the way allow; clients that send PINGREQ are not silent',
    },
    {
      name: `network: scores, a message to each every ${assumptions.scoresSeconds} s`,
      connections: (cores * gbitPerCore * 1e9 * assumptions.scoresSeconds) / (8 * wireBytes),
      moves: 'a faster card; fewer, larger messages, since most of a small one is headers',
    },
    {
      name: 'memory',
      connections: (cores * gibPerCore * gib * memoryShare) / perConnection,
      moves: `less than the ${shortNumber(costs.kernelBytes / bytesPerKb)} KB that the kernel keeps for a socket would need fewer sockets; the broker's own part is ${shortNumber(costs.connectionBytes / bytesPerKb)} KB`,
    },
    {
      name: `all come back within ${reconnectSeconds} s`,
      connections: reconnectSeconds / Math.max(onControl, onWorkers),
      moves: `a cheaper CONNECT on ${onControl > onWorkers ? 'the control plane, which is one thread' : 'the workers, or more of them'}; jitter and backoff of the clients; more nodes`,
    },
    {
      name: 'open files of one process',
      connections: descriptors,
      moves: '`sysctl fs.nr_open` and `ulimit -n`',
      isSetting: true,
    },
    {
      name: '`connectionsMax` at its default',
      connections: limitRanges.connectionsMax.default,
      moves: `the limit itself, up to ${limitRanges.connectionsMax.max.toLocaleString('en')}`,
      isSetting: true,
    },
  ];
  return limits.sort((a, b) => a.connections - b.connections);
}

export function capacityPage(file: PeersFile, handOver?: HandOverFile, cluster?: ClusterFile): string {
  const costs = costsOf(file, handOver);
  const introduction = [
    '# Capacity',
    'How large a broker can get, computed from what small loads cost. **Measured** are only the figures of' +
      ' [What it costs](#what-it-costs), on a machine with 2 cores; see [benchmarks](benchmarks.md). **Arithmetic** is everything' +
      ' else: nobody has run machines of these sizes, and the tables are for planning, not a promise.',
    'How to read a table: each row is one limit and the number of connections at which it is reached; the first row that' +
      ' applies to you decides. The page is written by `npm run bench -- report`.',
    provenance(file),
    ...(handOver ? [provenance(handOver)] : []),
  ];
  if (!costs) {
    const missing =
      'The scenarios that it needs were not measured: p2p, quiet, fan-out, connection-storm and idle-connections.';
    return `${[...introduction, missing].join('\n\n')}\n`;
  }
  const machines = [1, 8, 64].map((cores) => machinePart(costs, cores));
  return `${[...introduction, costsPart(costs), assumptionsPart(), ...machines, tenMillionPart(costs), ...(cluster?.costs ? [clusterPart(cluster.costs)] : [])].join('\n\n')}\n`;
}

function costsPart(costs: Costs): string {
  const us = (seconds: number): string => `${shortNumber(seconds * 1e6)} µs`;
  const kb = (bytes: number): string => `${shortNumber(bytes / bytesPerKb)} KB`;
  const crossing = (seconds: number | undefined): string =>
    seconds === undefined ? 'not measured; nothing is assumed' : us(seconds);
  const rows = [
    ['a delivery of many at once (p2p)', us(costs.busyDelivery)],
    ['a delivery on its own (quiet)', us(costs.quietDelivery)],
    ['a delivery to one of many subscribers (fan-out)', us(costs.fanOutDelivery)],
    ['a connection that is made, on its worker', us(costs.connectWorker)],
    ['a connection that is made, on the control plane', us(costs.connectControl)],
    ['an idle connection, in the broker', kb(costs.connectionBytes)],
    ['an idle connection, in the kernel', kb(costs.kernelBytes)],
    ['a lane that a message crosses, among many', crossing(costs.busyCrossing)],
    ['a lane that a message crosses, on its own', crossing(costs.quietCrossing)],
  ];
  return `## What it costs\n\n${markdownTable(['', 'CPU or memory'], rows)}`;
}

function assumptionsPart(): string {
  const { utilisation, gibPerCore, memoryShare, reconnectSeconds, gbitPerCore, wireBytes } = assumptions;
  return [
    '## What is assumed',
    `${utilisation * 100} % of the CPU of the workers is used, and one core is left to the control plane where there is more than one;` +
      ` at most ${workersMax} workers; a message crosses ${shortNumber(crossingsOf(2))} lane on average with two workers and nearly two with many, as its` +
      ` publisher, its owner and its subscriber are on any of them; ${gibPerCore} GiB of memory for each core, ${memoryShare * 100} % of it for connections; after an outage all` +
      ` clients come back within ${reconnectSeconds} s; messages of 64 bytes, which are ${wireBytes} on the wire; ${gbitPerCore} Gbit/s for each core. TLS ends in a proxy in front and is not counted.`,
  ].join('\n\n');
}

function machinePart(costs: Costs, cores: number): string {
  const limits = limitsOf(costs, cores);
  const workers = workersOf(cores);
  const delivery = costs.busyDelivery + crossingsOf(workers) * (costs.busyCrossing ?? 0);
  const perSecond = (workers * assumptions.utilisation) / delivery;
  const rows = limits.map((limit) => [nameOf(limit), whole(limit.connections), limit.moves]);
  const first = limits.find(({ isSetting }) => !isSetting);
  const before = limits.slice(0, first ? limits.indexOf(first) : 0);
  const settings = before.map(({ name }) => name).join(' and ');
  return [
    `## ${cores} ${cores === 1 ? 'core' : 'cores'}`,
    `${workers} ${workers === 1 ? 'worker' : 'workers'}; at most ${whole(perSecond)} deliveries a second from busy` +
      ` publishers. The first limit is **${first?.name}**, at ${whole(first?.connections ?? 0)} connections` +
      `${settings === '' ? '' : `, once these settings are raised: ${settings}`}.`,
    markdownTable(['limit', 'connections', 'what would move it'], rows),
  ].join('\n\n');
}

function tenMillionPart(costs: Costs): string {
  const wanted = 10_000_000;
  const cores = 64;
  const perNode = limitsOf(costs, cores);
  const first = perNode.find(({ isSetting }) => !isSetting);
  const memoryGib = (wanted * (costs.connectionBytes + costs.kernelBytes)) / gib;
  const rows = perNode.map((limit) => [
    nameOf(limit),
    `${Math.ceil(wanted / limit.connections)}`,
    limit.moves,
  ]);
  return [
    '## Ten million connections',
    `They take ${whole(memoryGib)} GiB, and to come back within ${assumptions.reconnectSeconds} s they need ${whole(wanted / assumptions.reconnectSeconds)} CONNECTs a second.` +
      ` The table gives the number of ${cores}-core nodes that each limit requires; the largest decides. With the settings raised that is **${first?.name}**: ${Math.ceil(wanted / (first?.connections ?? wanted))}.` +
      ' These numbers do not include the traffic between nodes; see below.',
    markdownTable(['limit', 'nodes', 'what would move it'], rows),
  ].join('\n\n');
}

/** For NATS and for a node; the assumptions of the plan. */
const clusterAssumptions = {
  cores: 8,
  /** Of a message with its head in a frame between two nodes. */
  frameBytes: 130,
} as const;

function clusterPart({ remoteUs, localUs, natsUs }: ClusterCosts): string {
  const { utilisation, gbitPerCore } = assumptions;
  const { cores, frameBytes } = clusterAssumptions;
  const rows = [10, 100, 1_000].map((nodes) => {
    const crossings = crossingsOf(nodes);
    const perMessageUs = localUs + crossings * Math.max(0, remoteUs - localUs);
    const perSecond = (nodes * workersOf(cores) * utilisation * 1e6) / perMessageUs;
    const crossed = perSecond * crossings;
    const byCpu = (crossed * natsUs) / (cores * utilisation * 1e6);
    const byNetwork = (crossed * frameBytes * 8) / (cores * gbitPerCore * 1e9);
    return [
      whole(nodes),
      shortNumber(perMessageUs),
      whole(perSecond),
      `${Math.ceil(Math.max(byCpu, byNetwork))}`,
      whole((nodes * nodes * 1_000) / beatMs),
      `${(slotCount / nodes).toFixed(slotCount / nodes < 10 ? 1 : 0)}`,
    ];
  });
  const head = [
    'nodes',
    'CPU of the brokers a message, µs',
    'messages a second',
    'servers of NATS',
    'heartbeats delivered a second',
    'slots of a node',
  ];
  return [
    '## Many nodes',
    `Nodes with ${cores} cores, connected by NATS on machines with ${cores} cores; each message has one subscriber. A message goes from its publisher's node` +
      ` to the owner of its topic and on to its subscriber's: with many nodes it crosses NATS nearly twice. Measured between two nodes: ${shortNumber(remoteUs)} µs of CPU on both brokers` +
      ` for a message that crosses once, ${shortNumber(localUs)} µs on one node, ${shortNumber(natsUs)} µs of NATS; ${frameBytes} bytes in a frame.`,
    markdownTable(head, rows),
    [
      '**The limits, and what would move them:**',
      '',
      `- **${clusterWorkersMax} workers in total** is the current limit: the workers with subscribers of a filter are stored as one 64-bit number. So a cluster has ${Math.floor(clusterWorkersMax / workersOf(cores))} nodes of ${workersOf(cores)} workers, or ${clusterWorkersMax} of one. The lines for 100 and 1,000 nodes show what would be possible if that number were a list.`,
      '- **NATS servers**: the table divides the load by what one server carries. In a NATS cluster, a message between clients of two servers costs both of them: the same load needs twice as many servers. Workers connect to any of them.',
      `- **${slotCount.toLocaleString('en')} slots** are enough for tens of nodes. With 1,000 nodes each has one on average, so some have none and some four: more slots would be needed, and a view that is more than a single value.`,
      '- **Heartbeats** go to all nodes, so they grow with the square of their number: negligible with 100, but with 1,000 more than the messages of many brokers. They would have to go to a few watchers instead.',
      '- **Filters with wildcards** are known to every worker of every node: the memory for them does not shrink with more nodes.',
      '- **Beyond some tens of nodes**, use several clusters, each with its own NATS, by region or tenant, with NATS leaf nodes between them for shared topics, rather than a larger one.',
    ].join('\n'),
  ].join('\n\n');
}

function nameOf({ name, isSetting }: Limit): string {
  return isSetting ? `${name} (a setting)` : name;
}

/** Lanes that a message to one subscriber crosses, on average: to its owner, and on to its subscriber. */
function crossingsOf(workers: number): number {
  return 2 * (1 - 1 / workers);
}

function workersOf(cores: number): number {
  return Math.min(workersMax, Math.max(1, cores - 1));
}

function metric(file: PeersFile, scenario: string, peer: string, name: string): number | undefined {
  const found = file.scenarios.find((each) => each.name === scenario);
  const wanted = found && metricsOf(found.kind).find((each) => each.name === name);
  const own = file.played.filter((each) => each.scenario === scenario && each.peer === peer);
  return spreadOf(own.flatMap(({ result }) => (result && wanted?.of(result)) ?? []))?.median;
}

type Stage = NonNullable<PeersFile['played'][number]['result']>['stages'][number];

function stageMedian(
  file: PeersFile,
  scenario: string,
  of: (stage: Stage) => number | undefined,
): number | undefined {
  const own = file.played.filter((each) => each.scenario === scenario && each.peer === ours);
  return spreadOf(own.flatMap(({ result }) => (result?.stages[0] && of(result.stages[0])) ?? []))?.median;
}

function whole(value: number): string {
  return Math.round(Number(value.toPrecision(2))).toLocaleString('en');
}
