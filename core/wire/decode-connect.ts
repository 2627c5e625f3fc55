/** CONNECT as a server reads it (section 3.1), in all three versions. */

import { type DecodeBounds, fieldFault } from './decode-bounds.ts';
import { decodeProperties } from './decode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ConnectPacket, ProtocolVersion, QoS, Will } from './packets.ts';
import { isAtLeast } from './profile.ts';
import { willProperties } from './properties.ts';
import { isProtocolError, malformedPacket, type ProtocolError, protocolViolation } from './protocol-error.ts';
import { checkHeader, Reader } from './reader.ts';
import { ReasonCode } from './reason-code.ts';
import { isValidTopicName } from './topic.ts';

export interface ConnectError extends ProtocolError {
  /**
   * The version in which to answer. Absent if this does not look like MQTT: then the connection
   * is closed without an answer. For an MQTT version that does not exist it is the 3.x of that protocol
   * name, because 3.1.1 requires an answer and version 5 does not forbid it.
   */
  readonly protocolVersion?: ProtocolVersion;
}

const connectFlag = {
  reserved: 0x01,
  cleanStart: 0x02,
  will: 0x04,
  willQoS: 0x18,
  willRetain: 0x20,
  password: 0x40,
  username: 0x80,
} as const;

/**
 * Not in the specification: mosquitto's bridge sets this bit of the level of MQTT 3.1 and 3.1.1 (its
 * `try_private`), which have no other way to ask for what MQTT 5 calls No Local and Retain As Published.
 */
const bridgeBit = 0x80;

/** `header` is the first byte of the frame, `body` everything after its remaining length. */
export function decodeConnect(
  header: number,
  body: Uint8Array,
  bounds?: DecodeBounds,
): ConnectPacket | ConnectError {
  const reader = new Reader(body);
  reader.bounds = bounds;
  const level = decodeLevel(reader);
  if (typeof level !== 'number') return level;
  const version = (level & ~bridgeBit) as ProtocolVersion;
  checkHeader(reader, header, PacketType.connect << 4, version);
  const packet = decodeBehindVersion(reader, body, version);
  if (isProtocolError(packet)) return { ...packet, protocolVersion: version };
  if (level & bridgeBit) packet.isBridge = true;
  return packet;
}

/** The level of an existing version, with or without the bridge bit. */
function decodeLevel(reader: Reader): number | ConnectError {
  const name = reader.string();
  const level = reader.uint8();
  if (reader.fault) return reader.fault;
  if (name === 'MQTT' && (level === 4 || level === 5 || level === (4 | bridgeBit))) return level;
  if (name === 'MQIsdp' && (level === 3 || level === (3 | bridgeBit))) return level;
  const reasonCode = ReasonCode.unsupportedProtocolVersion;
  if (name === 'MQTT' || name === 'MQIsdp') {
    // [MQTT-3.1.2-2]
    return { reasonCode, why: `${name} has no version ${level}`, protocolVersion: name === 'MQTT' ? 4 : 3 };
  }
  // [MQTT-3.1.2-1]
  return { reasonCode, why: 'the protocol name is not MQTT' };
}

function decodeBehindVersion(
  reader: Reader,
  body: Uint8Array,
  version: ProtocolVersion,
): ConnectPacket | ProtocolError {
  const flags = reader.uint8();
  const flagsError = connectFlagsError(flags, version);
  if (flagsError) reader.fail(flagsError);
  const packet: ConnectPacket = {
    protocolVersion: version,
    cleanStart: (flags & connectFlag.cleanStart) !== 0,
    keepAliveSeconds: reader.uint16(),
    properties: isAtLeast(version, 5) ? decodeProperties(reader, PacketType.connect) : {},
    clientId: '',
  };
  reader.fail(fieldFault(reader, body, 'clientId'));
  packet.clientId = reader.string(); // [MQTT-3.1.3-3] [MQTT-3.1.3-4]
  if (packet.clientId === '' && needsClientId(packet)) {
    reader.fail({ reasonCode: ReasonCode.clientIdentifierNotValid, why: 'the client identifier is empty' });
  }
  // [MQTT-3.1.3-1]: the order of the fields.
  if (flags & connectFlag.will) packet.will = decodeWill(reader, flags, version);
  // [MQTT-3.1.2-17] [v3 MQTT-3.1.2-19] [MQTT-3.1.3-12] [v3 MQTT-3.1.3-11]
  if (isPresent(reader, flags, connectFlag.username, version)) {
    reader.fail(fieldFault(reader, body, 'username'));
    packet.username = reader.string();
  }
  // [MQTT-3.1.2-19] [v3 MQTT-3.1.2-21]
  if (isPresent(reader, flags, connectFlag.password, version)) {
    reader.fail(fieldFault(reader, body, 'password'));
    packet.password = reader.binary();
  }
  // [MQTT-3.1.2-16] [v3 MQTT-3.1.2-18] [MQTT-3.1.2-18] [v3 MQTT-3.1.2-20]: nothing may follow.
  return reader.finish(packet);
}

/** MQTT 3.1 ignores the reserved flag, and the flags of a missing will. */
function connectFlagsError(flags: number, version: ProtocolVersion): ProtocolError | undefined {
  // [MQTT-3.1.2-12] [v3 MQTT-3.1.2-14]
  if ((flags & connectFlag.willQoS) === connectFlag.willQoS) return malformedPacket('the will QoS is 3');
  if (isAtLeast(version, 4)) {
    // [MQTT-3.1.2-3]
    if (flags & connectFlag.reserved) return malformedPacket('the reserved connect flag is set');
    if (!(flags & connectFlag.will)) {
      // [MQTT-3.1.2-11] [v3 MQTT-3.1.2-11] [v3 MQTT-3.1.2-13]
      if (flags & connectFlag.willQoS) return malformedPacket('a will QoS without a will');
      // [MQTT-3.1.2-13] [v3 MQTT-3.1.2-15]
      if (flags & connectFlag.willRetain) return malformedPacket('will retain without a will');
    }
  }
  // [v3 MQTT-3.1.2-22]: version 5 allows it.
  if (!isAtLeast(version, 5) && flags & connectFlag.password && !(flags & connectFlag.username)) {
    return protocolViolation('a password without a user name');
  }
  return undefined;
}

/** Version 5 lets the server choose a client identifier, 3.1.1 only for a clean session, 3.1 never. */
function needsClientId(packet: ConnectPacket): boolean {
  // [v3 MQTT-3.1.3-8]
  return packet.protocolVersion === 3 || (packet.protocolVersion === 4 && !packet.cleanStart);
}

// [MQTT-3.1.2-9]
function decodeWill(reader: Reader, flags: number, version: ProtocolVersion): Will {
  const properties = isAtLeast(version, 5) ? decodeProperties(reader, willProperties) : {};
  // [MQTT-3.1.3-11] [v3 MQTT-3.1.3-10]
  const topic = reader.string();
  // 0x90 is for a will topic that is not malformed (3.2.2.2).
  if (!isValidTopicName(topic)) reader.fail(malformedPacket('the will topic is not a topic name'));
  return {
    topic,
    payload: reader.binary(),
    qos: ((flags & connectFlag.willQoS) >> 3) as QoS,
    retain: (flags & connectFlag.willRetain) !== 0,
    properties,
  };
}

/** In MQTT 3.1 a packet that ends before a field overrules the flag of the field. */
function isPresent(reader: Reader, flags: number, flag: number, version: ProtocolVersion): boolean {
  return (flags & flag) !== 0 && (isAtLeast(version, 4) || reader.remaining > 0);
}
