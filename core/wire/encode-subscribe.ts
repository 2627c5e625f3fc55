import { encodeProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ProtocolVersion, SubscribePacket, SubscriptionOptions, UnsubscribePacket } from './packets.ts';
import { isAtLeast } from './profile.ts';
import { frame, packetId, write } from './write.ts';

/** The byte Subscription Options (section 3.8.3.1). */
export function optionsByte(each: SubscriptionOptions): number {
  return each.qos | (+each.noLocal << 2) | (+each.retainAsPublished << 3) | (each.retainHandling << 4);
}

/** SUBSCRIBE (section 3.8). Before version 5 only the QoS of a subscription is sent. */
export function encodeSubscribe(packet: SubscribePacket, version: ProtocolVersion): Uint8Array<ArrayBuffer> {
  return frame((PacketType.subscribe << 4) | 2, [
    packetId(packet.packetId),
    isAtLeast(version, 5) ? encodeProperties(packet.properties, PacketType.subscribe) : [],
    ...packet.subscriptions.flatMap((each) => [
      write.string(each.topicFilter),
      [isAtLeast(version, 5) ? optionsByte(each) : each.qos],
    ]),
  ]);
}

/** UNSUBSCRIBE (section 3.10). */
export function encodeUnsubscribe(
  packet: UnsubscribePacket,
  version: ProtocolVersion,
): Uint8Array<ArrayBuffer> {
  return frame((PacketType.unsubscribe << 4) | 2, [
    packetId(packet.packetId),
    isAtLeast(version, 5) ? encodeProperties(packet.properties, PacketType.unsubscribe) : [],
    ...packet.topicFilters.map(write.string),
  ]);
}
