/** The line that sums a version up. */
import type { Version } from '../support/packets.ts';
import type { Statements } from '../support/statements.ts';
import type { Outcomes } from './test-run.ts';

export interface Summary {
  readonly version: Version;
  /** Statements in all. */
  readonly all: number;
  readonly notTheServers: number;
  /** Statements that have a test. */
  readonly tested: number;
  readonly passed: number;
  readonly failed: number;
}

export function summarise(version: Version, ledger: Statements, outcomes: Outcomes): Summary {
  const statements = Object.entries(ledger);
  const tested = statements.filter(([, statement]) => typeof statement === 'string');
  const ran = [...outcomes.values()];
  return {
    version,
    all: statements.length,
    notTheServers: statements.length - tested.length,
    tested: tested.length,
    passed: ran.filter(({ failures }) => failures.length === 0).length,
    failed: ran.filter(({ failures }) => failures.length > 0).length,
  };
}

/** `MQTT 5.0: tested T, not the server's K, of N; passed P, failed F`, and what could not be run. */
export function lineOf({ version, all, notTheServers, tested, passed, failed }: Summary): string {
  const skipped = tested - passed - failed;
  const line = `MQTT ${version}: tested ${tested}, not the server's ${notTheServers}, of ${all}; passed ${passed}, failed ${failed}`;
  return skipped > 0 ? `${line}, not run ${skipped}` : line;
}
