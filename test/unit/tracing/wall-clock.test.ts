import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wallClockMs } from '../../../core/tracing/trace-record.ts';

test('times follow the clock of the machine when it is set, and are exact to a fraction of a millisecond otherwise', (t) => {
  let ns = process.hrtime.bigint() + 100_000_000_000n;
  let wallMs = 1_700_000_000_000;
  t.mock.method(process.hrtime, 'bigint', () => ns);
  t.mock.method(Date, 'now', () => Math.floor(wallMs));
  const pass = (ms: number): void => {
    ns += BigInt(ms * 1e6);
    wallMs += ms;
  };
  assert.equal(wallClockMs(ns), wallMs);
  assert.equal(wallClockMs(ns - 250_000n), wallMs - 0.25);
  pass(20_000.75);
  assert.equal(wallClockMs(ns), wallMs);
  for (const setMs of [-3_600_000, 7_200_000]) {
    wallMs = Math.floor(wallMs) + setMs;
    pass(20_000);
    assert.equal(wallClockMs(ns), wallMs);
  }
});
