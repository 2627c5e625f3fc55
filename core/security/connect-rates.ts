/**
 * Limits CONNECTs per second, for each address and in total: token buckets that refill with time and hold one second's worth.
 */
import type { Limits } from '../config/limits.ts';
import type { Clock } from '../sessions/timers.ts';
import { addressKey, isCountedByAddress } from './address-key.ts';

export interface ConnectRatesOptions {
  readonly clock: Clock;
  /** 0: unlimited. */
  readonly limits: Pick<
    Limits,
    'connectsPerSecondMax' | 'connectsPerSecondPerAddressMax' | 'trackedNamesMax'
  >;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** After that an unused bucket is full. */
const fullMs = 1_000;

export class ConnectRates {
  readonly #options: ConnectRatesOptions;
  readonly #all: Bucket;
  /**
   * By addressKey(). An unused bucket is full after a second, like a new one, so it need not be kept. When the recent ones are a
   * second old, or half of those allowed, they become the earlier ones, and the earlier ones are forgotten all at once.
   */
  #recent = new Map<string, Bucket>();
  #earlier = new Map<string, Bucket>();
  #recentSinceMs: number;

  constructor(options: ConnectRatesOptions) {
    this.#options = options;
    this.#recentSinceMs = options.clock.nowMs();
    this.#all = { tokens: options.limits.connectsPerSecondMax, atMs: this.#recentSinceMs };
  }

  /** Counts a CONNECT. False: it exceeds the rate. */
  take(remoteAddress: string): boolean {
    const { connectsPerSecondMax: connectsMax, connectsPerSecondPerAddressMax: perAddressMax } =
      this.#options.limits;
    const isLimited = perAddressMax > 0 && isCountedByAddress(remoteAddress);
    if (isLimited && !this.#take(this.#bucketOf(addressKey(remoteAddress)), perAddressMax)) return false;
    return connectsMax === 0 || this.#take(this.#all, connectsMax);
  }

  #take(bucket: Bucket, perSecond: number): boolean {
    const nowMs = this.#options.clock.nowMs();
    bucket.tokens = Math.min(perSecond, bucket.tokens + ((nowMs - bucket.atMs) * perSecond) / 1_000);
    bucket.atMs = nowMs;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #bucketOf(address: string): Bucket {
    const { clock, limits } = this.#options;
    const { connectsPerSecondPerAddressMax: perAddressMax, trackedNamesMax: addressesMax } = limits;
    const nowMs = clock.nowMs();
    if (nowMs - this.#recentSinceMs >= fullMs || this.#recent.size >= addressesMax / 2) {
      this.#earlier = this.#recent;
      this.#recent = new Map();
      this.#recentSinceMs = nowMs;
    }
    const known = this.#recent.get(address);
    if (known !== undefined) return known;
    const bucket = this.#earlier.get(address) ?? { tokens: perAddressMax, atMs: nowMs };
    this.#earlier.delete(address);
    this.#recent.set(address, bucket);
    return bucket;
  }

  /** How many addresses are remembered. */
  get addresses(): number {
    return this.#recent.size + this.#earlier.size;
  }
}
