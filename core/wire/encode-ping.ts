import { PacketType } from './packet-type.ts';

/** PINGREQ (section 3.12). */
export function encodePingreq(): Uint8Array<ArrayBuffer> {
  return new Uint8Array([PacketType.pingreq << 4, 0]);
}

/** PINGRESP (section 3.13). */
export function encodePingresp(): Uint8Array<ArrayBuffer> {
  return new Uint8Array([PacketType.pingresp << 4, 0]);
}
