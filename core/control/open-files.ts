/**
 * How many files and connections this process may have open. Node.js raises its own limit as far as allowed
 * at the start (`ulimit -Hn`); only the operator can raise it further.
 */
import { readFileSync } from 'node:fs';
import { BrokerError } from '../broker-error.ts';
import { limitRanges } from '../config/limits.ts';

/**
 * Files the broker opens besides clients' connections, without workers and per worker: a third more than was
 * measured.
 */
const filesOfBroker = 36;
const filesOfWorker = 10;

/** If there is room for fewer clients, the broker logs a warning, unless the operator has set another number. */
const clientsFew = 1_000;

/** Undefined if there is no limit, or no /proc to read it from. */
export function openFilesMax(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/**
 * A sentence for the log if there is room for fewer clients than `connectionsMax`, or by default for only a few. Errors:
 * TOO_FEW_FILES if there is not even room for the broker itself.
 */
export function openFilesNotice(
  filesMax: number | undefined,
  workers: number,
  connectionsMax: number,
): string | undefined {
  if (filesMax === undefined) return undefined;
  const needed = filesOfBroker + workers * filesOfWorker;
  if (filesMax < needed) {
    throw new BrokerError(
      'TOO_FEW_FILES',
      `The limit of open files is ${filesMax}, but the broker needs ${needed} before the first client: ` +
        'raise it (ulimit -n, or LimitNOFILE of systemd), or start fewer workers.',
    );
  }
  const clientsMax = filesMax - needed;
  const isSet = connectionsMax !== limitRanges.connectionsMax.default;
  if (clientsMax >= (isSet ? connectionsMax : clientsFew)) return undefined;
  return (
    `only about ${clientsMax} clients can connect at once${isSet ? `, fewer than connectionsMax (${connectionsMax})` : ''}: ` +
    'raise the limit of open files (ulimit -n, or LimitNOFILE of systemd)'
  );
}
