/**
 * How many files and connections this process may have open. Node.js raises its own limit as far as it may when it
 * starts (`ulimit -Hn`); what is left is the operator's to raise.
 */
import { readFileSync } from 'node:fs';
import { BrokerError } from '../broker-error.ts';

/** What the broker opens besides the connections of clients, without and with each worker. With one third more than was measured. */
const filesOfBroker = 36;
const filesOfWorker = 10;

/** Below so many clients it is worth a line in the log. */
const clientsFew = 1_000;

/** Undefined where there is no limit, or no /proc to read it from. */
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
 * A sentence for the log where only few clients fit, and fewer than `connectionsMax`. Errors: TOO_FEW_FILES, where not
 * even the broker itself fits.
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
      `The limit of open files is ${filesMax}, and the broker needs ${needed} before the first client: ` +
        'raise it (ulimit -n, or LimitNOFILE of systemd), or start fewer workers.',
    );
  }
  const clientsMax = filesMax - needed;
  if (clientsMax >= Math.min(clientsFew, connectionsMax)) return undefined;
  return (
    `only about ${clientsMax} clients can connect at once: ` +
    'raise the limit of open files (ulimit -n, or LimitNOFILE of systemd)'
  );
}
