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

const listed = new Map<string, Promise<string[]>>();

/** The compiled test files of a version that have a test whose title has the text, or all. */
export async function testFiles(version: Version, only = ''): Promise<string[]> {
  const files = allTestFiles(version);
  const titles = await Promise.all(files.map((file) => listTitles(version, file)));
  return files.filter((_, index) => titles[index]?.some((title) => title.includes(only)));
}

/** The titles of all tests of a version. */
export async function allTitles(version: Version): Promise<string[]> {
  return (await Promise.all(allTestFiles(version).map((file) => listTitles(version, file)))).flat();
}

/** The sources say which there are, so that no stale one is run. */
function allTestFiles(version: Version): string[] {
  return readdirSync(resolve(sources, `v${version}`))
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => resolve(compiled, `v${version}`, name.replace(/ts$/, 'js')));
}

let last: Promise<unknown> = Promise.resolve();

/** One file after the other: what a file registers is what comes while it is read. */
function listTitles(version: Version, file: string): Promise<string[]> {
  const known = listed.get(file);
  if (known !== undefined) return known;
  const titles = last.then(() => titlesIn(version, file));
  last = titles;
  listed.set(file, titles);
  return titles;
}
