/**
 * A broker that anyone on this machine may use, and nobody else. It listens on loopback and has no authentication, so
 * whoever comes through a proxy on this machine must not pass for local.
 */
import type { BrokerConfig } from './options.ts';
import { isLoopback } from './resolve.ts';

export function isLocalOnly(
  config: Pick<BrokerConfig, 'host' | 'authenticates' | 'allowAnonymous'>,
): boolean {
  return isLoopback(config.host) && !config.authenticates && !config.allowAnonymous;
}

/** Why such a broker refuses a client. `sign`: what shows that it comes through a proxy. */
export function forwardedSentence(sign: string): string {
  return (
    `The connection comes through a proxy (${sign}), and clients need no credentials: ` +
    'configure authentication, or set allowAnonymous to let everyone in.'
  );
}
