/**
 * Splits a stream into frames. Chunks may cut it anywhere: a frame may span many and a chunk hold many.
 *
 * Nothing is written into a chunk, so a frame's body stays a view of it. Chunks are joined, and thereby
 * copied, only when all of a frame that spans them is there.
 */

import type { ProtocolVersion } from './packets.ts';
import { malformedPacket, type ProtocolError } from './protocol-error.ts';
import type { ReasonCode } from './reason-code.ts';
import { byteCountOf, concat } from './write.ts';

export interface Frame {
  /** The first byte: packet type and flags. */
  readonly header: number;
  /** All behind the remaining length. A view: what outlives the chunk must be copied. */
  readonly body: Uint8Array;
}

/** The largest that MQTT can express, in bytes with the fixed header. */
export const packetSizeMax = 5 + 0x0fff_ffff;

export class FrameReader {
  readonly #maximumPacketSize: number;
  readonly #version: ProtocolVersion;
  #chunks: Uint8Array[] = [];
  /** How many bytes must be there before it is worth looking again. */
  #neededBytes = 0;

  /** `maximumPacketSize` is in bytes and counts the fixed header, as the property of that name does. */
  constructor(version: ProtocolVersion, maximumPacketSize?: number) {
    strict: {
      this.#version = version;
      this.#maximumPacketSize = maximumPacketSize ?? packetSizeMax;
    }
  }

  /** Takes over `chunk`: the caller must not change it afterwards. */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  /** The next frame; undefined when more bytes are needed; after an error only that error. */
  next(): Frame | ProtocolError | undefined {
    if (byteCountOf(this.#chunks) < this.#neededBytes) return undefined;
    const [first, ...others] = this.#chunks;
    const bytes = first && others.length === 0 ? first : concat(this.#chunks);
    this.#chunks = [bytes];
    const [header = 0] = bytes;
    let remainingLength = 0;
    for (let offset = 1; offset <= 4; offset++) {
      const byte = bytes[offset];
      if (byte === undefined) return undefined;
      remainingLength |= (byte & 0x7f) << (7 * (offset - 1));
      // Only version 5 forbids a length with more bytes than it needs.
      strict: if (byte === 0 && offset > 1 && this.#version === 5) break;
      if (byte < 0x80) {
        const end = offset + 1 + remainingLength;
        strict: if (end > this.#maximumPacketSize) {
          const reasonCode = 0x95 satisfies typeof ReasonCode.packetTooLarge;
          return { reasonCode, why: 'it exceeds the maximum packet size' };
        }
        this.#neededBytes = end;
        if (end > bytes.length) return undefined;
        this.#neededBytes = 0;
        this.#chunks = end < bytes.length ? [bytes.subarray(end)] : [];
        return { header, body: bytes.subarray(offset + 1, end) };
      }
    }
    return malformedPacket('the remaining length has too many bytes');
  }
}
