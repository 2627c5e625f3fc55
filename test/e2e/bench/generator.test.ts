/** The load generator's own counting: its result must contain every fault of a broker, and nothing else. */
import assert from 'node:assert/strict';
import { before, type TestContext, test } from 'node:test';
import { compileGenerator, type Flags, generate, type LoadResult } from '../../../bench/load/generator.ts';
import { faultsOf } from '../../../bench/load/metrics.ts';
import { unusedPort } from '../../support/command.ts';
import { FaultyRelay, type RelayOptions } from '../../support/faulty-relay.ts';

const noFaults = {
  lost: 0,
  undelivered: 0,
  duplicates: 0,
  outOfOrder: 0,
  unclear: 0,
  corrupt: 0,
  refused: 0,
  disconnected: 0,
};
const flags: Flags = {
  scenario: 'p2p',
  transport: 'tcp',
  publishers: 3,
  window: 40,
  warmup: 20,
  duration: 150,
};

let generator: string;
before(async () => {
  generator = await compileGenerator();
});

/** What is still to come is waited for; where something never comes, for this long. */
const drain = 5_000;

async function playAgainst({ port }: { port: number }, more: Flags = {}): Promise<LoadResult> {
  return await generate(generator, { ...flags, port, drain, ...more });
}

interface Played {
  readonly relay: FaultyRelay;
  readonly result: LoadResult;
}

/** Plays against a relay of its own, for longer and longer until it was enough: a busy machine needs more time. */
async function playUntil(
  isEnough: (played: Played) => boolean,
  test: TestContext,
  options: RelayOptions = {},
  more: Flags = {},
): Promise<Played> {
  for (let duration = 150; ; duration *= 2) {
    const relay = await FaultyRelay.start(test, options);
    const result = await playAgainst(relay, { duration, ...more });
    if (isEnough({ relay, result }) || duration > 10_000) return { relay, result };
  }
}

const hasFaults =
  (count: number) =>
  ({ relay }: Played): boolean =>
    relay.faults > count;

test('a relay that does nothing wrong has no faults', async (t) => {
  const hasDelivered = ({ result }: Played) => (result.stages[0]?.delivered ?? 0) > 100;
  const { result } = await playUntil(hasDelivered, t);
  assert.deepEqual(result.faults, noFaults);
  const [stage] = result.stages;
  assert.ok(stage && stage.delivered > 100);
  assert.ok(stage.latencyNs && stage.latencyNs.p50 > 0 && stage.latencyNs.p50 <= stage.latencyNs.p99);
  assert.equal(stage.latencyNs.count, stage.delivered);
});

for (const [fault, counts] of [
  ['drop', ['lost', 'undelivered']],
  ['double', ['duplicates']],
  ['swap', ['outOfOrder']],
  ['shorten', ['corrupt']],
  ['stray', ['corrupt']],
] as const) {
  test(`messages that a relay spoils (${fault}) are counted, each once`, async (t) => {
    const { relay, result } = await playUntil(hasFaults(3), t, { fault });
    const { faults } = result;
    assert.ok(relay.faults > 3, `${relay.faults}`);
    const counted = counts.reduce((sum, name) => sum + faults[name], 0);
    assert.equal(counted, relay.faults, JSON.stringify(faults));
    const others = Object.fromEntries(counts.map((name) => [name, 0]));
    assert.deepEqual({ ...faults, ...others }, noFaults);
  });
}

test('a message that hundreds have overtaken is late, and neither lost nor a duplicate', async (t) => {
  const { relay, result } = await playUntil(hasFaults(2), t, { fault: 'delay' });
  const { faults } = result;
  assert.ok(relay.faults > 2, `${relay.faults}`);
  const { lost, undelivered, outOfOrder } = faults;
  assert.deepEqual([outOfOrder, lost + undelivered], [relay.faults, relay.held.size]);
  assert.deepEqual({ ...faults, lost: 0, undelivered: 0, outOfOrder: 0 }, noFaults);
});

test('in a shared subscription a message that two members get is a duplicate, one that none gets is lost', async (t) => {
  const shared: Flags = { scenario: 'shared', subscribers: 3 };
  assert.deepEqual((await playAgainst(await FaultyRelay.start(t), shared)).faults, noFaults);
  const doubling = await playUntil(hasFaults(0), t, { fault: 'double' }, shared);
  assert.equal(doubling.result.faults.duplicates, doubling.relay.faults);
  assert.ok(doubling.relay.faults > 0);
  const { relay: dropping, result } = await playUntil(hasFaults(0), t, { fault: 'drop' }, shared);
  const { lost, undelivered } = result.faults;
  assert.equal(lost + undelivered, dropping.faults);
  assert.ok(dropping.faults > 0);
});

test('several threads of the generator count the same', async (t) => {
  const fanOut: Flags = { scenario: 'fan-out', publishers: 1, subscribers: 5, threads: 3 };
  const { relay, result } = await playUntil(hasFaults(0), t, { fault: 'double' }, fanOut);
  const { faults } = result;
  // Each of the five gets the second copy.
  assert.ok(relay.faults > 0);
  assert.deepEqual(faults, { ...noFaults, duplicates: 5 * relay.faults });
});

test('in an open loop what waits behind a pause counts from when it was due', async (t) => {
  const pause = { after: 100, ms: 300 };
  const relay = await FaultyRelay.start(t, { pause });
  const result = await playAgainst(relay, { publishers: 1, rate: 1_000, duration: 1_000 });
  const [stage] = result.stages;
  assert.deepEqual(result.faults, noFaults);
  assert.ok(stage?.latencyNs && stage.scheduleLagNs);
  assert.ok(stage.published > 500 && stage.published <= 1_100, `${stage.published}`);
  // 300 of 1,000 were due in the pause, evenly: more than a tenth of all waited for 100 ms and more.
  assert.ok(stage.latencyNs.p90 > 100e6, `${stage.latencyNs.p90}`);
  assert.ok(stage.latencyNs.max >= 200e6);
});

test('a publisher is never further ahead than its window', async (t) => {
  const relay = await FaultyRelay.start(t, { deliversNothing: true });
  const { faults, stages } = await playAgainst(relay, { publishers: 3, window: 7, drain: 50 });
  assert.equal(stages[0]?.delivered, 0);
  assert.equal(faults.undelivered, 3 * 7);
});

test('connections that the broker closes under load are counted, with the reason', async (t) => {
  const isClosed = ({ result: { faults } }: Played) => faults.disconnected > 0;
  const { result } = await playUntil(isClosed, t, { closesAfter: 300 });
  assert.equal(result.faults.disconnected, 6);
  assert.match(result.firstFault ?? '', /closed|reset|send|recv/);
  assert.match(faultsOf(result), /6 disconnected/);
});

for (const [what, options, why] of [
  ['CONNECT', { connackCode: 0x87 }, /CONNECT was refused with 135/],
  ['SUBSCRIBE', { subackCode: 0x9e }, /SUBSCRIBE was refused with 158/],
] as [string, RelayOptions, RegExp][]) {
  test(`a refused ${what} ends the load with the reason code`, async (t) => {
    const relay = await FaultyRelay.start(t, options);
    await assert.rejects(playAgainst(relay), { name: 'BenchError', message: why });
  });
}

test('a storm counts connections that are refused and goes on', async (t) => {
  const relay = await FaultyRelay.start(t, { connackCode: 0x97 });
  const result = await playAgainst(relay, { scenario: 'connections', connections: 25 });
  assert.equal(result.stages[0]?.refused, 25);
  assert.match(result.firstFault ?? '', /refused with 151/);
});

test('nothing that listens, and wrong flags, are said in words', async () => {
  await assert.rejects(playAgainst({ port: await unusedPort() }), { message: /Connection refused/ });
  await assert.rejects(playAgainst({ port: 1 }, { qos: 3 }), { message: /--qos is 0, 1 or 2/ });
  await assert.rejects(playAgainst({ port: 1 }, { speed: 3 }), { message: /no flag --speed/ });
  await assert.rejects(playAgainst({ port: 1 }, { qos: 'two' }), {
    message: /--qos needs a number, not two/,
  });
  await assert.rejects(playAgainst({ port: 1 }, { scenario: 'p3p' }), { message: /no scenario p3p/ });
});
