import { isStrict } from './profile.ts';
/**
 * Writes values in MQTT's encodings (section 1.5), and assembles frames. Values
 * that do not fit their field are bugs of the caller and throw a RangeError.
 */
export type Bytes = Uint8Array | readonly number[];

const remainingLengthMax = 0x0fff_ffff;
export const utf8 = new TextEncoder();

/** How each encoding of a property is written; Reader has methods of the same names. */
export const write = {
  uint8: (value: number): Bytes => uint(value, 1),
  uint16: (value: number): Bytes => uint(value, 2),
  uint32: (value: number): Bytes => uint(value, 4),
  variableByteInteger,
  string,
  stringPair: ([name, value]: readonly [string, string]): Bytes => concat([string(name), string(value)]),
  binary,
};

/** Copies all parts into one array. */
export function concat(parts: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteCountOf(parts));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** A frame: its first byte, the remaining length, and the parts of its body. */
export function frame(header: number, parts: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  return concat([[header], variableByteInteger(byteCountOf(parts)), ...parts]);
}

export function packetId(value: number | undefined): Bytes {
  if (isStrict && !value) throw new RangeError('no packet identifier');
  return uint(value ?? 0, 2);
}

function uint(value: number, byteCount: number): Bytes {
  if (!(value >= 0 && value < 2 ** (8 * byteCount)) || value % 1) {
    throw new RangeError(isStrict ? `${value} does not fit` : `${value}`);
  }
  // Uint8Array keeps the lower eight bits of each.
  return [value >>> 24, value >>> 16, value >>> 8, value].slice(-byteCount);
}

function variableByteInteger(value: number): Bytes {
  if (isStrict && value > remainingLengthMax) throw new RangeError(`${value} does not fit`);
  const bytes = [];
  for (; value > 0x7f; value >>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

function string(text: string): Bytes {
  if (text.includes('\0')) throw new RangeError(isStrict ? 'U+0000 in text' : text);
  return binary(utf8.encode(text));
}

function binary(bytes: Uint8Array): Bytes {
  return concat([uint(bytes.length, 2), bytes]);
}

export function byteCountOf(parts: readonly Bytes[]): number {
  return parts.reduce((byteCount, part) => byteCount + part.length, 0);
}
