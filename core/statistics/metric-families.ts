/** The metrics for Prometheus, by name. None is per client or topic, of which there may be millions. */
import type { LaneFigures } from '../cluster/lane-figures.ts';
import type { ClusterFigures } from '../control/cluster-control.ts';
import type { CounterName, Times } from '../data-plane/addon.ts';
import type { AuthenticationCount } from '../security/authenticator.ts';
import type { DirectoryCounts } from '../sessions/session-directory.ts';
import type { ClientCounts } from './client-counts.ts';
import type { Distribution, Family, Sample } from './metrics-text.ts';

export interface MetricsSample {
  readonly version: string;
  readonly counters: Readonly<Record<CounterName, number>>;
  readonly clients: DirectoryCounts;
  readonly counts: ClientCounts;
  /** Empty where nobody authenticates. */
  readonly authentications: readonly AuthenticationCount[];
  readonly streams: { readonly streams: number; readonly missed: number };
  /** Of the workers' event loops. */
  readonly loopLag: Times;
  /** Of each worker. */
  readonly deliveryTime: Times;
  /** Empty without a log. */
  readonly logCommit: Times;
  readonly memoryBytes: number;
  readonly heapBytes: number;
  readonly cpuSeconds: number;
  /** Working time of the main thread, which serves CONNECT and HTTP. */
  readonly mainThreadSeconds: number;
  readonly startedAtSeconds: number;
  readonly isDegraded: boolean;
  /** Undefined without TLS. */
  readonly certificateExpirySeconds: number | undefined;
  /** Undefined: it is not in a cluster. */
  readonly cluster: ClusterFigures | undefined;
}

/** Why a message was dropped, by its counter. */
const dropReasons = {
  droppedQos0: 'outbox_full',
  droppedQueueFull: 'queue_full',
  droppedTotalFull: 'all_queues_full',
  droppedTooLarge: 'too_large',
  droppedExpired: 'expired',
  droppedUnreadable: 'unreadable',
  droppedOutdated: 'outdated',
} as const satisfies Partial<Record<CounterName, string>>;

const refusalReasons = {
  publishRefused: 'not_allowed',
  storageRefused: 'disk_full',
  retainedRefused: 'retained_store_full',
} as const satisfies Partial<Record<CounterName, string>>;

type Plain = readonly [type: 'counter' | 'gauge', name: string, counter: CounterName, help: string];

const plain: readonly Plain[] = [
  ['counter', 'rallymq_messages_received', 'publishReceived', 'PUBLISH packets from clients.'],
  ['counter', 'rallymq_messages_sent', 'publishSent', 'PUBLISH packets to clients.'],
  ['counter', 'rallymq_packets_received', 'otherReceived', 'Packets from clients, except PUBLISH.'],
  ['counter', 'rallymq_packets_sent', 'otherSent', 'Packets to clients, except PUBLISH.'],
  ['counter', 'rallymq_received_bytes', 'bytesReceived', 'Bytes of MQTT from clients.'],
  ['counter', 'rallymq_sent_bytes', 'bytesSent', 'Bytes of MQTT to clients.'],
  ['counter', 'rallymq_messages_withheld', 'withheld', 'Deliveries that the rules did not allow.'],
  ['counter', 'rallymq_connections_opened', 'connectionsOpened', 'Connections that were accepted.'],
  [
    'counter',
    'rallymq_connections_cut',
    'connectionsCut',
    'Connections closed because all together held too much memory.',
  ],
  [
    'counter',
    'rallymq_sessions_cut',
    'sessionsCut',
    'Sessions ended because all together held too much memory.',
  ],
  ['counter', 'rallymq_messages_parked', 'parked', 'Queued messages whose content was left to the log.'],
  [
    'counter',
    'rallymq_messages_read_back',
    'readBack',
    'Queued messages whose content was read back from the log.',
  ],
  ['counter', 'rallymq_messages_handed_over', 'handedOver', 'Messages passed from worker to worker.'],
  [
    'counter',
    'rallymq_messages_handed_over_in_vain',
    'handedOverInVain',
    'Messages passed to a worker where nobody wanted them.',
  ],
  [
    'counter',
    'rallymq_routes_repaired',
    'routesRepaired',
    'Times that a worker knew other routes than another one had told it.',
  ],
  ['counter', 'rallymq_lane_records', 'laneRecords', 'Records that workers took from each other.'],
  ['counter', 'rallymq_tls_handshakes_resumed', 'tlsResumed', 'TLS handshakes that resumed a session.'],
  ['gauge', 'rallymq_sessions', 'sessions', 'Sessions, of connected and disconnected clients.'],
  ['gauge', 'rallymq_subscriptions', 'subscriptions', 'Subscriptions of all sessions.'],
  ['gauge', 'rallymq_shared_subscriptions', 'sharedSubscriptions', 'Those of them that are shared.'],
  [
    'gauge',
    'rallymq_topic_filters',
    'topicFilters',
    'Topic filters that the workers know; each worker counts its own.',
  ],
  [
    'gauge',
    'rallymq_wildcard_routes',
    'wildcardRoutes',
    'In a cluster, topic filters with wildcards that each worker tells the others.',
  ],
  ['gauge', 'rallymq_wide_routes', 'wideRoutes', 'Those of them that stand for many others.'],
  ['gauge', 'rallymq_retained_messages', 'retained', 'Retained messages, except those of $SYS.'],
  [
    'gauge',
    'rallymq_retained_bytes',
    'retainedBytes',
    'Bytes of retained messages and their topics, as of the last second.',
  ],
  [
    'gauge',
    'rallymq_outbox_bytes',
    'outboxBytes',
    'Memory in use for what sockets have not accepted, as of the last second.',
  ],
  ['gauge', 'rallymq_messages_queued', 'queued', 'Messages queued in sessions.'],
];

export function metricFamilies(sample: MetricsSample): Family[] {
  const { counters, clients, counts } = sample;
  return [
    gauge('rallymq_build_info', 'The version that runs.', [
      { labels: { version: sample.version }, value: 1 },
    ]),
    gauge('rallymq_degraded', '1: the broker is impaired; /healthz says why.', [
      { value: sample.isDegraded ? 1 : 0 },
    ]),
    gauge(
      'rallymq_connections',
      'Clients that are connected.',
      counts.connected.map(({ transport, protocol, count }) => ({
        labels: { transport, protocol },
        value: count,
      })),
    ),
    counter('rallymq_connects', 'CONNECT packets, by result.', [
      { labels: { result: 'accepted' }, value: clients.accepted },
      ...counts.refused.map(({ reason, count }) => ({ labels: { result: reason }, value: count })),
    ]),
    counter(
      'rallymq_authentications',
      'Authentications of clients and of users over HTTP, by what decided and how.',
      sample.authentications.map(({ method, result, count }) => ({
        labels: { method, result },
        value: count,
      })),
    ),
    counter(
      'rallymq_disconnects',
      'Connections that have ended, by reason.',
      counts.disconnected.map(({ reason, count }) => ({ labels: { reason }, value: count })),
    ),
    counter('rallymq_sessions_expired', 'Sessions that have expired.', [{ value: clients.expired }]),
    counter(
      'rallymq_messages_dropped',
      'Messages that did not reach a subscriber.',
      byReason(dropReasons, counters),
    ),
    counter(
      'rallymq_messages_refused',
      'Messages that were refused, or not retained.',
      byReason(refusalReasons, counters),
    ),
    counter('rallymq_tls_handshakes', 'TLS handshakes, by result.', [
      { labels: { result: 'completed' }, value: counters.tlsHandshakes },
      { labels: { result: 'failed' }, value: counters.tlsFailed },
    ]),
    ...plain.map(
      ([type, name, counted, help]): Family => ({
        type,
        name,
        help,
        samples: [{ value: counters[counted] }],
      }),
    ),
    gauge('rallymq_event_streams', 'Streams of messages over HTTP that are open.', [
      { value: sample.streams.streams },
    ]),
    counter('rallymq_event_streams_missed', 'Messages that streams over HTTP were too slow for.', [
      { value: sample.streams.missed },
    ]),
    ...times(sample),
    counter('rallymq_main_thread_busy_seconds', 'Busy time of the thread that serves CONNECT and HTTP.', [
      { value: sample.mainThreadSeconds },
    ]),
    ...certificate(sample),
    ...cluster(sample),
    counter('process_cpu_seconds', 'CPU time of the process.', [{ value: sample.cpuSeconds }]),
    gauge('process_resident_memory_bytes', 'Memory of the process.', [{ value: sample.memoryBytes }]),
    gauge('process_start_time_seconds', 'When the broker started, in seconds since 1970.', [
      { value: sample.startedAtSeconds },
    ]),
    gauge('rallymq_main_thread_heap_bytes', "The main thread's heap in use.", [{ value: sample.heapBytes }]),
  ];
}

function byReason(
  reasons: Readonly<Partial<Record<CounterName, string>>>,
  counters: Readonly<Record<CounterName, number>>,
): Sample[] {
  return Object.entries(reasons).map(([name, reason]) => ({
    labels: { reason },
    value: counters[name as CounterName],
  }));
}

function times({ loopLag, deliveryTime, logCommit }: MetricsSample): Family[] {
  const lag = loopLag.distributions.map(({ counts, sumSeconds }, worker) => ({
    labels: { worker: `${worker}` },
    counts,
    sum: sumSeconds,
  }));
  return [
    histogram(
      'rallymq_loop_lag_seconds',
      "Duration of the turns of a worker's event loop; its other clients wait that long.",
      loopLag,
      lag,
    ),
    histogram(
      'rallymq_delivery_seconds',
      'Time from reading a PUBLISH to writing it to the socket of a subscriber, for sampled messages.',
      deliveryTime,
      [together(deliveryTime)],
    ),
    ...(logCommit.distributions.length === 0
      ? []
      : [
          histogram(
            'rallymq_log_commit_seconds',
            'Duration of one commit to the disk, including the sync with durability fsync.',
            logCommit,
            [together(logCommit)],
          ),
        ]),
  ];
}

/** Of all workers. */
function together({ boundsUs, distributions }: Times): Distribution {
  const counts = Array.from({ length: boundsUs.length + 1 }, (_, bucket) =>
    distributions.reduce((sum, each) => sum + (each.counts[bucket] ?? 0), 0),
  );
  return { counts, sum: distributions.reduce((sum, each) => sum + each.sumSeconds, 0) };
}

function histogram(
  name: string,
  help: string,
  { boundsUs }: Times,
  distributions: readonly Distribution[],
): Family {
  return { type: 'histogram', name, help, bounds: boundsUs.map((us) => us / 1e6), distributions };
}

function certificate({ certificateExpirySeconds }: MetricsSample): Family[] {
  if (certificateExpirySeconds === undefined) return [];
  const help = 'When the first certificate expires, in seconds since 1970.';
  return [gauge('rallymq_certificate_expiry_timestamp_seconds', help, [{ value: certificateExpirySeconds }])];
}

function cluster({ cluster: figures }: MetricsSample): Family[] {
  if (figures === undefined) return [];
  const { nodes, epoch, isReached, isSettled, clientIdentifiers, messagesResent, lanes } = figures;
  const slots = nodes.map(({ name, slots: value }) => ({ labels: { node: name }, value }));
  return [
    gauge('rallymq_cluster_reached', '0: the node is cut off from its cluster.', [
      { value: isReached ? 1 : 0 },
    ]),
    gauge('rallymq_cluster_settled', '1: all nodes have applied the last change.', [
      { value: isSettled ? 1 : 0 },
    ]),
    gauge('rallymq_cluster_epoch', 'How often the cluster has changed.', [{ value: epoch }]),
    gauge('rallymq_cluster_nodes', 'Nodes in the cluster.', [{ value: nodes.length }]),
    gauge('rallymq_cluster_slots', 'Slots of each node, of 1,024.', slots),
    gauge('rallymq_cluster_client_identifiers', 'Client identifiers that this node is the directory of.', [
      { value: clientIdentifiers },
    ]),
    counter('rallymq_cluster_messages_resent', 'Messages to other main threads that were resent.', [
      { value: messagesResent },
    ]),
    ...laneFamilies(lanes),
    ...replicationFamilies(figures),
  ];
}

function replicationFamilies({ replication, logsNotTakenOver }: ClusterFigures): Family[] {
  if (replication === undefined) return [];
  return [
    gauge(
      'rallymq_cluster_logs_not_taken_over',
      'Logs of lost nodes that no node has been able to take over so far.',
      [{ value: logsNotTakenOver }],
    ),
    gauge(
      'rallymq_cluster_log_waiting_bytes',
      'Bytes of the log of this node not acknowledged by JetStream.',
      [{ value: replication.waitingBytes }],
    ),
    gauge('rallymq_cluster_log_waiting_seconds', 'The age of the oldest of those bytes.', [
      { value: replication.waitingMs / 1_000 },
    ]),
    counter('rallymq_cluster_log_chunks_resent', 'Parts of the log that were sent to JetStream again.', [
      { value: replication.chunksResent },
    ]),
  ];
}

function laneFamilies(lanes: ReadonlyMap<string, LaneFigures>): Family[] {
  const of = (figure: (figures: LaneFigures) => number): Sample[] =>
    [...lanes].map(([node, figures]) => ({ labels: { node }, value: figure(figures) }));
  return [
    gauge(
      'rallymq_cluster_lane_waiting_bytes',
      'Bytes for another node that are not acknowledged, or not sent yet.',
      of(({ waitingBytes }) => waitingBytes),
    ),
    gauge(
      'rallymq_cluster_lane_waiting_seconds',
      'The age of the oldest of those bytes.',
      of(({ waitingMs }) => waitingMs / 1_000),
    ),
    counter(
      'rallymq_cluster_lane_frames_sent',
      'Frames to another node.',
      of(({ framesSent }) => framesSent),
    ),
    counter(
      'rallymq_cluster_lane_frames_resent',
      'Frames to another node that were resent.',
      of(({ framesResent }) => framesResent),
    ),
    counter(
      'rallymq_cluster_lane_sent_bytes',
      'Bytes to another node.',
      of(({ bytesSent }) => bytesSent),
    ),
    counter(
      'rallymq_cluster_lane_received_bytes',
      'Bytes from another node.',
      of(({ bytesReceived }) => bytesReceived),
    ),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { type: 'gauge', name, help, samples };
}
function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { type: 'counter', name, help, samples };
}
