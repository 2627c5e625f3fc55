/** Every scenario of the suite, small, against this broker: it is played to its end, without faults, and gives
 * the figures that it is about. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { compileGenerator } from '../../../bench/load/generator.ts';
import { faultsOf, metricsOf } from '../../../bench/load/metrics.ts';
import { durableScenarios, type Scenario, scenariosOf, soakOf } from '../../../bench/load/scenarios.ts';
import { play } from '../../../bench/peers/interleave.ts';
import type { RunningPeer } from '../../../bench/peers/peer.ts';
import { rallymq, rallymqWith } from '../../../bench/peers/rallymq.ts';

const rate = 500;
const soak = soakOf(0.01, rate);
const scenarios: readonly Scenario[] = [
  ...scenariosOf('smoke').filter(({ shareOf }) => shareOf === undefined),
  { ...soak, flags: { ...soak.flags, warmup: 50 } },
];

let generator: string;
before(async () => {
  generator = await compileGenerator();
});

for (const workers of [1, 2]) {
  test(`with ${workers} workers`, async (t) => {
    const broker = await rallymq(workers).start();
    t.after(() => broker.stop());
    for (const scenario of scenarios) await t.test(scenario.name, () => check(broker, scenario));
  });
}

test('kept in a data directory', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-bench-'));
  const broker = await rallymqWith('rallymq-durable', ['--data', join(folder, 'data')], 'kept').start();
  t.after(async () => {
    await broker.stop();
    await rm(folder, { recursive: true });
  });
  for (const scenario of durableScenarios('smoke')) {
    await t.test(scenario.name, () => check(broker, scenario));
  }
  assert.ok((await readdir(join(folder, 'data'))).some((name) => name.endsWith('.seg')));
});

async function check(broker: RunningPeer, scenario: Scenario): Promise<void> {
  const result = await play(generator, scenario, broker, { drain: 60_000 });
  assert.equal(faultsOf(result), '', result.firstFault);
  for (const stage of result.stages) {
    assert.ok(stage.seconds > 0);
    assert.equal(stage.refused, 0);
    assert.ok(stage.broker && stage.broker.bytesPeak > 1e6);
    if (Number(scenario.flags['qos'] ?? 0) > 0)
      assert.ok(stage.acknowledgeNs && stage.acknowledgeNs.p50 <= stage.acknowledgeNs.max);
  }
  for (const { name, of } of metricsOf(scenario.kind)) {
    const value = of(result);
    assert.ok(value === undefined || Number.isFinite(value), `${name}: ${value}`);
  }
  const main = metricsOf(scenario.kind)[scenario.kind === 'subscriptions' ? 1 : 0];
  assert.ok(main);
  assert.notEqual(main.of(result), undefined, main.name);
}
