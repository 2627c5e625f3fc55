/** The packets that answer another (sections 3.4 to 3.7, 3.9 and 3.11). */
import { encodeProperties, hasProperties } from './encode-properties.ts';
import { type AcknowledgementType, PacketType } from './packet-type.ts';
import type { AcknowledgementPacket, ProtocolVersion, SubackPacket, UnsubackPacket } from './packets.ts';
import { Writer } from './writer.ts';

/** PUBACK, PUBREC, PUBREL or PUBCOMP, in the shortest form that says it. */
export function encodeAcknowledgement(
  type: AcknowledgementType,
  packet: AcknowledgementPacket,
  version: ProtocolVersion,
): Uint8Array<ArrayBuffer> {
  const { packetId, reasonCode, properties } = packet;
  const writer = new Writer();
  writer.packetId(packetId);
  if (version === 5 && (reasonCode !== 0 || hasProperties(properties))) {
    writer.uint8(reasonCode);
    if (hasProperties(properties)) encodeProperties(writer, type, properties);
  }
  return writer.frame((type << 4) | (type === PacketType.pubrel ? 2 : 0));
}

/** SUBACK. Before version 5 there is one code for every failure, 0x80. */
export function encodeSuback(packet: SubackPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.packetId(packet.packetId);
  if (version === 5) encodeProperties(writer, PacketType.suback, packet.properties);
  // [v3 MQTT-3.9.3-2]
  for (const code of packet.reasonCodes) writer.uint8(version === 5 ? code : Math.min(code, 0x80));
  return writer.frame(PacketType.suback << 4);
}

/** UNSUBACK. Before version 5 it has no reason codes. */
export function encodeUnsuback(packet: UnsubackPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.packetId(packet.packetId);
  if (version === 5) {
    encodeProperties(writer, PacketType.unsuback, packet.properties);
    for (const code of packet.reasonCodes) writer.uint8(code);
  }
  return writer.frame(PacketType.unsuback << 4);
}
