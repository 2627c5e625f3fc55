import type { BrokerConfig } from '../config/options.ts';

/** Whether the broker keeps anything on a disk. */
export function keepsData({ dataDirectory, durability }: BrokerConfig): boolean {
  return dataDirectory !== false && durability !== 'memory';
}
