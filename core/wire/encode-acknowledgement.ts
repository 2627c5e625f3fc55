/** Acknowledgements (sections 3.4 to 3.7, 3.9 and 3.11). */

import { encodeProperties, encodeReason } from './encode-properties.ts';
import { type AcknowledgementType, PacketType } from './packet-type.ts';
import type { AcknowledgementPacket, ProtocolVersion, SubackPacket, UnsubackPacket } from './packets.ts';
import { isAtLeast } from './profile.ts';
import { frame, packetId } from './write.ts';

/** PUBACK, PUBREC, PUBREL or PUBCOMP, in the shortest form. */
export function encodeAcknowledgement(
  type: AcknowledgementType,
  packet: AcknowledgementPacket,
  version: ProtocolVersion,
): Uint8Array<ArrayBuffer> {
  const header = (type << 4) | (type === PacketType.pubrel ? 2 : 0);
  return frame(header, [
    packetId(packet.packetId),
    ...(isAtLeast(version, 5) ? encodeReason(packet, type) : []),
  ]);
}

/** SUBACK. Before version 5 there is one code for every failure, 0x80. */
export function encodeSuback(packet: SubackPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  return frame(PacketType.suback << 4, [
    packetId(packet.packetId),
    isAtLeast(version, 5) ? encodeProperties(packet.properties, PacketType.suback) : [],
    // [v3 MQTT-3.9.3-2]
    packet.reasonCodes.map((code) => (isAtLeast(version, 5) ? code : Math.min(code, 0x80))),
  ]);
}

/** UNSUBACK. Before version 5 it has no reason codes. */
export function encodeUnsuback(packet: UnsubackPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  return frame(PacketType.unsuback << 4, [
    packetId(packet.packetId),
    isAtLeast(version, 5) ? encodeProperties(packet.properties, PacketType.unsuback) : [],
    isAtLeast(version, 5) ? packet.reasonCodes : [],
  ]);
}
