/** What a collector is told of counters over time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Family } from '../../../core/statistics/metrics-text.ts';
import { Telemetry } from '../../../core/telemetry/telemetry.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Point {
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
}
interface Payload {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly {
      readonly metrics: readonly Readonly<
        Record<'name', string> & Record<'sum' | 'histogram', { readonly dataPoints: readonly Point[] }>
      >[];
    }[];
  }[];
}

const intervalMs = 10_000;

function newTelemetry() {
  const clock = new FakeClock();
  const wall = { aheadMs: 0 };
  const posted: Payload[] = [];
  let families: readonly Family[] | undefined;
  const telemetry = new Telemetry({
    settings: {
      attributes: {},
      metrics: { url: 'http://collector/v1/metrics', headers: {}, timeoutMs: 1_000, intervalMs },
      traces: undefined,
    },
    version: '1',
    clock,
    now: () => clock.nowMs() + wall.aheadMs,
    post: async (_, { body }) => {
      posted.push(JSON.parse(`${body}`) as Payload);
      return new Response(null);
    },
    families: () => families,
    clientIdOf: () => undefined,
    log: () => {},
  });
  telemetry.start();
  /** What is exported next, as pairs of start and time in ms, by name. */
  const exported = async (counted: readonly Family[] | undefined): Promise<Record<string, number[][]>> => {
    families = counted;
    posted.length = 0;
    clock.advance(intervalMs);
    await new Promise((resolve) => setImmediate(resolve));
    const metrics = posted[0]?.resourceMetrics[0]?.scopeMetrics[0]?.metrics ?? [];
    const ms = (time: string): number => Number(BigInt(time) / 1_000_000n);
    return Object.fromEntries(
      metrics.map(({ name, sum, histogram }) => [
        name,
        (sum ?? histogram).dataPoints.map((point) => [ms(point.startTimeUnixNano), ms(point.timeUnixNano)]),
      ]),
    );
  };
  return { exported, telemetry, wall };
}

function counter(name: string, values: Readonly<Record<string, number>>): Family {
  const samples = Object.entries(values).map(([node, value]) => ({ labels: { node }, value }));
  return { type: 'counter', name, help: '', samples };
}
function histogram(counts: readonly number[]): Family {
  return { type: 'histogram', name: 'lag', help: '', bounds: [1], distributions: [{ counts, sum: 1 }] };
}

test('a counter that begins anew gets a new start time, and those that go on keep theirs', async () => {
  const { exported, telemetry } = newTelemetry();
  const begun = [counter('frames', { a: 5, b: 7 }), counter('cpu', { a: 3 }), histogram([4, 2])];
  assert.deepEqual(await exported(begun), {
    frames: [
      [1_000, 11_000],
      [1_000, 11_000],
    ],
    cpu: [[1_000, 11_000]],
    lag: [[1_000, 11_000]],
  });
  assert.deepEqual(await exported(undefined), {}); // it joins its cluster again
  const anew = [counter('frames', { a: 6, b: 2 }), counter('cpu', { a: 3 }), histogram([9, 1])];
  assert.deepEqual(await exported(anew), {
    frames: [
      [1_000, 31_000],
      [11_000, 31_000],
    ],
    cpu: [[1_000, 31_000]],
    lag: [[11_000, 31_000]],
  });
  const later = [counter('frames', { b: 8, c: 1 }), histogram([10, 1])];
  assert.deepEqual(await exported(later), {
    frames: [
      [11_000, 41_000],
      [31_000, 41_000],
    ],
    lag: [[11_000, 41_000]],
  });
  telemetry.stop();
});

test('no counter starts later than its export, also when the clock is set back', async () => {
  const { exported, telemetry, wall } = newTelemetry();
  wall.aheadMs = 100_000;
  assert.deepEqual(await exported([counter('cpu', { a: 3 })]), { cpu: [[1_000, 111_000]] });
  assert.deepEqual(await exported([counter('cpu', { a: 3, b: 1 })]), {
    cpu: [
      [1_000, 121_000],
      [111_000, 121_000],
    ],
  });
  wall.aheadMs = 0;
  assert.deepEqual(await exported([counter('cpu', { a: 4, b: 2, c: 1 })]), {
    cpu: [
      [1_000, 31_000],
      [31_000, 31_000],
      [31_000, 31_000],
    ],
  });
  assert.deepEqual(await exported([counter('cpu', { a: 4, b: 2, c: 1 })]), {
    cpu: [
      [1_000, 41_000],
      [31_000, 41_000],
      [31_000, 41_000],
    ],
  });
  telemetry.stop();
});
