/** Where the second copy of a node's log goes when the node joins, if it has one (main thread). */
import type { KnownCluster } from './cluster-memory.ts';
import { type JetStreamWait, onceServed } from './jetstream-wait.ts';
import { isWholeFrom, type LogStreams, ownerOf } from './log-streams.ts';
import { Superseded } from './superseded.ts';

/** What the node has on its disk when it joins. */
export interface NodeData {
  readonly directory: string;
  /** Undefined: nothing yet. */
  readonly known: KnownCluster | undefined;
  /** As named by Addon.openStore(). */
  readonly log: string;
  /** The log is empty. */
  readonly isEmpty: boolean;
}

/** Where the second copy of a node's log goes. */
export interface LogPlace {
  readonly stream: string;
  /** The sequence of the last chunk there; 0: none. */
  readonly base: number;
  /** The stream has the complete log. */
  readonly isWhole: boolean;
}

/**
 * Undefined: the log is no longer replicated. Each stream has a leader of its own, which may be elected later than that of
 * the register. Errors: Superseded, CLUSTER_REFUSED, those of JetStream.
 */
export async function logPlaceOf(
  streams: Pick<LogStreams, 'last' | 'first' | 'hasEnded' | 'create' | 'drop'>,
  { known, log, isEmpty }: NodeData,
  isReplicated: boolean,
  wait: JetStreamWait,
): Promise<LogPlace | undefined> {
  const stream = known?.stream ?? log;
  const last = await onceServed(wait, () => streams.last(stream));
  if (last !== undefined && ownerOf(last.chunk) !== log) throw new Superseded();
  if (last === undefined && (await onceServed(wait, () => streams.hasEnded(stream)))) throw new Superseded();
  if (!isReplicated) {
    // It has not ended: it may be replicated again.
    if (last !== undefined) await onceServed(wait, () => streams.drop(stream));
    return undefined;
  }
  if (last === undefined) {
    await streams.create(stream, wait);
    return { stream, base: 0, isWhole: isEmpty };
  }
  const first = await onceServed(wait, () => streams.first(stream));
  return { stream, base: last.sequence, isWhole: first !== undefined && isWholeFrom(first.chunk) };
}
