/** DISCONNECT and AUTH (sections 3.14 and 3.15), which both sides may send, with different rules. */

import type { DecodeBounds } from './decode-bounds.ts';
import { decodeProperties, decodeReason } from './decode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { AuthPacket, DisconnectPacket, ProtocolVersion } from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import { isProtocolError, type ProtocolError, protocolViolation } from './protocol-error.ts';
import { checkHeader, Reader } from './reader.ts';

/** The DISCONNECT reason codes that a client may send (section 3.14.2.1, the column "sent by"). */
const clientDisconnectCodes: readonly number[] = [
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
];

/** A DISCONNECT from a client. */
export function decodeDisconnect(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
  bounds?: DecodeBounds,
): DisconnectPacket | ProtocolError {
  // [MQTT-3.14.1-1]
  const reader = new Reader(body);
  reader.bounds = bounds;
  checkHeader(reader, header, PacketType.disconnect << 4, version);
  const packet = decodeReason(reader, PacketType.disconnect, version);
  // [MQTT-3.14.2-1]
  if (!clientDisconnectCodes.includes(packet.reasonCode)) {
    reader.fail(protocolViolation('a reason code that a client does not send with DISCONNECT'));
  }
  return reader.finish(packet);
}

/** A DISCONNECT from a server, which only version 5 knows. */
export function decodeServerDisconnect(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): DisconnectPacket | ProtocolError {
  if (!isAtLeast(version, 5)) return protocolViolation('not before version 5');
  const reader = new Reader(body);
  if (isStrict) checkHeader(reader, header, PacketType.disconnect << 4, version);
  const packet = decodeReason(reader, PacketType.disconnect, version);
  // [MQTT-3.14.2-2]
  if (isStrict && packet.properties.sessionExpiryInterval !== undefined) {
    reader.fail(protocolViolation('sessionExpiryInterval from a server'));
  }
  return reader.finish(packet);
}

/** An AUTH from a client. */
export function decodeAuth(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
  bounds?: DecodeBounds,
): AuthPacket | ProtocolError {
  const packet = decodeServerAuth(header, body, version, bounds);
  // [MQTT-3.15.2-1]: continue or start again; only the server reports success.
  if (!isProtocolError(packet) && packet.reasonCode !== 0x18 && packet.reasonCode !== 0x19) {
    return protocolViolation('a reason code that a client does not send with AUTH');
  }
  return packet;
}

/** An AUTH from a server. */
export function decodeServerAuth(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
  bounds?: DecodeBounds,
): AuthPacket | ProtocolError {
  if (!isAtLeast(version, 5)) return protocolViolation('not before version 5');
  // [MQTT-3.15.1-1]
  const reader = new Reader(body);
  if (isStrict) reader.bounds = bounds;
  if (isStrict) checkHeader(reader, header, PacketType.auth << 4, version);
  if (reader.remaining === 0) return reader.finish({ reasonCode: 0, properties: {} });
  const packet = { reasonCode: reader.uint8(), properties: decodeProperties(reader, PacketType.auth) };
  if (packet.properties.authenticationMethod === undefined) {
    reader.fail(protocolViolation('no authentication method'));
  }
  return reader.finish(packet);
}
