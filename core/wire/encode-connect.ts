import { encodeProperties } from './encode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ConnectPacket } from './packets.ts';
import { isAtLeast } from './profile.ts';
import { willProperties } from './properties.ts';
import { frame, write } from './write.ts';

/** CONNECT (section 3.1), in the version the packet names. Before version 5 a password needs a user name. */
export function encodeConnect(packet: ConnectPacket): Uint8Array<ArrayBuffer> {
  const { protocolVersion, cleanStart, will, username, password } = packet;
  if (!isAtLeast(protocolVersion, 5) && password && username === undefined) {
    throw new RangeError('a password without a user name');
  }
  const flags =
    (cleanStart ? 0x02 : 0) |
    (will ? 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0) : 0) |
    (password ? 0x40 : 0) |
    (username === undefined ? 0 : 0x80);
  return frame(PacketType.connect << 4, [
    write.string(isAtLeast(protocolVersion, 4) ? 'MQTT' : 'MQIsdp'),
    [protocolVersion, flags],
    write.uint16(packet.keepAliveSeconds),
    isAtLeast(protocolVersion, 5) ? encodeProperties(packet.properties, PacketType.connect) : [],
    write.string(packet.clientId),
    ...(will
      ? [
          isAtLeast(protocolVersion, 5) ? encodeProperties(will.properties, willProperties) : [],
          write.string(will.topic),
          write.binary(will.payload),
        ]
      : []),
    username === undefined ? [] : write.string(username),
    password ? write.binary(password) : [],
  ]);
}
