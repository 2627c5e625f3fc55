/**
 * Limits CONNECTs per second, for each address and in total: token buckets that refill with time and hold one second's worth.
 */
import type { Limits } from '../config/limits.ts';
import type { Clock } from '../sessions/timers.ts';
import { addressKey } from './address-key.ts';

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

export class ConnectRates {
  readonly #options: ConnectRatesOptions;
  readonly #all: Bucket;
  /** By addressKey(), least recently used first. */
  readonly #byAddress = new Map<string, Bucket>();

  constructor(options: ConnectRatesOptions) {
    this.#options = options;
    this.#all = { tokens: options.limits.connectsPerSecondMax, atMs: options.clock.nowMs() };
  }

  /** Counts a CONNECT. False: it exceeds the rate. */
  take(remoteAddress: string): boolean {
    const { connectsPerSecondMax: connectsMax, connectsPerSecondPerAddressMax: perAddressMax } =
      this.#options.limits;
    if (perAddressMax > 0 && !this.#take(this.#bucketOf(addressKey(remoteAddress)), perAddressMax))
      return false;
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
    const bucket = this.#byAddress.get(address) ?? { tokens: perAddressMax, atMs: clock.nowMs() };
    this.#byAddress.delete(address);
    this.#byAddress.set(address, bucket);
    for (const oldest of this.#byAddress.keys()) {
      if (this.#byAddress.size <= addressesMax) break;
      this.#byAddress.delete(oldest);
    }
    return bucket;
  }
}
