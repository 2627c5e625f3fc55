/** The ledger has no gap: every statement has a test, or a reason why it is not the server's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gapsOf } from './support/gaps.ts';
import { allTitles, ledgers } from './support/ledgers.ts';
import { versions } from './support/packets.ts';
import { identifiersOf } from './support/statements.ts';

for (const version of versions) {
  test(`MQTT ${version}: each statement has a test or a reason, each test a statement`, async () => {
    assert.deepEqual(gapsOf(ledgers[version], await allTitles(version)), []);
  });
}

test('a gap is found', () => {
  const ledger = {
    'MQTT-1.0.0-1': 'is tested',
    'MQTT-1.0.0-2': 'is not',
    'MQTT-1.0.0-3': { text: 'is not', notTheServers: 'for a reason' },
    'MQTT-1.0.0-4': { text: 'is tested', notTheServers: 'for a reason' },
  };
  const titles = ['[MQTT-1.0.0-1] [MQTT-1.0.0-4] two', '[MQTT-1.0.0-5] unknown', 'about [MQTT-1.0.0-2]'];
  assert.deepEqual(gapsOf(ledger, titles), [
    'MQTT-1.0.0-5 is tested, and is not in the ledger',
    'no identifier at the beginning of the test "about [MQTT-1.0.0-2]"',
    'MQTT-1.0.0-2 has no test',
    'MQTT-1.0.0-4 is tested, and said not to be',
  ]);
});

test('the identifiers of a title are those at its beginning', () => {
  assert.deepEqual(identifiersOf('[MQTT-3.1.2-3] one'), ['MQTT-3.1.2-3']);
  assert.deepEqual(identifiersOf('[MQTT-3.1.2-3] [MQTT-3.14.4-10] two, not [MQTT-1.1.1-1]'), [
    'MQTT-3.1.2-3',
    'MQTT-3.14.4-10',
  ]);
  assert.deepEqual(identifiersOf('none [MQTT-3.1.2-3]'), []);
  assert.deepEqual(identifiersOf('[MQTT-3.1.2-3]without a space'), []);
});
