import { encodeProperties, encodeReason } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { AuthPacket, DisconnectPacket, ProtocolVersion } from './packets.ts';
import { isAtLeast } from './profile.ts';
import { frame } from './write.ts';

/**
 * DISCONNECT (section 3.14), in the shortest form. Before version 5 it has no content and only
 * a client sends it.
 */
export function encodeDisconnect(
  packet: DisconnectPacket,
  version: ProtocolVersion,
): Uint8Array<ArrayBuffer> {
  const type = PacketType.disconnect;
  return frame(type << 4, isAtLeast(version, 5) ? encodeReason(packet, type) : []);
}

/** AUTH (section 3.15), which only version 5 has. */
export function encodeAuth(packet: AuthPacket): Uint8Array<ArrayBuffer> {
  const { reasonCode, properties } = packet;
  const type = PacketType.auth;
  // Only AUTH cannot end after its reason code.
  return frame(
    type << 4,
    reasonCode ? [[reasonCode], encodeProperties(properties, type)] : encodeReason(packet, type),
  );
}
