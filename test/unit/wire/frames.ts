/** What the tests of this folder share: frames in hex, and taking them apart. */
import assert from 'node:assert/strict';
import { isProtocolError, type ProtocolError } from '../../../core/wire/protocol-error.ts';

/** The bytes of a text like `10 0c 'MQTT'`: pairs of hexadecimal digits and quoted ASCII. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  const hex = text.replace(/'([^']*)'/g, (_, quoted: string) => Buffer.from(quoted).toString('hex'));
  return new Uint8Array(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
}

export function hex(frame: Uint8Array): string {
  return Buffer.from(frame).toString('hex');
}

/** The body of a whole frame. */
export function bodyOf(frame: Uint8Array): Uint8Array {
  let start = 1;
  while ((frame[start] ?? 0) & 0x80) start++;
  return frame.subarray(start + 1);
}

export function headerOf(frame: Uint8Array): number {
  return frame[0] ?? assert.fail('an empty frame');
}

/** Decodes a whole frame. */
export function decodeFrame<Packet, Rest extends unknown[]>(
  decode: (header: number, body: Uint8Array, ...rest: Rest) => Packet,
  frame: Uint8Array | string,
  ...rest: Rest
): Packet {
  const whole = typeof frame === 'string' ? bytes(frame) : frame;
  return decode(headerOf(whole), bodyOf(whole), ...rest);
}

export function assertRefused(result: object | undefined, reasonCode: number): ProtocolError {
  assert.ok(result !== undefined && isProtocolError(result), `accepted: ${JSON.stringify(result)}`);
  assert.equal(result.reasonCode, reasonCode, `0x${result.reasonCode.toString(16)}: ${result.why}`);
  return result;
}

export function assertAccepted<Packet extends object>(result: Packet): Exclude<Packet, ProtocolError> {
  assert.ok(!isProtocolError(result), JSON.stringify(result));
  return result as Exclude<Packet, ProtocolError>;
}

/** A frame around a body written as in `bytes`, with its length. */
export function frame(header: number, body: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const content = typeof body === 'string' ? bytes(body) : body;
  assert.ok(content.length < 0x80, 'longer than this helper knows');
  return new Uint8Array([header, content.length, ...content]);
}
