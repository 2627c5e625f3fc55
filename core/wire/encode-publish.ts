import { encodeProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ProtocolVersion, PublishPacket } from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import { frame, packetId, write } from './write.ts';

/** PUBLISH (section 3.3). With QoS 1 and 2 a packet identifier is needed. */
export function encodePublish(packet: PublishPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  const { topic, payload, qos, retain } = packet;
  const dup = packet.dup && (!isStrict || qos > 0) ? 0x08 : 0; // a page sends QoS 0 once, without DUP
  return frame((PacketType.publish << 4) | dup | (qos << 1) | (retain ? 1 : 0), [
    write.string(topic),
    // [MQTT-2.2.1-2] [v3 MQTT-2.3.1-5]
    qos > 0 ? packetId(packet.packetId) : [],
    isAtLeast(version, 5) ? encodeProperties(packet.properties, PacketType.publish) : [],
    payload,
  ]);
}
