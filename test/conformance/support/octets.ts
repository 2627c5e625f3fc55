/**
 * Bytes of MQTT for the conformance tests, put together by hand: nothing of core/wire is in them, so that a
 * mistake there cannot hide itself here.
 */

export type Octets = Uint8Array<ArrayBuffer>;

/** Bytes, or hexadecimal digits and quoted ASCII, like `10 0c 0004 'MQTT'`. */
export type Part = Uint8Array | string;

export function octets(...parts: readonly Part[]): Octets {
  return new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? parse(part) : part))));
}

export const u8 = (value: number): Octets => Uint8Array.of(value);
export const u16 = (value: number): Octets => Uint8Array.of(value >> 8, value & 0xff);

export function u32(value: number): Octets {
  return octets(u16(Math.floor(value / 0x1_0000)), u16(value % 0x1_0000));
}

/** The shortest variable byte integer (in 3.1.1: the encoding of the remaining length). */
export function varint(value: number): Octets {
  const rest = Math.floor(value / 128);
  return rest === 0 ? u8(value) : octets(u8((value % 128) | 0x80), varint(rest));
}

/** UTF-8 without a length, as in a payload. */
export const text = (value: string): Octets => new Uint8Array(Buffer.from(value, 'utf8'));

/** Binary data or a UTF-8 encoded string: two bytes of length, and the bytes. */
export function string(value: string | Uint8Array): Octets {
  const bytes = typeof value === 'string' ? text(value) : value;
  return octets(u16(bytes.length), bytes);
}

/** A control packet: the first byte, the remaining length, the rest. */
export function packet(header: number, ...parts: readonly Part[]): Octets {
  const body = octets(...parts);
  return octets(u8(header), varint(body.length), body);
}

/** The properties of MQTT 5 with their length before them. */
export function properties(...parts: readonly Part[]): Octets {
  const body = octets(...parts);
  return octets(varint(body.length), body);
}

/** The user property `name` = `value` of MQTT 5. */
export function userProperty(name: string, value: string): Octets {
  return octets('26', string(name), string(value));
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function parse(notation: string): Uint8Array {
  const digits = notation.replace(/'([^']*)'/g, (_, quoted: string) => Buffer.from(quoted).toString('hex'));
  const compact = digits.replace(/\s/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(compact)) throw new SyntaxError(`not hexadecimal: ${notation}`);
  return Buffer.from(compact, 'hex');
}
