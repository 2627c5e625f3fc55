import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LimitName, limitNames, limitRanges } from '../../../core/config/limits.ts';
import { resolveConfig } from '../../../core/config/resolve.ts';
import { counterNames, type DataPlaneRules, loadAddon } from '../../../core/data-plane/addon.ts';

const addon = loadAddon();
const config = resolveConfig();
const rules: DataPlaneRules = { ...config, ...config.limits };

function withLimits(value: (name: LimitName) => number): DataPlaneRules {
  const limits = Object.fromEntries(limitNames.map((name) => [name, value(name)]));
  // Not what a machine has room for, but not what this is about either.
  return { ...rules, ...limits, outboxTotalBytesMax: rules.outboxTotalBytesMax, laneRecords: 1_024 };
}

test('each limit may be set to its smallest and to its largest value', () => {
  for (const end of ['min', 'max'] as const) {
    const broker = addon.createBroker(
      1,
      withLimits((name) => limitRanges[name][end]),
    );
    addon.destroyBroker(broker);
  }
});

test('a rule that is missing, misspelt or beyond what its field can hold is named', () => {
  const { connectTimeoutMs, ...others } = rules;
  const faults: [unknown, string][] = [
    [others, 'connectTimeoutMs'],
    [{ ...others, connectTimeOutMs: connectTimeoutMs }, 'connectTimeoutMs'],
    [{ ...rules, receiveMaximum: 65_536 }, 'receiveMaximum'],
    [{ ...rules, receiveMaximum: -1 }, 'receiveMaximum'],
    [{ ...rules, receiveMaximum: 1.5 }, 'receiveMaximum'],
    [{ ...rules, retainAvailable: 'yes' }, 'retainAvailable'],
  ];
  for (const [given, name] of faults) {
    assert.throws(() => addon.createBroker(1, given as DataPlaneRules), {
      name: 'TypeError',
      message: `the data plane cannot keep to ${name}`,
    });
  }
});

test('there is a value for each counter', () => {
  const broker = addon.createBroker(2, rules);
  assert.equal(addon.readCounters(broker).length, counterNames.length);
  addon.destroyBroker(broker);
});
