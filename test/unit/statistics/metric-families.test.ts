/** The metrics, and what is built upon them: each query of the alerts and of Grafana's dashboard names one that exists. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type CounterName, counterNames } from '../../../core/data-plane/addon.ts';
import { ClientCounts } from '../../../core/statistics/client-counts.ts';
import { type MetricsSample, metricFamilies } from '../../../core/statistics/metric-families.ts';
import { MetricsText } from '../../../core/statistics/metrics-text.ts';

const counts = new ClientCounts();
const client = { clientId: 'a', protocolVersion: 5, transport: 'ws', remoteAddress: '' } as const;
counts.onConnected(client);
counts.onConnected({ ...client, protocolVersion: 3, transport: 'tcp' });
counts.onDisconnected({ ...client, protocolVersion: 3, transport: 'tcp' }, 'keepAliveTimeout');
counts.onRefused(0x86);

const sample: MetricsSample = {
  version: '9.9.9',
  // Each counter has its place in the table as its value.
  counters: Object.fromEntries(counterNames.map((name, index) => [name, index + 1])) as Record<
    CounterName,
    number
  >,
  clients: {
    connected: 1,
    total: 2,
    maximum: 3,
    expired: 4,
    accepted: 5,
    sessionsRefused: 6,
    storageRefused: 7,
  },
  counts,
  authentications: [{ method: 'password', result: 'refused', count: 4 }],
  streams: { streams: 2, missed: 1 },
  loopLag: {
    boundsUs: [1_000, 10_000],
    distributions: [
      { counts: [3, 2, 1], sumSeconds: 0.5 },
      { counts: [0, 0, 0], sumSeconds: 0 },
    ],
  },
  deliveryTime: {
    boundsUs: [50],
    distributions: [
      { counts: [4, 1], sumSeconds: 1 },
      { counts: [2, 0], sumSeconds: 0.25 },
    ],
  },
  logCommit: { boundsUs: [50], distributions: [{ counts: [7, 8], sumSeconds: 3 }] },
  memoryBytes: 7,
  heapBytes: 8,
  cpuSeconds: 9,
  mainThreadSeconds: 10,
  startedAtSeconds: 11,
  isDegraded: false,
  certificateExpirySeconds: 12,
  cluster: {
    nodes: [
      { name: 'a', incarnation: 1, isHere: true, state: 'serving', workers: 2, slots: 1_000 },
      { name: 'b', incarnation: 4, isHere: false, state: 'suspect', workers: 1, slots: 24 },
    ],
    epoch: 13,
    isReached: true,
    isSettled: false,
    clientIdentifiers: 14,
    messagesResent: 15,
    logsNotTakenOver: 25,
    replication: { waitingBytes: 22, waitingMs: 2_300, droppable: 0, isBehind: false, chunksResent: 24 },
    lanes: new Map([
      [
        'b',
        {
          waitingBytes: 16,
          waitingMs: 1_700,
          framesSent: 18,
          framesResent: 19,
          bytesSent: 20,
          bytesReceived: 21,
        },
      ],
    ]),
  },
};
const families = metricFamilies(sample);
const text = new MetricsText().write(families, 'prometheus');

test('what is counted stands there once, under its name', () => {
  for (const line of [
    'rallymq_build_info{version="9.9.9"} 1',
    'rallymq_connections{transport="ws",protocol="5.0"} 1',
    'rallymq_connections{transport="tcp",protocol="3.1"} 0',
    'rallymq_connects_total{result="accepted"} 5',
    'rallymq_connects_total{result="badUserNameOrPassword"} 1',
    'rallymq_disconnects_total{reason="keepAliveTimeout"} 1',
    'rallymq_authentications_total{method="password",result="refused"} 4',
    `rallymq_retained_bytes ${counterNames.indexOf('retainedBytes') + 1}`,
    `rallymq_messages_dropped_total{reason="queue_full"} ${counterNames.indexOf('droppedQueueFull') + 1}`,
    'rallymq_loop_lag_seconds_bucket{worker="0",le="0.001"} 3',
    'rallymq_loop_lag_seconds_bucket{worker="0",le="+Inf"} 6',
    'rallymq_loop_lag_seconds_sum{worker="0"} 0.5',
    'rallymq_loop_lag_seconds_count{worker="1"} 0',
    'rallymq_delivery_seconds_bucket{le="0.00005"} 6',
    'rallymq_delivery_seconds_bucket{le="+Inf"} 7',
    'rallymq_delivery_seconds_sum 1.25',
    'rallymq_log_commit_seconds_bucket{le="0.00005"} 7',
    'rallymq_log_commit_seconds_count 15',
    'rallymq_certificate_expiry_timestamp_seconds 12',
    'rallymq_cluster_slots{node="b"} 24',
    'rallymq_cluster_settled 0',
    'rallymq_cluster_messages_resent_total 15',
    'rallymq_cluster_log_waiting_bytes 22',
    'rallymq_cluster_log_waiting_seconds 2.3',
    'rallymq_cluster_log_chunks_resent_total 24',
    'rallymq_cluster_logs_not_taken_over 25',
    'rallymq_cluster_lane_waiting_bytes{node="b"} 16',
    'rallymq_cluster_lane_waiting_seconds{node="b"} 1.7',
    'rallymq_cluster_lane_frames_resent_total{node="b"} 19',
    'rallymq_cluster_lane_received_bytes_total{node="b"} 21',
  ])
    assert.ok(text.split('\n').includes(line), line);
  const names = families.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const withoutTls = metricFamilies({ ...sample, certificateExpirySeconds: undefined });
  assert.equal(withoutTls.length, families.length - 1);
  const withoutLog = metricFamilies({ ...sample, logCommit: { boundsUs: [50], distributions: [] } });
  assert.equal(withoutLog.length, families.length - 1);
  const alone = metricFamilies({ ...sample, cluster: undefined });
  assert.equal(alone.length, families.length - 17);
});

test('names and helps keep to the conventions of Prometheus', () => {
  for (const { name, help, type } of families) {
    assert.match(name, /^(rallymq|process)_[a-z0-9_]+$/);
    assert.doesNotMatch(name, /_(total|ms|millis|days|count|sum|bucket|info_.*)$/, name);
    assert.match(help, /^.{10,}\.$/, name);
    if (type === 'histogram') assert.match(name, /_seconds$/);
  }
});

function metricsIn(queries: string): string[] {
  return [...queries.matchAll(/\b(rallymq|process)_[a-z0-9_]+\b/g)].map(([name]) => name);
}

test('each query of the alerts and of the dashboard names a metric that exists, and so does the documentation', () => {
  const exist = new Set([...text.matchAll(/^([a-z][a-z0-9_]*)[{ ]/gm)].map(([, name]) => name as string));
  for (const { name, type } of families) if (type === 'histogram') exist.add(name);
  const docs = new URL('../../../../docs/', import.meta.url);
  const read = (path: string): string => readFileSync(new URL(path, docs), 'utf8');
  const dashboard = JSON.parse(read('operating/grafana-dashboard.json')) as {
    panels: { targets: { expr: string }[] }[];
    templating: { list: { query: string }[] };
  };
  const queries = {
    dashboard: [
      ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
      ...dashboard.templating.list.map(({ query }) => query),
    ],
    alerts: [...read('operating/alerts.yml').matchAll(/^\s+expr: (.*?)$\s+(?:for|labels):/gms)].map(
      ([, expr]) => expr as string,
    ),
    documentation: [...read('operating.md').matchAll(/^\| (`(?:rallymq|process)_.*?) \|/gm)].map(
      ([, names]) => names as string,
    ),
  };
  for (const [place, all] of Object.entries(queries)) {
    const named = metricsIn(all.join('\n'));
    assert.ok(named.length >= 6, place);
    for (const name of named) assert.ok(exist.has(name), `${place}: ${name}`);
    for (const [, label = '', values = ''] of all.join('\n').matchAll(/(\w+)=~?"([\w|]+)"/g)) {
      const known = values
        .split('|')
        .every((value) => label === 'job' || text.includes(`${label}="${value}"`));
      assert.ok(known, `${place}: ${label} ${values}`);
    }
  }
  const namesOf = (path: string, row: RegExp): (string | undefined)[] =>
    [...read(path).matchAll(row)].map(([, name]) => name).sort();
  const explained = namesOf('operating.md', /^\| `(RallyMQ\w+)` \| \S/gm);
  assert.deepEqual(explained, namesOf('operating/alerts.yml', /- alert: (\w+)/g), 'each alert is explained');
});
