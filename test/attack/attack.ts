/** An attack, and its result. */
import type { BrokerOptions } from '../../core/broker.ts';
import type { Target } from './target.ts';

/** What the host program does, where an attack needs one: `broker-process.ts`. */
export type Host = 'authenticates' | 'listensSlowly';

export interface Attack {
  readonly name: string;
  /** The first cells of the rows that it reaches of the table in docs/architecture.md, Bounds. */
  readonly bounds: readonly string[];
  readonly options?: BrokerOptions | (() => BrokerOptions);
  readonly host?: Host;
  /** How many files the broker may open. */
  readonly descriptors?: number;
  /** What the attack may make the broker keep. Default 0: nothing worth counting. */
  readonly accountBytes?: number;
  /** It counts on what a second has room for, so it is no part of the test run. */
  readonly isPaced?: true;
  /** Attacks until the bound is reached, and says what the broker did; fails if it did anything else. */
  run(target: Target): Promise<string>;
}

export interface AttackResult {
  readonly name: string;
  readonly bounds: readonly string[];
  readonly seen: string;
  /** By how much the process has grown at most, and by how much it may. */
  readonly grownBytes: number;
  readonly grownBytesMax: number;
  /** What the canary waited for its answers; undefined: there was none. */
  readonly canaryP99Ms: number | undefined;
  readonly faults: readonly string[];
}
