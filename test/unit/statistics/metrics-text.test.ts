import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Family, MetricsText } from '../../../core/statistics/metrics-text.ts';

const families: Family[] = [
  {
    type: 'counter',
    name: 'things',
    help: 'What is counted.',
    samples: [{ labels: { reason: 'a"b\\c\nd' }, value: 3 }, { value: 0.5 }],
  },
  { type: 'gauge', name: 'level', help: 'How high.', samples: [] },
  {
    type: 'histogram',
    name: 'wait_seconds',
    help: 'How long.',
    bounds: [0.1, 1],
    distributions: [{ labels: { worker: '0' }, counts: [2, 0, 1], sum: 4.5 }],
  },
];

const changed = families.map(
  (family): Family =>
    family.type === 'histogram'
      ? { ...family, distributions: [{ labels: { worker: '0' }, counts: [7, 7, 7], sum: 7 }] }
      : { ...family, samples: [{ value: 7 }] },
);

const histogram = [
  '# HELP wait_seconds How long.',
  '# TYPE wait_seconds histogram',
  'wait_seconds_bucket{worker="0",le="0.1"} 2',
  'wait_seconds_bucket{worker="0",le="1"} 2',
  'wait_seconds_bucket{worker="0",le="+Inf"} 3',
  'wait_seconds_sum{worker="0"} 4.5',
  'wait_seconds_count{worker="0"} 3',
];

test("Prometheus' text", () => {
  const written = new MetricsText();
  written.write(changed, 'prometheus'); // what is kept of it has no numbers
  assert.deepEqual(written.write(families, 'prometheus').split('\n'), [
    '# HELP things_total What is counted.',
    '# TYPE things_total counter',
    'things_total{reason="a\\"b\\\\c\\nd"} 3',
    'things_total 0.5',
    '# HELP level How high.',
    '# TYPE level gauge',
    ...histogram,
    '',
  ]);
});

test('OpenMetrics names a counter without its suffix, and ends with a mark', () => {
  const lines = new MetricsText().write(families, 'openMetrics').split('\n');
  assert.deepEqual(lines.slice(0, 4), [
    '# HELP things What is counted.',
    '# TYPE things counter',
    'things_total{reason="a\\"b\\\\c\\nd"} 3',
    'things_total 0.5',
  ]);
  assert.deepEqual(lines.slice(-2), ['# EOF', '']);
});
