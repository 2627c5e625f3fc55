import { ReasonCode } from './reason-code.ts';

const nameOf = new Map<number, string>();
for (const [name, code] of Object.entries(ReasonCode)) {
  // 0x00 has three names; the first, success, is the one for all packets.
  if (!nameOf.has(code)) nameOf.set(code, name);
}

/** The specification's name of a reason code in camelCase, or its value in hexadecimal if it has none. */
export function reasonCodeName(reasonCode: number): string {
  return nameOf.get(reasonCode) ?? `0x${reasonCode.toString(16).padStart(2, '0')}`;
}
