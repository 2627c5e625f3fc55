/** The results of attacks, as a readable table. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { AttackResult } from './attack.ts';

const documentPath = resolve(import.meta.dirname, '../../../docs/attacks.md');

export function lineOf(result: AttackResult): string {
  const { name, seen, canaryP99Ms, faults } = result;
  const canary = canaryP99Ms === undefined ? '' : `, canary ${canaryP99Ms.toFixed(1)} ms`;
  const line = `${name.padEnd(21)} ${memoryOf(result).padStart(13)} MB${canary}  ${seen}`;
  return [line, ...faults.map((fault) => `  FAILED: ${fault}`)].join('\n');
}

/** Writes docs/attacks.md. */
export function writeDocument(results: readonly AttackResult[]): void {
  writeFileSync(documentPath, documentOf(results));
}

function documentOf(results: readonly AttackResult[]): string {
  const rows = results.map((result) => {
    const { name, bounds, seen, canaryP99Ms, faults } = result;
    const bound = bounds.length === 0 ? '(none in particular)' : bounds.join('; ');
    const outcome = faults.length === 0 ? 'held' : faults.join('; ');
    return `| ${[name, bound, seen, memoryOf(result), canaryP99Ms?.toFixed(1) ?? '', outcome].join(' | ')} |`;
  });
  const note = results.some(({ canaryP99Ms }) => canaryP99Ms !== undefined) ? '' : withoutCanary;
  return `${introduction()}${note}
| attack | bound | what the broker does | grown by, of at most (MB) | canary p99 (ms) | |
| --- | --- | --- | ---: | ---: | --- |
${rows.join('\n')}
`;
}

const withoutCanary = '\nThese figures are of the short form (`--short`), without a canary.\n';

function introduction(): string {
  return `# Attacks

Written by \`npm run attack -- --docs\`, on a machine with ${availableParallelism()} cores that broker, attackers and canary share. Each
attack has its own broker on loopback, with limits that it can reach in a second or two. It reaches one row of the
[table of bounds](architecture.md#bounds), or exploits something that no single bound limits.

An attack fails if one of these happens:

- The broker does anything other than what the table says.
- The process grows by more than the attack's own budget, plus 10 %, plus 40 MB that a busy process takes anyway.
- The canary, a client that pings and publishes to itself every 10 ms, waits 50 ms or longer for one answer in a hundred,
  or is disconnected.
- 30 s after the attackers have left, the numbers of connections, sessions, subscriptions and messages or the memory have
  not returned to their earlier values, or a new client cannot connect.
`;
}

function memoryOf({ grownBytes, grownBytesMax }: AttackResult): string {
  return `${inMB(grownBytes)} of ${inMB(grownBytesMax)}`;
}

function inMB(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
