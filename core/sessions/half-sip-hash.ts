/**
 * HalfSipHash (Aumasson and Bernstein, github.com/veorq/SipHash): a 32-bit hash computed from 32-bit words and a secret key. It is
 * for tables and slots keyed by texts that clients choose: without the key, nobody can find texts that collide.
 */

/** HalfSipHash-c-d of a text: `rounds` (c) for each word, d at the end. */
export class HalfSipHash {
  readonly #rounds: number;
  #v0: number;
  #v1: number;
  #v2: number;
  #v3: number;

  /** The key: 32 bits each. */
  constructor(k0: number, k1: number, rounds: number) {
    this.#rounds = rounds;
    this.#v0 = k0;
    this.#v1 = k1;
    this.#v2 = k0 ^ 0x6c79_6765;
    this.#v3 = k1 ^ 0x7465_6462;
  }

  /** The last word has the length of the text in its highest byte. */
  takeWord(word: number): void {
    this.#v3 ^= word;
    this.#mix(this.#rounds);
    this.#v0 ^= word;
  }

  /** The hash: an unsigned 32-bit number. */
  end(rounds: number): number {
    this.#v2 ^= 0xff;
    this.#mix(rounds);
    return (this.#v1 ^ this.#v3) >>> 0;
  }

  #mix(rounds: number): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    for (let round = 0; round < rounds; round++) {
      v0 = (v0 + v1) | 0;
      v1 = rotated(v1, 5) ^ v0;
      v0 = rotated(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotated(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotated(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotated(v1, 13) ^ v2;
      v2 = rotated(v2, 16);
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
