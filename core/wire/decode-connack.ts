/** CONNACK as a client reads it (section 3.2). */

import { decodeProperties } from './decode-properties.ts';
import { PacketType } from './packet-type.ts';
import type { ConnackPacket, ProtocolVersion } from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import { malformedPacket, type ProtocolError } from './protocol-error.ts';
import { checkHeader, Reader } from './reader.ts';

/** The reason codes for the return codes of 3.1 and 3.1.1, by their value. */
const reasonCodeOf: readonly number[] = [0x00, 0x84, 0x85, 0x88, 0x86, 0x87];
const unspecifiedError = 0x80;

/** `header` is the first byte of the frame, `body` everything after its remaining length. */
export function decodeConnack(
  header: number,
  body: Uint8Array,
  version: ProtocolVersion,
): ConnackPacket | ProtocolError {
  const reader = new Reader(body);
  if (isStrict) checkHeader(reader, header, PacketType.connack << 4, version);
  const flags = reader.uint8();
  // [MQTT-3.2.2-1]; 3.1 has no such flags.
  if (isStrict && isAtLeast(version, 4) && flags > 1) reader.fail(malformedPacket('a reserved flag is set'));
  const code = reader.uint8();
  return reader.finish({
    sessionPresent: isAtLeast(version, 4) && flags > 0,
    reasonCode: isAtLeast(version, 5) ? code : (reasonCodeOf[code] ?? unspecifiedError),
    properties: isAtLeast(version, 5) ? decodeProperties(reader, PacketType.connack) : {},
  });
}
