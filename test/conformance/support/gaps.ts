/** What is wrong between a ledger and the titles of the tests, one sentence each. */
import { identifiersOf, type Statements } from './statements.ts';

export function gapsOf(ledger: Statements, titles: readonly string[]): string[] {
  const gaps: string[] = [];
  const tested = new Set<string>();
  for (const title of titles) {
    const identifiers = identifiersOf(title);
    if (identifiers.length === 0) gaps.push(`no identifier at the beginning of the test "${title}"`);
    for (const identifier of identifiers) {
      tested.add(identifier);
      if (!(identifier in ledger)) gaps.push(`${identifier} is tested, and is not in the ledger`);
    }
  }
  for (const [identifier, statement] of Object.entries(ledger)) {
    const isReasoned = typeof statement !== 'string';
    if (!isReasoned && !tested.has(identifier)) gaps.push(`${identifier} has no test`);
    if (isReasoned && tested.has(identifier)) gaps.push(`${identifier} is tested, and said not to be`);
  }
  return gaps;
}
