/**
 * HalfSipHash-1-3 (Aumasson and Bernstein, github.com/veorq/SipHash): 32 bits from bytes and a secret key. Tables over what
 * clients choose need it: whoever does not know the key cannot find texts that collide.
 */

export interface HashKey {
  /** 32 bits each. */
  readonly k0: number;
  readonly k1: number;
}

/** Of `bytes` from `start` to before `end`; a number of 32 bits without a sign. */
export function halfSipHash(bytes: Uint8Array, start: number, end: number, { k0, k1 }: HashKey): number {
  let v0 = k0;
  let v1 = k1;
  let v2 = k0 ^ 0x6c796765;
  let v3 = k1 ^ 0x74656462;
  const length = end - start;
  const words = length >>> 2;
  // Words of 4 bytes, the last one with what is left and the length; then the end, in 3 rounds.
  for (let index = 0; index < words + 4; index++) {
    const word = index <= words ? wordAt(bytes, start + 4 * index, end, length) : 0;
    if (index <= words) v3 ^= word;
    else if (index === words + 1) v2 ^= 0xff;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}

/** Little endian; the last one, which is not full, ends with the lowest byte of the length. */
function wordAt(bytes: Uint8Array, at: number, end: number, length: number): number {
  if (at + 4 <= end)
    return (
      (bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)
    );
  let word = length << 24;
  for (let index = 0; at + index < end; index++) word |= (bytes[at + index] ?? 0) << (8 * index);
  return word;
}
