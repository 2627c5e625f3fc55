import { encodeProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ProtocolVersion, SubscribePacket, UnsubscribePacket } from './packets.ts';
import { Writer } from './writer.ts';

/** SUBSCRIBE (section 3.8). Before version 5 only the QoS of a subscription is sent. */
export function encodeSubscribe(packet: SubscribePacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.packetId(packet.packetId);
  if (version === 5) encodeProperties(writer, PacketType.subscribe, packet.properties);
  for (const { topicFilter, qos, noLocal, retainAsPublished, retainHandling } of packet.subscriptions) {
    writer.string(topicFilter);
    const options = (noLocal ? 0x04 : 0) | (retainAsPublished ? 0x08 : 0) | (retainHandling << 4);
    writer.uint8(version === 5 ? qos | options : qos);
  }
  return writer.frame((PacketType.subscribe << 4) | 2);
}

/** UNSUBSCRIBE (section 3.10). */
export function encodeUnsubscribe(
  packet: UnsubscribePacket,
  version: ProtocolVersion,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.packetId(packet.packetId);
  if (version === 5) encodeProperties(writer, PacketType.unsubscribe, packet.properties);
  for (const topicFilter of packet.topicFilters) writer.string(topicFilter);
  return writer.frame((PacketType.unsubscribe << 4) | 2);
}
