/**
 * A broker for everyone on this machine, and for nobody else. It listens on loopback and has no authentication, so a
 * client that connects through a proxy on this machine must not be mistaken for a local one.
 */
import type { BrokerConfig } from './options.ts';
import { isLoopback } from './resolve.ts';

export function isLocalOnly(
  config: Pick<BrokerConfig, 'host' | 'authenticates' | 'allowAnonymous'>,
): boolean {
  return isLoopback(config.host) && !config.authenticates && !config.allowAnonymous;
}

/** Whether nobody else can reach any of its ports. */
export function isOnLoopbackOnly({ host, listeners }: Pick<BrokerConfig, 'host' | 'listeners'>): boolean {
  return [host, ...listeners.map((listener) => listener.host)].every(
    (each) => each === undefined || isLoopback(each),
  );
}

/** Why such a broker refuses a client. `sign`: the evidence of a proxy, such as a header. */
export function forwardedSentence(sign: string): string {
  return (
    `The connection comes through a proxy (${sign}), and clients need no credentials: ` +
    'configure authentication, or set allowAnonymous to let everyone connect.'
  );
}
