/**
 * How a thread reaches the second copies of the nodes' logs (log-streams.ts). It is copied to the thread, so it has
 * only the options it needs.
 */
import type { BrokerConfig } from '../config/options.ts';
import type { NatsSettings } from './nats-connection.ts';

export interface LogAccess {
  readonly settings: NatsSettings;
  readonly clusterName: string;
  readonly nodeName: string;
  /** Copies that JetStream keeps of each log. */
  readonly copies: number;
}

export function logAccessOf({
  cluster,
  clusterCredentials,
  clusterTlsCa,
  clusterName,
  nodeName = '',
  limits,
}: BrokerConfig): LogAccess {
  const settings = { cluster, clusterCredentials, clusterTlsCa };
  return { settings, clusterName, nodeName, copies: limits.logCopies };
}
