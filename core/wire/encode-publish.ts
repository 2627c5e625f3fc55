import { encodeProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ProtocolVersion, PublishPacket } from './packets.ts';
import { Writer } from './writer.ts';

/** PUBLISH (section 3.3). With QoS 1 and 2 a packet identifier is needed. */
export function encodePublish(packet: PublishPacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  const { topic, payload, qos } = packet;
  const writer = new Writer(payload.length + 3 * topic.length + 64);
  writer.string(topic);
  // [MQTT-2.2.1-2] [v3 MQTT-2.3.1-5]
  if (qos > 0) writer.packetId(packet.packetId);
  if (version === 5) encodeProperties(writer, PacketType.publish, packet.properties);
  writer.bytes(payload);
  const dup = packet.dup && qos > 0 ? 0x08 : 0;
  return writer.frame((PacketType.publish << 4) | dup | (qos << 1) | (packet.retain ? 1 : 0));
}
