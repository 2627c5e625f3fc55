/** The answers to a client's packets (sections 3.4 to 3.7, 3.9, 3.11 and 3.13). */

import { decodeProperties, decodeReason } from './decode-properties.ts';
import { type AcknowledgementType, PacketType } from './packet-type.ts';
import type { AcknowledgementPacket, ProtocolVersion, SubackPacket, UnsubackPacket } from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import type { ProtocolError } from './protocol-error.ts';
import { checkHeader, Reader } from './reader.ts';

/** A PUBACK, PUBREC, PUBREL or PUBCOMP: the one whose type `header` has. */
export function decodeAcknowledgement(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): AcknowledgementPacket | ProtocolError {
  const type = (header >> 4) as AcknowledgementType;
  // [MQTT-3.6.1-1]
  const reader = new Reader(body);
  if (isStrict) checkHeader(reader, header, (type << 4) | (type === PacketType.pubrel ? 2 : 0), version);
  return reader.finish({ packetId: reader.packetId(), ...decodeReason(reader, type, version) });
}

/**
 * A SUBACK or UNSUBACK: the one whose type `header` has. Before version 5 an UNSUBACK has no reason codes.
 * `body` is everything after the remaining length.
 */
export function decodeSubscriptionAnswer(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): SubackPacket | UnsubackPacket | ProtocolError {
  const type = (header >> 4) as typeof PacketType.suback | typeof PacketType.unsuback;
  const reader = new Reader(body);
  if (isStrict) checkHeader(reader, header, type << 4, version);
  return reader.finish({
    packetId: reader.packetId(),
    properties: isAtLeast(version, 5) ? decodeProperties(reader, type) : {},
    reasonCodes:
      isAtLeast(version, 5) || type === PacketType.suback ? [...reader.take(reader.remaining)] : [],
  });
}
