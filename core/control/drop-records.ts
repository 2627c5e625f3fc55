/** What a worker reports of sessions that did not get messages: native/front-end/drops.h writes it. */
import { type DropReason, dropReasons } from '../data-plane/addon.ts';

/** Of one session, in a second. */
export interface DropRecord {
  readonly session: number;
  readonly messages: number;
  /** Of the first. */
  readonly why: DropReason;
}

const recordBytes = 16;

export function readDropRecords(bytes: Uint8Array): DropRecord[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / recordBytes }, (_, index) => {
    const at = index * recordBytes;
    return {
      session: Number(view.readBigUInt64LE(at)),
      messages: view.readUInt32LE(at + 8),
      why: dropReasons[view[at + 12] ?? 0] ?? 'none',
    };
  });
}
