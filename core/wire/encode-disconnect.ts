import { encodeProperties, hasProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { AuthPacket, DisconnectPacket, ProtocolVersion } from './packets.ts';
import { Writer } from './writer.ts';

/**
 * DISCONNECT (section 3.14), in the shortest form that says it. Before version 5 it has no content and only
 * a client sends it.
 */
export function encodeDisconnect(
  packet: DisconnectPacket,
  version: ProtocolVersion,
): Uint8Array<ArrayBuffer> {
  const { reasonCode, properties } = packet;
  const writer = new Writer();
  if (version === 5 && (reasonCode !== 0 || hasProperties(properties))) {
    writer.uint8(reasonCode);
    if (hasProperties(properties)) encodeProperties(writer, PacketType.disconnect, properties);
  }
  return writer.frame(PacketType.disconnect << 4);
}

/** AUTH (section 3.15), which only version 5 has. */
export function encodeAuth({ reasonCode, properties }: AuthPacket): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  if (reasonCode !== 0 || hasProperties(properties)) {
    writer.uint8(reasonCode);
    encodeProperties(writer, PacketType.auth, properties);
  }
  return writer.frame(PacketType.auth << 4);
}
