/** Records of numbers, texts and bytes, one after the other in one piece of memory, for another thread to read. */

const firstBytes = 4_096;
/** A batch is rarely larger; a larger piece of memory is not kept. */
const keptBytesMax = 1_048_576;
/** Of a character of a string, at most. */
const utf8BytesMax = 3;

/** Numbers are in the byte order of DataView's default. */
export class RecordWriter {
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  #view = viewOf(this.#bytes);
  #end = 0;

  get isEmpty(): boolean {
    return this.#end === 0;
  }

  /** Everything that was written. The caller owns it; the writer is empty again. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = new Uint8Array(this.#end);
    taken.set(this.#bytes.subarray(0, this.#end));
    this.#end = 0;
    if (this.#bytes.length > keptBytesMax) this.#resize(firstBytes);
    return taken;
  }

  uint8(value: number): void {
    const at = this.#advance(1);
    this.#view.setUint8(at, value);
  }
  uint16(value: number): void {
    const at = this.#advance(2);
    this.#view.setUint16(at, value);
  }
  uint32(value: number): void {
    const at = this.#advance(4);
    this.#view.setUint32(at, value);
  }
  float64(value: number): void {
    const at = this.#advance(8);
    this.#view.setFloat64(at, value);
  }
  bytes(value: Uint8Array): void {
    this.uint32(value.length);
    const at = this.#advance(value.length);
    this.#bytes.set(value, at);
  }
  /** Records of another writer. */
  append(records: Uint8Array): void {
    const at = this.#advance(records.length);
    this.#bytes.set(records, at);
  }
  text(value: string): void {
    const sizeAt = this.#advance(4 + value.length * utf8BytesMax);
    const size = this.#bytes.write(value, sizeAt + 4);
    this.#view.setUint32(sizeAt, size);
    this.#end = sizeAt + 4 + size;
  }

  /** Returns the position of the next bytes, perhaps in new memory. */
  #advance(size: number): number {
    const at = this.#end;
    this.#end += size;
    if (this.#end > this.#bytes.length) this.#resize(Math.max(this.#end, this.#bytes.length * 2));
    return at;
  }

  #resize(size: number): void {
    const bytes = Buffer.allocUnsafeSlow(size);
    bytes.set(this.#bytes.subarray(0, Math.min(size, this.#bytes.length)));
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

/** Reads the output of a RecordWriter, in the same order. */
export class RecordReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = viewOf(bytes);
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }
  uint16(): number {
    return this.#view.getUint16(this.#advance(2));
  }
  uint32(): number {
    return this.#view.getUint32(this.#advance(4));
  }
  float64(): number {
    return this.#view.getFloat64(this.#advance(8));
  }
  /** A copy. */
  bytes(): Uint8Array<ArrayBuffer> {
    const size = this.uint32();
    const at = this.#advance(size);
    return new Uint8Array(this.#bytes.subarray(at, at + size));
  }
  text(): string {
    const size = this.uint32();
    const at = this.#advance(size);
    return this.#bytes.toString('utf8', at, at + size);
  }

  #advance(size: number): number {
    const at = this.#at;
    this.#at += size;
    return at;
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
