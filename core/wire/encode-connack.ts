import { returnCodeOf } from './connack-return-code.ts';
import { encodeProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ConnackPacket, ProtocolVersion } from './packets.ts';
import { Writer } from './writer.ts';

/**
 * CONNACK (section 3.2). In 3.1 and 3.1.1 the reason code becomes a return code; where there is none for it
 * the frame is empty, because nothing may be sent: the connection is closed.
 */
export function encodeConnack(packet: ConnackPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  const code = version === 5 ? packet.reasonCode : returnCodeOf(packet.reasonCode);
  // [v3 MQTT-3.2.2-6]
  if (code === undefined) return new Uint8Array();
  const writer = new Writer();
  // [MQTT-3.2.2-6] [v3 MQTT-3.2.2-4]; 3.1 has no session present.
  writer.uint8(packet.sessionPresent && code === 0 && version > 3 ? 1 : 0);
  writer.uint8(code);
  if (version === 5) encodeProperties(writer, PacketType.connack, packet.properties);
  return writer.frame(PacketType.connack << 4);
}
