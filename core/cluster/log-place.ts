/** Where the second copy of a node's log goes when the node joins, if it has one (main thread). */
import type { KnownCluster } from './cluster-memory.ts';
import { type JetStreamWait, onceServed } from './jetstream-wait.ts';
import {
  type Found,
  isMark,
  isWholeFrom,
  type LogStreams,
  ownerOf,
  type StoredChunk,
} from './log-streams.ts';
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
 * A log behind which stand-ins have left nothing but their marks is still its node's: none of them has joined. One that is
 * about to join is refused if this node has joined before (membership.ts), and otherwise this node is.
 *
 * Undefined: the log is no longer replicated. Each stream has a leader of its own, which may be elected later than that of
 * the register. Errors: Superseded, CLUSTER_REFUSED, those of JetStream.
 */
export async function logPlaceOf(
  streams: Pick<LogStreams, 'find' | 'at' | 'first' | 'hasEnded' | 'create' | 'drop'>,
  { known, log, isEmpty }: NodeData,
  { isReplicated, isStandIn }: { readonly isReplicated: boolean; readonly isStandIn: boolean },
  wait: JetStreamWait,
): Promise<LogPlace | undefined> {
  const stream = known?.stream ?? log;
  const isOwn = async (last: StoredChunk): Promise<boolean> => {
    let chunk: StoredChunk | undefined = last;
    const mayBeMarked = isReplicated && !isStandIn;
    while (mayBeMarked && chunk !== undefined && ownerOf(chunk.chunk) !== log && isMark(chunk)) {
      const before: number = chunk.sequence - 1;
      chunk = await onceServed(wait, () => streams.at(stream, before));
    }
    return chunk !== undefined && ownerOf(chunk.chunk) === log;
  };
  const find = async (): Promise<Found> => {
    const found = await onceServed(wait, () => streams.find(stream));
    const isAnyLeft = found !== 'missing' && found.chunk !== undefined;
    const isOver = isAnyLeft ? !(await isOwn(found)) : await onceServed(wait, () => streams.hasEnded(stream));
    if (isOver) throw new Superseded();
    return found;
  };
  let found = await find();
  if (!isReplicated) {
    // It has not ended: it may be replicated again.
    if (found !== 'missing') await onceServed(wait, () => streams.drop(stream));
    return undefined;
  }
  if (found === 'missing') {
    await streams.create(stream, wait);
    found = await find(); // it may have been there, and have chunks
  }
  const base = found === 'missing' ? 0 : found.sequence;
  if (found === 'missing' || found.chunk === undefined) return { stream, base, isWhole: isEmpty };
  const first = await onceServed(wait, () => streams.first(stream));
  return { stream, base, isWhole: first !== undefined && isWholeFrom(first.chunk) };
}
