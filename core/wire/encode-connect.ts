import { encodeProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ConnectPacket } from './packets.ts';
import { willProperties } from './properties.ts';
import { Writer } from './writer.ts';

/** CONNECT (section 3.1), in the version the packet names. Before version 5 a password needs a user name. */
export function encodeConnect(packet: ConnectPacket): Uint8Array<ArrayBuffer> {
  const { protocolVersion, will, username, password } = packet;
  if (protocolVersion < 5 && password && username === undefined) {
    throw new RangeError('a password without a user name');
  }
  const writer = new Writer();
  writer.string(protocolVersion === 3 ? 'MQIsdp' : 'MQTT');
  writer.uint8(protocolVersion);
  writer.uint8(connectFlags(packet));
  writer.uint16(packet.keepAliveSeconds);
  if (protocolVersion === 5) encodeProperties(writer, PacketType.connect, packet.properties);
  writer.string(packet.clientId);
  if (will) {
    if (protocolVersion === 5) encodeProperties(writer, willProperties, will.properties);
    writer.string(will.topic);
    writer.binary(will.payload);
  }
  if (username !== undefined) writer.string(username);
  if (password) writer.binary(password);
  return writer.frame(PacketType.connect << 4);
}

function connectFlags({ cleanStart, will, username, password }: ConnectPacket): number {
  return (
    (cleanStart ? 0x02 : 0) |
    (will ? 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0) : 0) |
    (password ? 0x40 : 0) |
    (username === undefined ? 0 : 0x80)
  );
}
