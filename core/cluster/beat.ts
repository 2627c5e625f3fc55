/** The sign of life that each node posts to all nodes of the cluster, itself too (membership.ts). */
import { isRecord } from '../unknown-value.ts';
import { parsed } from './json-bytes.ts';
import { isCount } from './view.ts';

export interface Beat {
  readonly from: number;
  /** How many it has sent, except those that only announce something new. */
  readonly tick: number;
  readonly epoch: number;
  readonly applied: number;
  readonly move: number;
  /** Absent: it tries alone, or not at all. */
  readonly takeOvers?: ToldTakeOvers | undefined;
}

/** Lost nodes, the number of failed attempts to take over their logs, and whether the sender is trying (1) or not (0). */
export type ToldTakeOvers = readonly (readonly [incarnation: number, failed: number, isUnderWay: number])[];

export function encodeBeat(beat: Beat): Uint8Array {
  return Buffer.from(JSON.stringify(beat));
}

/** Undefined: it is not one. */
export function decodeBeat(bytes: Uint8Array): Beat | undefined {
  const value = parsed(bytes);
  if (!isRecord(value)) return undefined;
  const { from, tick, epoch, applied, move, takeOvers } = value;
  if (!isCount(from) || !isCount(tick) || !isCount(epoch) || !isCount(applied) || !isCount(move))
    return undefined;
  const beat = { from, tick, epoch, applied, move };
  return areTakeOvers(takeOvers) ? { ...beat, takeOvers } : beat;
}

function areTakeOvers(value: unknown): value is ToldTakeOvers {
  return (
    Array.isArray(value) &&
    value.every((each) => Array.isArray(each) && each.length === 3 && each.every(isCount))
  );
}
