/** One run of the test files of a version against one broker, and what came of each statement. */
import { run } from 'node:test';
import type { TransportName } from '../../support/raw-client.ts';
import { testFiles } from '../support/ledgers.ts';
import type { Version } from '../support/packets.ts';
import { identifiersOf } from '../support/statements.ts';
import type { Target } from '../support/target.ts';

const fileTimeoutMs = 300_000;
// The files wait for their broker for most of the time.
const filesAtOnce = 2;

export interface Failure {
  readonly title: string;
  readonly message: string;
}

export interface Outcome {
  /** Tests that passed. */
  passed: number;
  readonly failures: Failure[];
}

/** By identifier. A statement whose tests were all skipped is not in it. */
export type Outcomes = Map<string, Outcome>;

export interface Variant {
  readonly version: Version;
  readonly transports: readonly TransportName[];
  readonly only: string | undefined;
  /** A broker that runs; RallyMQ is started with so many workers where it is not given. */
  readonly target: Target | undefined;
  readonly workers: number;
}

/** Runs the files and adds to the outcomes; tells of each section that has ended. */
export async function runTests(
  variant: Variant,
  outcomes: Outcomes,
  onSection: (name: string, tests: number, failed: number) => void,
): Promise<void> {
  Object.assign(process.env, environmentOf(variant));
  const files = await testFiles(variant.version, variant.only);
  if (files.length === 0) return;
  let [tests, failed] = [0, 0];
  for await (const { type, data } of run({ files, concurrency: filesAtOnce, timeout: fileTimeoutMs })) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.skip !== undefined) continue;
    if (data.details.type === 'suite') {
      onSection(data.name, tests, failed);
      [tests, failed] = [0, 0];
      continue;
    }
    const failure =
      type === 'test:fail' ? { title: data.name, message: messageOf(data.details.error) } : undefined;
    tests++;
    if (failure !== undefined) failed++;
    const identifiers = identifiersOf(data.name);
    // A file that could not be run to its end fails under its own name.
    if (identifiers.length === 0) note(outcomes, data.name, failure);
    for (const identifier of identifiers) note(outcomes, identifier, failure);
  }
}

function environmentOf({ transports, only, target, workers }: Variant): NodeJS.ProcessEnv {
  return {
    RALLYMQ_CONFORMANCE_TRANSPORTS: transports.join(','),
    RALLYMQ_CONFORMANCE_WORKERS: `${workers}`,
    ...(only === undefined ? {} : { RALLYMQ_CONFORMANCE_ONLY: only }),
    ...(target === undefined ? {} : { RALLYMQ_CONFORMANCE_TARGET: JSON.stringify(target) }),
  };
}

function note(outcomes: Outcomes, identifier: string, failure: Failure | undefined): void {
  const outcome = outcomes.get(identifier) ?? { passed: 0, failures: [] };
  outcomes.set(identifier, outcome);
  if (failure === undefined) outcome.passed++;
  else outcome.failures.push(failure);
}

function messageOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split('\n').filter(Boolean).join(' | ').slice(0, 200);
}
