/**
 * Builds one frame. The body is written first, behind room for the longest fixed header, which is then
 * put directly in front of it:
 *
 *     | unused | header byte | remaining length | body | unused |
 *              ^ the frame ..............................^
 *
 * Values that do not fit their field are bugs of the caller and throw a RangeError.
 */
const fixedHeaderBytesMax = 5;
const remainingLengthMax = 0x0fff_ffff;

const utf8 = new TextEncoder();

export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #end = fixedHeaderBytesMax;

  /** `bodyBytes` is a guess that saves growing. */
  constructor(bodyBytes = 64) {
    this.#bytes = new Uint8Array(fixedHeaderBytesMax + bodyBytes);
  }

  get body(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(fixedHeaderBytesMax, this.#end);
  }

  uint8(value: number): void {
    this.#uint(value, 1);
  }

  uint16(value: number): void {
    this.#uint(value, 2);
  }

  uint32(value: number): void {
    this.#uint(value, 4);
  }

  variableByteInteger(value: number): void {
    if (value > remainingLengthMax) throw new RangeError(`${value} does not fit`);
    for (; value > 0x7f; value >>= 7) this.uint8((value & 0x7f) | 0x80);
    this.uint8(value);
  }

  packetId(value: number | undefined): void {
    if (!value) throw new RangeError('no packet identifier');
    this.uint16(value);
  }

  string(text: string): void {
    if (text.includes('\0')) throw new RangeError('a string contains U+0000');
    this.binary(utf8.encode(text));
  }

  stringPair([name, value]: readonly [string, string]): void {
    this.string(name);
    this.string(value);
  }

  binary(bytes: Uint8Array): void {
    this.uint16(bytes.length);
    this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): void {
    const offset = this.#reserve(bytes.length);
    this.#bytes.set(bytes, offset);
  }

  /** The frame. The writer is of no use afterwards. */
  frame(header: number): Uint8Array<ArrayBuffer> {
    const end = this.#end;
    const remainingLength = end - fixedHeaderBytesMax;
    const start =
      remainingLength < 0x80 ? 3 : remainingLength < 0x4000 ? 2 : remainingLength < 0x20_0000 ? 1 : 0;
    this.#end = start;
    this.uint8(header);
    this.variableByteInteger(remainingLength);
    return this.#bytes.subarray(start, end);
  }

  #uint(value: number, byteCount: number): void {
    if (value !== Math.trunc(value) || value < 0 || value >= 2 ** (8 * byteCount)) {
      throw new RangeError(`${value} does not fit`);
    }
    const offset = this.#reserve(byteCount);
    for (let index = byteCount - 1; index >= 0; index--, value >>>= 8) this.#bytes[offset + index] = value;
  }

  /** Makes room and returns where it starts. */
  #reserve(byteCount: number): number {
    const offset = this.#end;
    this.#end += byteCount;
    if (this.#end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#end, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, offset));
      this.#bytes = grown;
    }
    return offset;
  }
}
