import { PacketType } from './packet-type.ts';
import { frame } from './write.ts';

/** PINGREQ (section 3.12). */
export function encodePingreq(): Uint8Array<ArrayBuffer> {
  return frame(PacketType.pingreq << 4, []);
}

/** PINGRESP (section 3.13). */
export function encodePingresp(): Uint8Array<ArrayBuffer> {
  return frame(PacketType.pingresp << 4, []);
}
