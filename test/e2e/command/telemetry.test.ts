/** `rallymq` with the environment variables of OpenTelemetry, against a simulated collector. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startCommand, unusedPort } from '../../support/command.ts';
import {
  assertAttributes,
  metricsOf,
  type Span,
  spansOf,
  startCollector,
} from '../../support/otlp-collector.ts';
import { connectRally } from '../../support/rally.ts';
import { until } from '../../support/wait.ts';

const flags = ['--workers', '2'];
const traceId = '0af7651916cd43dd8448eb211c80319c';
const parent = 'b7ad6b7169203331';

async function startRallymq(
  t: TestContext,
  port: number,
  environment: Readonly<Record<string, string>> = {},
) {
  const command = startCommand(t, flags, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_METRIC_EXPORT_INTERVAL: '300',
    ...environment,
  });
  const ports = await command.ready();
  return { command, url: `ws://127.0.0.1:${ports.port}/mqtt` };
}

test('metrics and spans of sampled messages go to the collector, and traceparent goes on to subscribers', async (t) => {
  const { received, port } = await startCollector(t);
  const { url } = await startRallymq(t, port, {
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=courts',
    OTEL_SERVICE_NAME: 'umpire',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
  });
  const ada = await connectRally(t, url, { clientId: 'ada' });
  const bob = await connectRally(t, url, { clientId: 'bob' });
  const heard: unknown[] = [];
  const listen = ({ properties }: { properties: { userProperties?: unknown } }) =>
    void heard.push(properties.userProperties);
  await ada.subscribe('scores/#', listen).ready;
  await bob.subscribe('scores/1', listen).ready;
  const userProperties = (flags: string): [string, string][] => [
    ['traceparent', `00-${traceId}-${parent}-${flags}`],
    ['tracestate', 'courts=1'],
  ];
  for (const flags of ['01', '00'])
    await ada.publish('scores/1', '40-30', { qos: 1, properties: { userProperties: userProperties(flags) } });
  await ada.publish('scores/1', 'plain', { qos: 1 });
  const broken: [string, string][] = [['traceparent', `00-${traceId}-${parent}`]];
  await ada.publish('scores/1', 'broken', { qos: 1, properties: { userProperties: broken } });
  await until('all has come', () => heard.length === 8);
  assert.deepEqual(heard[0], userProperties('01'));
  const spans = (): Span[] => received.filter(({ path }) => path === '/v1/traces').flatMap(spansOf);
  await until('the spans have come', () => spans().length === 3);
  const [publish, ...delivers] = spans().toSorted((a) => (a.name === 'publish' ? -1 : 1));
  assert.deepEqual(
    [publish?.traceId, publish?.parentSpanId, publish?.name, publish?.attributes['messaging.client.id']],
    [traceId, parent, 'publish', 'ada'],
  );
  assert.deepEqual(publish?.attributes['messaging.destination.name'], 'scores/1');
  assert.deepEqual(delivers.map(({ attributes }) => attributes['messaging.client.id']).sort(), [
    'ada',
    'bob',
  ]);
  for (const deliver of delivers) {
    assert.deepEqual(
      [deliver.name, deliver.traceId, deliver.parentSpanId],
      ['deliver', traceId, publish?.spanId],
    );
    const differs = Number(BigInt(deliver.startTimeUnixNano) - BigInt(publish?.startTimeUnixNano ?? 0)) / 1e6;
    assert.ok(Math.abs(differs) < 20, `${differs} ms`);
  }
  assert.equal(new Set(spans().map(({ spanId }) => spanId)).size, 3);
  const isCounted = () => {
    const last = received.filter(({ path }) => path === '/v1/metrics').at(-1);
    const metrics = last === undefined ? [] : metricsOf(last);
    return metrics.find(({ name }) => name === 'rallymq_messages_received')?.points[0]?.['asInt'] === '4';
  };
  await until('the metrics count what has come', isCounted);
  const last = received.filter(({ path }) => path === '/v1/metrics').at(-1);
  assert.ok(last);
  assert.equal(last.headers['x-tenant'], 'courts');
  assert.ok(
    metricsOf(last).some(
      ({ name, points }) => name === 'rallymq_delivery_seconds' && points[0]?.['count'] !== '0',
    ),
  );
  const [{ resource }] = last.body['resourceMetrics'] as [{ resource: { attributes: unknown } }];
  const attributes = assertAttributes(resource.attributes);
  assert.deepEqual([attributes['service.name'], attributes['deployment.environment']], ['umpire', 'test']);
});

test('where a sampler says so, messages that come with no trace begin one', async (t) => {
  const { received, port } = await startCollector(t);
  const { url } = await startRallymq(t, port, {
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.5',
    OTEL_METRICS_EXPORTER: 'none',
  });
  const ada = await connectRally(t, url, { clientId: 'ada' });
  for (let n = 0; n < 200; n++) await ada.publish(`scores/${n}`, 'x', { qos: 1 });
  const spans = () => received.flatMap(spansOf);
  await until('some have come', () => spans().length > 60);
  assert.ok(received.every(({ path }) => path === '/v1/traces'));
  assert.ok(spans().every(({ parentSpanId }) => parentSpanId === undefined));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(spans().length < 140, `${spans().length}`); // 100 with a deviation of 7
});

test('a collector that is down costs a line in the log, and messages go on', async (t) => {
  const port = await unusedPort();
  const { command, url } = await startRallymq(t, port);
  const ada = await connectRally(t, url, { clientId: 'ada' });
  await until('it is said', () => /does not accept exports/.test(command.stderr));
  for (let n = 0; n < 100; n++) await ada.publish('a', 'x', { qos: 1 });
  const { received } = await startCollector(t, port);
  await until('it is heard again', () => received.length > 0 && /accepts exports again/.test(command.stderr));
  assert.equal(command.stderr.match(/collector/g)?.length, 2);
});

test('without the variables nothing is sent', async (t) => {
  const { received, port } = await startCollector(t);
  const { url } = await startRallymq(t, port, { OTEL_SDK_DISABLED: 'true' });
  const ada = await connectRally(t, url, { clientId: 'ada' });
  await ada.publish('a', 'x', { qos: 1 });
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.deepEqual(received, []);
});
