import { returnCodeOf } from './connack-return-code.ts';
import { encodeProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ConnackPacket, ProtocolVersion } from './packets.ts';
import { isAtLeast } from './profile.ts';
import { frame } from './write.ts';

/**
 * CONNACK (section 3.2). In 3.1 and 3.1.1 the reason code becomes a return code; if there is none for it
 * the frame is empty, because nothing may be sent: the connection is closed.
 */
export function encodeConnack(packet: ConnackPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  const code = isAtLeast(version, 5) ? packet.reasonCode : returnCodeOf(packet.reasonCode);
  // [v3 MQTT-3.2.2-6]
  if (code === undefined) return new Uint8Array();
  // [MQTT-3.2.2-6] [v3 MQTT-3.2.2-4]; 3.1 has no session present.
  const flags = packet.sessionPresent && code === 0 && isAtLeast(version, 4) ? 1 : 0;
  return frame(PacketType.connack << 4, [
    [flags, code],
    isAtLeast(version, 5) ? encodeProperties(packet.properties, PacketType.connack) : [],
  ]);
}
