/**
 * How the process of a command ends. Exit status: 0 after a regular stop, 1 if it failed, 2 for a usage or
 * configuration error.
 */
import { BrokerError, type BrokerErrorCode } from '../broker-error.ts';
import { withFlags } from '../config/flag-names.ts';
import { systemReason } from '../system-reason.ts';

export const exitFailed = 1;
const exitWrongUse = 2;

/** Errors of the machine or the installation, not of usage. */
const failures: readonly BrokerErrorCode[] = [
  'WORKER_FAILED',
  'ADDON_MISSING',
  'TOO_FEW_FILES',
  'CLUSTER_NOT_REACHABLE',
  'CLUSTER_REFUSED',
  'BROKER_NOT_REACHED',
  'API_REFUSED',
  'CLIENT_REFUSED',
];

/** Prints the error, and ends the process. */
export function fail(error: unknown, status = statusOf(error)): never {
  const text =
    error instanceof BrokerError
      ? withFlags(error.message)
      : String(error instanceof Error ? error.stack : error);
  process.stderr.write(`rallymq: ${text}\n`);
  process.exit(status);
}

function statusOf(error: unknown): number {
  return error instanceof BrokerError && !failures.includes(error.code) ? exitWrongUse : exitFailed;
}

/** What to do when standard output accepts no more. */
let onOutputLost = endWithOutput;

export function watchOutput(): void {
  process.stdout.on('error', (error) => onOutputLost(error));
}

/** When standard output accepts no more, this is done instead of ending. */
export function whenOutputLost(act: () => void): void {
  onOutputLost = act;
}

/** A reader that has seen enough, such as `head`, has closed its end: that is not an error. */
function endWithOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit();
  const sentence = `Standard output cannot be written: ${systemReason(error)}.`;
  fail(new BrokerError('WORKER_FAILED', sentence, { cause: error }));
}

/** For a command that runs until a user ends it, or its output is closed. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  whenOutputLost(() => stop.abort());
  return stop.signal;
}
