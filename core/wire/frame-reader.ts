/**
 * Splits a stream into frames. Chunks may cut it anywhere: a frame may span many and a chunk hold many.
 *
 * Nothing is written into a chunk, so a frame's body stays a view of it. Chunks are joined, and thereby
 * copied, only when a frame that spans them is complete.
 */

import type { ProtocolVersion } from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import type { ProtocolError } from './protocol-error.ts';
import { Reader } from './reader.ts';
import type { ReasonCode } from './reason-code.ts';
import { byteCountOf, concat } from './write.ts';

export interface Frame {
  /** The first byte: packet type and flags. */
  readonly header: number;
  /** Everything after the remaining length. A view: what outlives the chunk must be copied. */
  readonly body: Uint8Array;
}

/** The first byte, and a remaining length of 0. */
const frameBytesMin = 2;
/** The largest that MQTT can express, in bytes with the fixed header. */
export const packetSizeMax = 5 + 0x0fff_ffff;

export class FrameReader {
  /** Used by a strict reader only. */
  readonly #rules: { version: ProtocolVersion; maximumPacketSize: number } | undefined;
  #chunks: Uint8Array[] = [];
  /** The number of bytes needed before it is worth trying again. */
  #neededBytes = frameBytesMin;

  /** `maximumPacketSize` is in bytes and counts the fixed header, as the property of that name does. */
  constructor(version: ProtocolVersion, maximumPacketSize = packetSizeMax) {
    if (isStrict) this.#rules = { version, maximumPacketSize };
  }

  /** Takes over `chunk`: the caller must not change it afterwards. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  /** The next frame; undefined when more bytes are needed; after an error only that error. */
  next(): Frame | ProtocolError | undefined {
    if (byteCountOf(this.#chunks) < this.#neededBytes) return undefined;
    const [first, second] = this.#chunks as [Uint8Array, ...Uint8Array[]];
    const bytes = second ? concat(this.#chunks) : first;
    this.#chunks = [bytes];
    const reader = new Reader(bytes);
    const rules = isStrict ? this.#rules : undefined;
    // Only version 5 forbids a length with more bytes than it needs.
    if (rules && !isAtLeast(rules.version, 5)) reader.takesLongIntegers = true;
    const header = reader.uint8();
    const bodyBytes = reader.variableByteInteger();
    if (reader.fault) return bytes.length < 5 && (!isStrict || isUnended(bytes)) ? undefined : reader.fault;
    const start = bytes.length - reader.remaining;
    const end = start + bodyBytes;
    if (rules && end > rules.maximumPacketSize) {
      const reasonCode = 0x95 satisfies typeof ReasonCode.packetTooLarge;
      return { reasonCode, why: 'it exceeds the maximum packet size' };
    }
    this.#neededBytes = end;
    if (end > bytes.length) return undefined;
    this.#neededBytes = frameBytesMin;
    this.#chunks = end < bytes.length ? [bytes.subarray(end)] : [];
    return { header, body: bytes.subarray(start, end) };
  }
}

/** Whether the remaining length is incomplete. Five bytes are enough for any fixed header. */
function isUnended(bytes: Uint8Array): boolean {
  return bytes.subarray(1).every((byte) => byte > 0x7f);
}
