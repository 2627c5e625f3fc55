import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LoadResult, Sample } from '../../../bench/load/generator.ts';
import { faultsOf } from '../../../bench/load/metrics.ts';
import { dropsBetween, readDrops } from '../../../bench/peers/drop-counts.ts';
import { memoryGrowth, soakFaults } from '../../../bench/peers/soak-verdict.ts';
import { shortNumber, table } from '../../../bench/progress.ts';
import { ratios, spreadOf } from '../../../bench/statistics.ts';
import { unusedPort } from '../../support/command.ts';
import { listen } from '../../support/listen.ts';

test('the median of an odd and of an even number of runs', () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { min: 1, median: 2, max: 3 });
  assert.deepEqual(spreadOf([10, 1, 2, 3]), { min: 1, median: 2.5, max: 10 });
  assert.deepEqual(spreadOf([7]), { min: 7, median: 7, max: 7 });
  assert.equal(spreadOf([]), undefined);
});

test('as many runs lie below the median as above it, whatever their order', () => {
  const runs = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(runs, (values) => {
      const spread = spreadOf(values) ?? assert.fail();
      const below = values.filter((value) => value < spread.median).length;
      const above = values.filter((value) => value > spread.median).length;
      assert.ok(below <= values.length / 2 && above <= values.length / 2);
      assert.ok(spread.min === Math.min(...values) && spread.max === Math.max(...values));
    }),
  );
});

test('ratios are those of the same round, and a round without both does not count', () => {
  assert.deepEqual(ratios([10, 40, undefined, 5], [5, 10, 1, 0]), { min: 2, median: 3, max: 4 });
  assert.equal(ratios([1], [undefined]), undefined);
  // The medians would say 1, though it was twice as fast whenever both ran under the same conditions.
  assert.equal(ratios([2, 20, 200], [1, 10, 100])?.median, 2);
});

test('numbers have three figures that count', () => {
  const shown = [1_234_567, 1_000, 999.6, 12.345, 1.006, 0.01234, 0, -2.5].map(shortNumber);
  assert.deepEqual(shown, ['1,230,000', '1,000', '1,000', '12.3', '1.01', '0.0123', '0', '-2.50']);
});

test('a table has its first column to the left and the others to the right', () => {
  assert.equal(
    table([
      ['a', '10'],
      ['long', '5'],
    ]),
    'a     10\nlong   5',
  );
});

test('memory that is flat once warm has not grown, one that climbs has', () => {
  const samplesOf = (bytes: readonly number[]): Sample[] =>
    bytes.map((brokerBytes, seconds) => ({ seconds, delivered: 0, brokerBytes, brokerCpuSeconds: 0 }));
  assert.equal(memoryGrowth(samplesOf([1, 50, 100, 101, 99, 100, 100, 100])), -0.5);
  assert.equal(memoryGrowth(samplesOf([0, 10, 20, 30, 40, 50, 60, 70])), 40);
  assert.equal(memoryGrowth(samplesOf([1, 2])), undefined);
});

function soakResult(over: Partial<LoadResult['stages'][number]> = {}, lost = 0): LoadResult {
  const generator = { cpuSeconds: 1, busiestThread: 0.1, wasTheLimit: false };
  const counts = { published: 9, delivered: 9, refused: 0, reconnects: 9, takeovers: 9, unsubscribes: 9 };
  const stage = {
    name: 'load',
    clients: 9,
    kernelBytes: 0,
    openSeconds: 1,
    seconds: 1,
    ...counts,
    generator,
  };
  const ends = { undelivered: 0, duplicates: 0, outOfOrder: 0, unclear: 0 };
  const others = { ...ends, corrupt: 0, refused: 0, disconnected: 0 };
  return {
    scenario: 'soak',
    stages: [{ ...stage, ...over }],
    faults: { lost, ...others },
    slow: { count: 1, received: 1, cutOff: 0 },
  };
}

test('a soak fails by what was lost, by memory that grows, and by what did not happen in it', () => {
  const samplesOf = (growthBytes: number): Sample[] =>
    [0, 1, 2, 3].map((seconds) => ({
      seconds,
      delivered: 0,
      brokerBytes: seconds * growthBytes,
      brokerCpuSeconds: 0,
    }));
  const samples = samplesOf(0);
  assert.deepEqual(soakFaults({ result: soakResult(), samples }), []);
  for (const [fault, result] of [
    [/3 lost/, soakResult({}, 3)],
    [/2 connections .* refused/, soakResult({ refused: 2 })],
    [/nothing was delivered/, soakResult({ delivered: 0 })],
    [/no client came back/, soakResult({ reconnects: 0 })],
    [/no client was taken over/, soakResult({ takeovers: 0 })],
    [/no client unsubscribed/, soakResult({ unsubscribes: 0 })],
    [/no slow client/, { ...soakResult(), slow: { count: 1, received: 0, cutOff: 0 } }],
  ] as const) {
    const faults = soakFaults({ result, samples });
    assert.equal(faults.length, 1, `${fault}`);
    assert.match(faults[0] ?? '', fault);
  }
  assert.match(soakFaults({ result: soakResult(), samples: [] })[0] ?? '', /too short/);
  assert.match(soakFaults({ result: soakResult(), samples: samplesOf(16e6) })[0] ?? '', /grew by 30.5 MB/);
});

test('what is lost says whether the broker counted it as dropped', () => {
  const said = (lost: number, dropped?: LoadResult['dropped']) =>
    faultsOf({ ...soakResult({}, lost), ...(dropped === undefined ? {} : { dropped }) });
  assert.equal(said(0, { droppedQos0: 9 }), ''); // towards slow subscribers, which is no fault
  assert.equal(said(45), '45 lost');
  assert.equal(said(45, {}), '45 lost; the broker counted none of it as dropped');
  assert.equal(said(45, { droppedQueueFull: 45 }), '45 lost; the broker counted 45 droppedQueueFull');
  assert.equal(
    said(45, { droppedQos0: 20, droppedExpired: 3 }),
    '45 lost; the broker counted 20 droppedQos0, 3 droppedExpired, and 22 nowhere',
  );
  const { faults, ...others } = soakResult();
  const late = { ...others, faults: { ...faults, duplicates: 1, outOfOrder: 2 } };
  assert.equal(faultsOf(late), '1 duplicates, 2 outOfOrder'); // nothing is missing
});

test('drops are those between two looks, of the counters that moved', () => {
  assert.deepEqual(
    dropsBetween({ droppedQos0: 5, droppedExpired: 1 }, { droppedQos0: 7, droppedExpired: 1 }),
    {
      droppedQos0: 2,
    },
  );
  assert.deepEqual(dropsBetween({}, { droppedQos0: 7 }), { droppedQos0: 7 });
  assert.equal(dropsBetween(undefined, { droppedQos0: 7 }), undefined);
  assert.equal(dropsBetween({ droppedQos0: 7 }, undefined), undefined);
});

test('a broker that is not there, or gives no counters, does not say what it dropped', async (t) => {
  assert.equal(await readDrops(undefined), undefined);
  let answer = { status: 200, body: '{"droppedQos0":3,"queued":7,"droppedExpired":0}' };
  const url = new URL(
    await listen(
      t,
      createServer((_, response) => response.writeHead(answer.status).end(answer.body)),
    ),
  );
  const http = { host: url.hostname, port: Number(url.port) };
  assert.deepEqual(await readDrops(http), { droppedQos0: 3, droppedExpired: 0 });
  for (const [status, body] of [
    [403, '{}'],
    [200, '{"queued":7}'],
    [200, 'null'],
  ] as const) {
    answer = { status, body };
    assert.equal(await readDrops(http), undefined, body);
  }
  assert.equal(await readDrops({ host: '127.0.0.1', port: await unusedPort() }), undefined);
});
