/**
 * Reads the body of a frame. Every bound is checked here and nowhere else. The first error sticks: from
 * then on nothing remains and every read gives an empty value, so a decoder reads straight through and
 * asks once, at its end, with `finish`. Code under `isStrict` is not in the client for pages: profile.ts.
 */

import type { DecodeBounds } from './decode-bounds.ts';
import type { ProtocolVersion } from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import { malformedPacket, type ProtocolError, protocolViolation } from './protocol-error.ts';

// [MQTT-1.5.4-1] [v3 MQTT-1.5.3-1]: fatal refuses what is not well-formed, surrogates included.
// [MQTT-1.5.4-3] [v3 MQTT-1.5.3-3]: ignoreBOM, despite its name, keeps U+FEFF in the text.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class Reader {
  fault: ProtocolError | undefined;
  /** Integers may have more bytes than they need. */
  takesLongIntegers?: boolean;
  /** A server's limits; undefined: those of MQTT. */
  bounds?: DecodeBounds | undefined;
  /** The number of them so far. */
  userProperties?: number;
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** Records the error, if there is one and it is the first. */
  fail(error: ProtocolError | undefined): void {
    if (isStrict && !error) return;
    this.fault ??= error;
    this.#offset = this.#bytes.length;
  }

  /** The result of a decoder: `packet` if there was no error and every byte was read. */
  finish<Packet>(packet: Packet): Packet | ProtocolError {
    if (isStrict && this.remaining > 0) this.fail(malformedPacket('bytes after the end'));
    return this.fault ?? packet;
  }

  /** The next bytes, not copied; none if there are not as many. */
  take(byteCount: number): Uint8Array {
    return this.#bytes.subarray(this.#advance(byteCount), this.#offset);
  }

  /** Gives where the next bytes begin: at the end if there are not as many. */
  #advance(byteCount: number): number {
    if (byteCount > this.remaining) this.fail(malformedPacket('it ends too early'));
    else this.#offset += byteCount;
    return this.fault ? this.#offset : this.#offset - byteCount;
  }

  uint8(): number {
    return this.#bytes[this.#advance(1)] ?? 0;
  }

  uint16(): number {
    return this.uint8() * 256 + this.uint8();
  }

  uint32(): number {
    return this.uint16() * 65_536 + this.uint16();
  }

  variableByteInteger(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.uint8();
      value |= (byte & 0x7f) << shift;
      // [MQTT-1.5.5-1]: a last byte of 0 is one too many.
      if (isStrict && byte === 0 && shift > 0 && !this.takesLongIntegers) break;
      if (byte < 0x80) return value;
    }
    this.fail(malformedPacket('an integer has too many bytes'));
    return 0;
  }

  packetId(): number {
    const packetId = this.uint16();
    // [MQTT-2.2.1-3] [v3 MQTT-2.3.1-1]
    if (isStrict && packetId === 0) this.fail(protocolViolation('packet identifier 0'));
    return packetId;
  }

  string(): string {
    const bytes = this.take(this.uint16());
    let text = '';
    try {
      text = utf8.decode(bytes);
    } catch {
      this.fail(malformedPacket('a string is not UTF-8'));
    }
    // [MQTT-1.5.4-2] [v3 MQTT-1.5.3-2]
    if (isStrict && text.includes('\0')) this.fail(malformedPacket('a string contains U+0000'));
    return text;
  }

  // [MQTT-1.5.7-1]: both strings of a pair are read like any other.
  stringPair(): [string, string] {
    return [this.string(), this.string()];
  }

  /** Length-prefixed bytes, copied: what a packet carries outlives the chunk it came in. */
  binary(): Uint8Array {
    return new Uint8Array(this.take(this.uint16()));
  }
}

/**
 * Fails if the frame's first byte is not `expected`. In MQTT 3.1 the lower four bits of the packets read
 * here are not used and therefore not looked at.
 */
export function checkHeader(
  reader: Reader,
  header: number,
  expected: number,
  version: ProtocolVersion,
): void {
  // [MQTT-2.1.3-1] [v3 MQTT-2.2.2-1] [v3 MQTT-2.2.2-2]
  if ((header ^ expected) & (isAtLeast(version, 4) ? 0xff : 0xf0)) {
    reader.fail(malformedPacket('wrong flags in the fixed header'));
  }
}
