/**
 * Splits a stream into frames. Chunks may cut it anywhere: a frame may span many and a chunk hold many.
 *
 *     #bytes: | frames already given out | #start: frames not yet complete | #end: free |
 *
 * Bytes before #start are never written again, so a frame's body stays a view and is not copied. A chunk
 * is copied only when an incomplete frame waits for it.
 */
import type { ProtocolVersion } from './packets.ts';
import { malformedPacket, type ProtocolError } from './protocol-error.ts';
import type { ReasonCode } from './reason-code.ts';

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
  #bytes: Uint8Array = new Uint8Array();
  #start = 0;
  #end = 0;
  #error: ProtocolError | undefined;

  /** `maximumPacketSize` is in bytes and counts the fixed header, as the property of that name does. */
  constructor(version: ProtocolVersion, maximumPacketSize: number = packetSizeMax) {
    this.#version = version;
    this.#maximumPacketSize = maximumPacketSize;
  }

  /** Takes over `chunk`: the caller must not change it afterwards. */
  push(chunk: Uint8Array): void {
    const waitingBytes = this.#end - this.#start;
    if (waitingBytes === 0) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = 0;
    } else {
      if (this.#end + chunk.length > this.#bytes.length) {
        const grown = new Uint8Array(2 * waitingBytes + chunk.length);
        grown.set(this.#bytes.subarray(this.#start, this.#end));
        this.#bytes = grown;
        this.#start = 0;
        this.#end = waitingBytes;
      }
      this.#bytes.set(chunk, this.#end);
    }
    this.#end += chunk.length;
  }

  /** The next frame; undefined when more bytes are needed; after an error only that error. */
  next(): Frame | ProtocolError | undefined {
    if (this.#error) return this.#error;
    const header = this.#bytes[this.#start];
    let remainingLength = 0;
    for (let index = 1; index <= 4; index++) {
      const offset = this.#start + index;
      const byte = this.#bytes[offset];
      if (header === undefined || byte === undefined || offset >= this.#end) return undefined;
      remainingLength |= (byte & 0x7f) << (7 * (index - 1));
      if (byte < 0x80) {
        // Only version 5 forbids a length with more bytes than it needs.
        if (byte === 0 && index > 1 && this.#version === 5) break;
        return this.#frame(header, offset + 1, remainingLength);
      }
    }
    this.#error = malformedPacket('the remaining length has too many bytes');
    return this.#error;
  }

  #frame(header: number, bodyStart: number, bodyBytes: number): Frame | ProtocolError | undefined {
    const bodyEnd = bodyStart + bodyBytes;
    if (bodyEnd - this.#start > this.#maximumPacketSize) {
      this.#error = {
        reasonCode: 0x95 satisfies typeof ReasonCode.packetTooLarge,
        why: 'it exceeds the maximum packet size',
      };
      return this.#error;
    }
    if (bodyEnd > this.#end) return undefined;
    this.#start = bodyEnd;
    return { header, body: this.#bytes.subarray(bodyStart, bodyEnd) };
  }
}
