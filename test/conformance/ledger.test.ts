/** The ledger has no gap: every statement has a test, or a reason why it is not the server's. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { before, test } from 'node:test';
import { gapsOf } from './support/gaps.ts';
import { listedTitles } from './support/section.ts';
import { ledger as ledger311 } from './v3.1.1/ledger.ts';
import { ledger as ledger50 } from './v5.0/ledger.ts';

const sources = resolve(import.meta.dirname, '../../../test/conformance');

before(async () => {
  Object.assign(process.env, { RALLYMQ_CONFORMANCE_LIST: '1' });
  for (const folder of ['v3.1.1', 'v5.0']) {
    // The sources say which tests there are, so that no stale one is read.
    for (const file of readdirSync(resolve(sources, folder)).filter((name) => name.endsWith('.test.ts'))) {
      await import(resolve(import.meta.dirname, folder, file.replace(/ts$/, 'js')));
    }
  }
});

for (const [version, ledger] of [
  ['3.1.1', ledger311],
  ['5.0', ledger50],
] as const) {
  test(`MQTT ${version}: each statement has a test or a reason, each test a statement`, () => {
    const titles = listedTitles.filter((listed) => listed.version === version).map(({ title }) => title);
    assert.deepEqual(gapsOf(ledger, titles), []);
  });
}
