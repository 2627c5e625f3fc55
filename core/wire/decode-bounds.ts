/**
 * A server's limits on the names in one packet. They are checked before objects are made of them: before authentication
 * anybody may send a packet, and one of 128 KiB has room for 26,000 properties or an identifier of 65 KB.
 */
import type { ConnectPacket } from './packets.ts';
import type { ProtocolError } from './protocol-error.ts';
import type { Reader } from './reader.ts';
import { ReasonCode } from './reason-code.ts';

/** By their names in core/config/limits.ts, which has the reasons. */
export interface DecodeBounds {
  readonly clientIdBytesMax: number;
  readonly usernameBytesMax: number;
  readonly passwordBytesMax: number;
  readonly userPropertiesPerPacketMax: number;
  readonly filtersPerPacketMax: number;
}

/** For the fields of a CONNECT: the limit, and the reason code beyond it. */
const fieldBounds = {
  clientId: ['clientIdBytesMax', ReasonCode.clientIdentifierNotValid, 'client identifier'],
  username: ['usernameBytesMax', ReasonCode.badUserNameOrPassword, 'user name'],
  password: ['passwordBytesMax', ReasonCode.badUserNameOrPassword, 'password'],
} as const satisfies Partial<Record<keyof ConnectPacket, readonly [keyof DecodeBounds, number, string]>>;

/** An error if the field, which is next in `body`, is too long. */
export function fieldFault(
  reader: Reader,
  body: Uint8Array,
  field: keyof typeof fieldBounds,
): ProtocolError | undefined {
  const [bound, reasonCode, name] = fieldBounds[field];
  const bytesMax = reader.bounds?.[bound];
  if (bytesMax === undefined || lengthAt(body, body.length - reader.remaining) <= bytesMax) return undefined;
  return { reasonCode, why: `the ${name} has more than ${bytesMax} bytes` };
}

/** An error if a packet has more than `count` user properties in all. */
export function userPropertiesFault(reader: Reader): ProtocolError | undefined {
  reader.userProperties = (reader.userProperties ?? 0) + 1;
  const countMax = reader.bounds?.userPropertiesPerPacketMax;
  if (countMax === undefined || reader.userProperties <= countMax) return undefined;
  return { reasonCode: ReasonCode.quotaExceeded, why: `more than ${countMax} user properties` };
}

/** An error if `body` contains too many topic filters; each is followed by `optionBytes`. */
export function filtersFault(
  reader: Reader,
  body: Uint8Array,
  optionBytes: number,
): ProtocolError | undefined {
  const countMax = reader.bounds?.filtersPerPacketMax;
  if (countMax === undefined) return undefined;
  let count = 0;
  for (
    let at = body.length - reader.remaining;
    at < body.length;
    at += 2 + lengthAt(body, at) + optionBytes
  ) {
    if (++count > countMax) {
      return { reasonCode: ReasonCode.quotaExceeded, why: `more than ${countMax} topic filters` };
    }
  }
  return undefined;
}

function lengthAt(body: Uint8Array, at: number): number {
  return ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0);
}
