/** What a client reads in answer to what it sent (sections 3.4 to 3.7, 3.9, 3.11 and 3.13). */
import { decodeProperties } from './decode-properties.ts';
import { type AcknowledgementType, PacketType } from './packet-type.ts';
import type { AcknowledgementPacket, ProtocolVersion, SubackPacket, UnsubackPacket } from './packets.ts';
import type { ProtocolError } from './protocol-error.ts';
import { readBody } from './reader.ts';

/** A PUBACK, PUBREC, PUBREL or PUBCOMP: the one whose type `header` has. */
export function decodeAcknowledgement(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): AcknowledgementPacket | ProtocolError {
  const type = (header >> 4) as AcknowledgementType;
  // [MQTT-3.6.1-1]
  const reader = readBody(header, (type << 4) | (type === PacketType.pubrel ? 2 : 0), body, version);
  const packet: AcknowledgementPacket = { packetId: reader.packetId(), reasonCode: 0, properties: {} };
  if (version === 5) {
    if (reader.remaining > 0) packet.reasonCode = reader.uint8();
    if (reader.remaining > 0) packet.properties = decodeProperties(reader, type);
  }
  return reader.finish(packet);
}

/** `header` is the first byte of the frame, `body` all behind its remaining length. */
export function decodeSuback(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): SubackPacket | ProtocolError {
  return decodeReasonCodes(header, PacketType.suback, body, version);
}

/** Before version 5 an UNSUBACK has no reason codes. */
export function decodeUnsuback(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): UnsubackPacket | ProtocolError {
  return decodeReasonCodes(header, PacketType.unsuback, body, version);
}

/** An error if the PINGREQ or PINGRESP, whichever `header` says, is not as it must be. */
export function checkPing(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): ProtocolError | undefined {
  return readBody(header, header & 0xf0, body, version).finish(undefined);
}

function decodeReasonCodes(
  header: number,
  type: typeof PacketType.suback | typeof PacketType.unsuback,
  body: Uint8Array,
  version: ProtocolVersion,
): SubackPacket | UnsubackPacket | ProtocolError {
  const reader = readBody(header, type << 4, body, version);
  const packet: SubackPacket = {
    packetId: reader.packetId(),
    properties: version === 5 ? decodeProperties(reader, type) : {},
    reasonCodes: [],
  };
  if (version === 5 || type === PacketType.suback) {
    packet.reasonCodes = [...reader.bytes(reader.remaining)];
  }
  return reader.finish(packet);
}
