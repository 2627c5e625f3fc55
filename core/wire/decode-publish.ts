/** PUBLISH as a client reads it (section 3.3); the broker's is in native/. */

import { decodeProperties } from './decode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ProtocolVersion, PublishPacket, QoS } from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import type { Properties } from './properties.ts';
import { malformedPacket, type ProtocolError, protocolViolation } from './protocol-error.ts';
import { checkHeader, Reader } from './reader.ts';
import { isValidTopicName } from './topic.ts';

const dupFlag = 0x08;

/** The payload is a view of `body`: what outlives the chunk must be copied. */
export function decodePublish(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): PublishPacket | ProtocolError {
  const reader = new Reader(body);
  if (isStrict) checkHeader(reader, header, (PacketType.publish << 4) | (header & 0x0f), version);
  const qos = (header >> 1) & 0x03;
  // [MQTT-3.3.1-4]
  if (isStrict && qos === 3) reader.fail(malformedPacket('QoS 3'));
  // [MQTT-3.3.1-2]; 3.1 does not forbid it.
  if (isStrict && isAtLeast(version, 4) && header & dupFlag && qos === 0)
    reader.fail(malformedPacket('DUP with QoS 0'));
  // [MQTT-3.3.2-1]
  const topic = reader.string();
  const packetId = qos > 0 ? reader.packetId() : 0;
  const properties = isAtLeast(version, 5) ? decodeProperties(reader, PacketType.publish) : {};
  if (isStrict) reader.fail(topicErrorOf(topic, version, properties));
  const payload = reader.take(reader.remaining);
  const retain = (header & 0x01) !== 0;
  const dup = (header & dupFlag) !== 0;
  const packet: PublishPacket = { topic, payload, qos: qos as QoS, retain, dup, properties };
  return reader.finish(isStrict && packetId === 0 ? packet : { ...packet, packetId });
}

function topicErrorOf(
  topic: string,
  version: ProtocolVersion,
  properties: Properties,
): ProtocolError | undefined {
  if (topic === '' && isAtLeast(version, 5)) {
    return properties.topicAlias === undefined
      ? protocolViolation('neither topic name nor alias')
      : undefined;
  }
  // [MQTT-3.3.2-2]: 0x90 is for a topic name that is formed correctly (3.14.2.1).
  return isValidTopicName(topic) ? undefined : malformedPacket('not a topic name');
}
