/** The figures of the broker, with parts that have nothing to count. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Figures, type FiguresOptions } from '../../../core/control/figures.ts';
import { ClientCounts } from '../../../core/statistics/client-counts.ts';

const counts = { connected: 0, total: 0, maximum: 0, expired: 0, accepted: 0 };
const options = {
  version: '9.9.9',
  directory: { counts: { ...counts, sessionsRefused: 0, storageRefused: 0 } },
  counts: new ClientCounts(),
  streams: { counts: { streams: 0, missed: 0 } },
  tls: undefined,
  cluster: undefined,
  running: () => ({ counters: [], times: () => ({ boundsUs: [], distributions: [] }) }),
  clientsRefused: () => 0,
  authentications: () => [],
  trouble: () => undefined,
} as unknown as FiguresOptions;

test('the time of the start does not change when the clock is set, which would look like a restart', (t) => {
  const figures = new Figures(options);
  const now = t.mock.method(Date, 'now', () => 1_700_000_000_400);
  figures.start();
  const shown = () => /^process_start_time_seconds (.*)$/m.exec(figures.metrics('prometheus'))?.[1];
  assert.equal(shown(), '1700000000');
  now.mock.mockImplementation(() => 1_700_000_060_400);
  assert.equal(shown(), '1700000000');
});
