/** The ledgers of both versions, and the test files that belong to them. */
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { ledger as ledger311 } from '../v3.1.1/ledger.ts';
import { ledger as ledger50 } from '../v5.0/ledger.ts';
import type { Version } from './packets.ts';
import { titlesIn } from './section.ts';
import type { Statements } from './statements.ts';

export const ledgers: Readonly<Record<Version, Statements>> = { '3.1.1': ledger311, '5.0': ledger50 };

const compiled = resolve(import.meta.dirname, '..');
const sources = resolve(compiled, '../../../test/conformance');

/** The compiled test files of a version. The sources say which there are, so that no stale one is run. */
export function testFiles(version: Version): string[] {
  return readdirSync(resolve(sources, `v${version}`))
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => resolve(compiled, `v${version}`, name.replace(/ts$/, 'js')));
}

/** The titles of all tests of a version. */
export function listTitles(version: Version): Promise<string[]> {
  return titlesIn(version, testFiles(version));
}
