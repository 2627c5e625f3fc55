/**
 * SUBSCRIBE and UNSUBSCRIBE as a server reads them (sections 3.8 and 3.10). An invalid topic filter makes the packet
 * malformed: 0x8F is for one that is formed correctly (3.14.2.1). The caller decides whether each valid filter is
 * allowed.
 */

import { type DecodeBounds, filtersFault } from './decode-bounds.ts';
import { decodeProperties } from './decode-properties.ts';
import { PacketType } from './packet-type.ts';
import type {
  ProtocolVersion,
  QoS,
  SubscribePacket,
  SubscriptionRequest,
  UnsubscribePacket,
} from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import { malformedPacket, type ProtocolError, protocolViolation } from './protocol-error.ts';
import { checkHeader, Reader } from './reader.ts';
import { isSharedFilter, isValidTopicFilter } from './topic.ts';

/** `header` is the first byte of the frame, `body` everything after its remaining length. */
export function decodeSubscribe(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
  bounds?: DecodeBounds,
): SubscribePacket | ProtocolError {
  // [MQTT-3.8.1-1]
  const reader = new Reader(body);
  reader.bounds = bounds;
  if (isStrict) checkHeader(reader, header, (PacketType.subscribe << 4) | 2, version);
  const packet: SubscribePacket = {
    packetId: reader.packetId(),
    properties: isAtLeast(version, 5) ? decodeProperties(reader, PacketType.subscribe) : {},
    subscriptions: [],
  };
  // [MQTT-3.8.3-2] [v3 MQTT-3.8.3-3]
  if (reader.remaining === 0) reader.fail(protocolViolation('a SUBSCRIBE without a topic filter'));
  reader.fail(filtersFault(reader, body, 1));
  while (reader.remaining > 0) packet.subscriptions.push(decodeSubscription(reader, version));
  return reader.finish(packet);
}

/** `header` is the first byte of the frame, `body` everything after its remaining length. */
export function decodeUnsubscribe(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
  bounds?: DecodeBounds,
): UnsubscribePacket | ProtocolError {
  // [MQTT-3.10.1-1]
  const reader = new Reader(body);
  reader.bounds = bounds;
  if (isStrict) checkHeader(reader, header, (PacketType.unsubscribe << 4) | 2, version);
  const packet: UnsubscribePacket = {
    packetId: reader.packetId(),
    properties: isAtLeast(version, 5) ? decodeProperties(reader, PacketType.unsubscribe) : {},
    topicFilters: [],
  };
  // [MQTT-3.10.3-2]
  if (reader.remaining === 0) reader.fail(protocolViolation('an UNSUBSCRIBE without a topic filter'));
  reader.fail(filtersFault(reader, body, 0));
  // [MQTT-3.10.3-1]
  while (reader.remaining > 0) packet.topicFilters.push(topicFilterOf(reader));
  return reader.finish(packet);
}

function decodeSubscription(reader: Reader, version: ProtocolVersion): SubscriptionRequest {
  const topicFilter = topicFilterOf(reader);
  const options = reader.uint8();
  const error = isAtLeast(version, 5) ? optionsError(options, topicFilter) : requestedQoSError(options);
  if (error) reader.fail(error);
  return {
    topicFilter,
    qos: (options & 0x03) as QoS,
    noLocal: (options & 0x04) !== 0,
    retainAsPublished: (options & 0x08) !== 0,
    retainHandling: ((options >> 4) & 0x03) as 0 | 1 | 2,
  };
}

// [MQTT-3.8.3-1]
function topicFilterOf(reader: Reader): string {
  const topicFilter = reader.string();
  if (!isValidTopicFilter(topicFilter)) {
    reader.fail(malformedPacket('a topic filter is not formed as it must be'));
  }
  return topicFilter;
}

function optionsError(options: number, topicFilter: string): ProtocolError | undefined {
  // [MQTT-3.8.3-5]
  if (options & 0xc0) return malformedPacket('a reserved bit of the subscription options is set');
  if ((options & 0x03) === 3) return protocolViolation('the maximum QoS of a subscription is 3');
  if ((options & 0x30) === 0x30) return protocolViolation('the retain handling of a subscription is 3');
  // [MQTT-3.8.3-4]
  if (options & 0x04 && isSharedFilter(topicFilter)) {
    return protocolViolation('no local on a shared subscription');
  }
  return undefined;
}

function requestedQoSError(options: number): ProtocolError | undefined {
  // [v3 MQTT-3.8.3-4]
  return options > 2 ? malformedPacket('the requested QoS is not 0, 1 or 2') : undefined;
}
