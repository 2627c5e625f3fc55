/** An OpenTelemetry collector that receives OTLP in JSON, and checks its validity. */
import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.ts';

type Json = Readonly<Record<string, unknown>>;

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Json;
}

export async function startCollector(t: TestContext, port = 0) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text) as Json;
    received.push({ path: request.url ?? '', headers: request.headers, body });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  atEnd(t, close);
  return { received, close, port: (server.address() as AddressInfo).port };
}

export interface Metric {
  readonly name: string;
  readonly points: readonly Json[];
}

/** The metrics of a request; fails if it violates the protocol. */
export function metricsOf({ body }: Received): Metric[] {
  const [resource] = list(body['resourceMetrics']);
  assertAttributes((resource?.['resource'] as Json | undefined)?.['attributes']);
  const [scope] = list(resource?.['scopeMetrics']);
  return list(scope?.['metrics']).map((metric) => {
    const { name, sum, gauge, histogram } = metric as { name: string } & Record<string, Json | undefined>;
    const data = [sum, gauge, histogram].filter((each) => each !== undefined);
    assert.equal(data.length, 1, name);
    if (gauge === undefined) assert.equal((sum ?? histogram)?.['aggregationTemporality'], 2, name);
    const points = list(data[0]?.['dataPoints']);
    for (const point of points) {
      assertAttributes(point['attributes']);
      assert.match(`${point['timeUnixNano']}`, /^\d{19}$/, name);
      if (histogram === undefined)
        assert.ok(/^-?\d+$/.test(`${point['asInt']}`) || Number.isFinite(point['asDouble']));
      else assertHistogram(point, name);
    }
    return { name, points };
  });
}

function assertHistogram(point: Json, name: string): void {
  const counts = point['bucketCounts'] as string[];
  const bounds = point['explicitBounds'] as number[];
  assert.equal(counts.length, bounds.length + 1, name);
  assert.deepEqual(
    bounds,
    bounds.toSorted((a, b) => a - b),
    name,
  );
  assert.equal(`${counts.reduce((sum, count) => sum + Number(count), 0)}`, point['count'], name);
}

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The spans of a request; fails if it violates the protocol. */
export function spansOf({ body }: Received): Span[] {
  const [resource] = list(body['resourceSpans']);
  assertAttributes((resource?.['resource'] as Json | undefined)?.['attributes']);
  const [scope] = list(resource?.['scopeSpans']);
  return list(scope?.['spans']).map((span) => {
    assert.match(`${span['traceId']}`, /^(?!0+$)[0-9a-f]{32}$/);
    assert.match(`${span['spanId']}`, /^(?!0+$)[0-9a-f]{16}$/);
    assert.match(`${span['startTimeUnixNano']}`, /^\d{19}$/);
    assert.ok(BigInt(`${span['endTimeUnixNano']}`) >= BigInt(`${span['startTimeUnixNano']}`));
    return { ...span, attributes: assertAttributes(span['attributes']) } as unknown as Span;
  });
}

export function assertAttributes(attributes: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    list(attributes).map(({ key, value }) => {
      const [kind, ...more] = Object.keys(value as Json);
      assert.ok(more.length === 0 && (kind === 'stringValue' || kind === 'intValue'), `${key}`);
      assert.equal(typeof (value as Json)[kind], 'string', `${key}`);
      return [`${key}`, `${(value as Json)[kind]}`];
    }),
  );
}

function list(value: unknown): readonly Json[] {
  assert.ok(Array.isArray(value));
  return value as Json[];
}
