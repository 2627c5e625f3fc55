/**
 * Metrics and spans in the JSON of OTLP 1.x: 64-bit numbers are strings, identifiers are hexadecimal. Metrics have
 * their Prometheus names without `_total`, so that dashboards work with either. Span attributes follow the
 * semantic conventions for messaging, which are not stable yet.
 */
import type { Distribution, Family, Sample } from '../statistics/metrics-text.ts';
import type { SpanRecord } from '../tracing/trace-record.ts';
import type { StartTimes } from './start-times.ts';

export interface OtlpSource {
  readonly version: string;
  /** Of the resource. */
  readonly attributes: Readonly<Record<string, string>>;
}

const cumulative = 2;
const kinds = { publishSpan: 5, deliverSpan: 4 } as const; // consumer, producer

export function metricsPayload(
  families: readonly Family[],
  { starts, nowMs, ...source }: OtlpSource & { readonly starts: StartTimes; readonly nowMs: number },
): unknown {
  const metrics = families.map((family) => ({
    name: family.name,
    description: family.help,
    ...unitOf(family.name),
    ...pointsOf(family, (point) => ({
      startTimeUnixNano: nanoseconds(starts.of(family, point)),
      timeUnixNano: nanoseconds(nowMs),
    })),
  }));
  return { resourceMetrics: [{ ...resourceOf(source), scopeMetrics: [{ ...scopeOf(source), metrics }] }] };
}

export interface NamedSpan {
  readonly span: SpanRecord;
  readonly startMs: number;
  readonly endMs: number;
  /** Undefined: the host program, or a client that has left. */
  readonly clientId: string | undefined;
}

export function spansPayload(spans: readonly NamedSpan[], source: OtlpSource): unknown {
  return {
    resourceSpans: [
      { ...resourceOf(source), scopeSpans: [{ ...scopeOf(source), spans: spans.map(shownSpan) }] },
    ],
  };
}

function shownSpan({ span, startMs, endMs, clientId }: NamedSpan): unknown {
  const { kind, traceId, spanId, parentSpanId, topic, qos, payloadBytes } = span;
  const name = kind === 'publishSpan' ? 'publish' : 'deliver';
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: attributesOf({
      'messaging.system': 'mqtt',
      'messaging.operation.name': name,
      'messaging.operation.type': kind === 'publishSpan' ? 'receive' : 'send',
      'messaging.destination.name': topic,
      'messaging.message.body.size': payloadBytes,
      'messaging.mqtt.qos': qos,
      ...(clientId === undefined ? {} : { 'messaging.client.id': clientId }),
    }),
  };
}

function pointsOf(
  family: Family,
  timesOf: (point: Sample | Distribution) => Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  if (family.type === 'histogram') {
    const dataPoints = family.distributions.map((point) => ({
      attributes: attributesOf(point.labels ?? {}),
      ...timesOf(point),
      count: `${point.counts.reduce((all, count) => all + count, 0)}`,
      sum: point.sum,
      bucketCounts: point.counts.map((count) => `${count}`),
      explicitBounds: family.bounds,
    }));
    return { histogram: { aggregationTemporality: cumulative, dataPoints } };
  }
  const dataPoints = family.samples.map((point) => ({
    attributes: attributesOf(point.labels ?? {}),
    ...timesOf(point),
    ...(Number.isInteger(point.value) ? { asInt: `${point.value}` } : { asDouble: point.value }),
  }));
  if (family.type === 'gauge') return { gauge: { dataPoints } };
  return { sum: { aggregationTemporality: cumulative, isMonotonic: true, dataPoints } };
}

function unitOf(name: string): { readonly unit?: string } {
  if (name.endsWith('_seconds')) return { unit: 's' };
  return name.endsWith('_bytes') ? { unit: 'By' } : {};
}

function resourceOf({ attributes, version }: OtlpSource): { readonly resource: unknown } {
  return { resource: { attributes: attributesOf({ 'service.version': version, ...attributes }) } };
}
function scopeOf({ version }: OtlpSource): { readonly scope: unknown } {
  return { scope: { name: 'rallymq', version } };
}

function attributesOf(pairs: Readonly<Record<string, string | number>>): unknown {
  return Object.entries(pairs).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: `${value}` } : { stringValue: value },
  }));
}

/** As a string, since a number is not that precise. */
function nanoseconds(ms: number): string {
  return `${BigInt(Math.round(ms * 1_000)) * 1_000n}`;
}
