/** The environment variables of OpenTelemetry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { otlpSettingsOf } from '../../../core/telemetry/otlp-settings.ts';

function read(environment: Readonly<Record<string, string>>) {
  const warnings: string[] = [];
  return { settings: otlpSettingsOf(environment, (sentence) => warnings.push(sentence)), warnings };
}

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

test('without an endpoint, or where it is disabled, nothing is sent', () => {
  for (const environment of [
    {},
    { OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_ENDPOINT: ' ' },
    { ...endpoint, OTEL_SDK_DISABLED: 'TRUE' },
    { ...endpoint, OTEL_METRICS_EXPORTER: 'none', OTEL_TRACES_EXPORTER: 'none' },
  ])
    assert.deepEqual(read(environment), { settings: undefined, warnings: [] });
});

test('one endpoint is for both, with paths of its own; each may have another', () => {
  const both = read({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector/otlp/',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x%3D, x-tenant = a',
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    OTEL_METRIC_EXPORT_INTERVAL: '5000',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,deployment.environment=test',
    OTEL_SERVICE_NAME: 'courts',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '700',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-only=traces',
  });
  assert.deepEqual(both.warnings, []);
  const headers = { authorization: 'Bearer x=', 'x-tenant': 'a' };
  assert.deepEqual(both.settings, {
    metrics: { url: 'https://collector/otlp/v1/metrics', headers, timeoutMs: 500, intervalMs: 5_000 },
    traces: {
      url: 'https://collector/otlp/v1/traces',
      headers: { 'x-only': 'traces' },
      timeoutMs: 700,
      sampler: { followsParent: true, ratio: 0 },
    },
    attributes: { 'service.name': 'courts', 'deployment.environment': 'test' },
  });
  const { settings } = read({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1/x' });
  assert.equal(settings?.metrics, undefined);
  assert.equal(settings?.traces?.url, 'http://127.0.0.1:1/x');
  assert.deepEqual(settings?.attributes, { 'service.name': 'rallymq' });
});

test('a user and a password in the address become a header: fetch() refuses such an address, and its error names it', () => {
  const { settings, warnings } = read({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://court:s%40cret@collector/otlp',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=a',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://:key@traces/v1/traces?a=b',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'Authorization=Bearer%20x',
  });
  assert.deepEqual(warnings, []);
  const authorization = `Basic ${Buffer.from('court:s@cret').toString('base64')}`;
  assert.equal(settings?.metrics?.url, 'https://collector/otlp/v1/metrics');
  assert.deepEqual(settings?.metrics?.headers, { authorization, 'x-tenant': 'a' });
  assert.equal(settings?.traces?.url, 'https://traces/v1/traces?a=b');
  assert.deepEqual(settings?.traces?.headers, { Authorization: 'Bearer x' });
});

test('samplers are those that OpenTelemetry has', () => {
  const of = (sampler: string, argument = '') => {
    const more = argument === '' ? {} : { OTEL_TRACES_SAMPLER_ARG: argument };
    const { settings, warnings } = read({ ...endpoint, OTEL_TRACES_SAMPLER: sampler, ...more });
    return [settings?.traces?.sampler.followsParent, settings?.traces?.sampler.ratio, warnings.length];
  };
  assert.deepEqual(of('always_on'), [false, 1, 0]);
  assert.deepEqual(of('always_off'), [false, 0, 0]);
  assert.deepEqual(of('traceidratio', '0.25'), [false, 0.25, 0]);
  assert.deepEqual(of('parentbased_always_on'), [true, 1, 0]);
  assert.deepEqual(of('parentbased_traceidratio', '0.01'), [true, 0.01, 0]);
  assert.deepEqual(of('parentbased_traceidratio'), [true, 1, 0]);
  assert.deepEqual(of('traceidratio', '7'), [false, 1, 1]);
  assert.deepEqual(of('jaeger_remote'), [true, 0, 1]);
});

test('what is wrong is warned of without its value, and as if it were not there', () => {
  const wrong = read({
    ...endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=%zz,=hunter2,bad name=hunter2,x=ok',
    OTEL_EXPORTER_OTLP_TIMEOUT: 'soon',
    OTEL_METRIC_EXPORT_INTERVAL: '-1',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  });
  assert.deepEqual(wrong.settings?.metrics, {
    url: 'http://collector:4318/v1/metrics',
    headers: { x: 'ok' },
    timeoutMs: 10_000,
    intervalMs: 60_000,
  });
  assert.ok(wrong.warnings.length >= 6);
  assert.ok(!wrong.warnings.some((sentence) => sentence.includes('hunter2')));
  const bad = read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' });
  assert.equal(bad.settings, undefined);
  assert.equal(bad.warnings.length, 2);
});
