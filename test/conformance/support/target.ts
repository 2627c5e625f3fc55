/**
 * The broker that the conformance tests ask. Without a word in the environment it is one of ours, started for
 * each test file. These variables are set by `npm run conformance`:
 *
 *     RALLYMQ_CONFORMANCE_TARGET      JSON of a Target: a broker that runs already
 *     RALLYMQ_CONFORMANCE_TRANSPORTS  tcp,ws (the default), or one of them
 *     RALLYMQ_CONFORMANCE_WORKERS     of a broker that is started; default 1
 *     RALLYMQ_CONFORMANCE_ONLY        only tests whose title has this text
 */
import { type Broker, type BrokerOptions, createBroker } from '../../../core/broker.ts';
import type { Ports, TransportName } from '../../support/raw-client.ts';
import { isOverTls, standardTls } from '../../support/secure.ts';

export interface Target extends Ports {
  /** False for a broker of someone else. */
  readonly isOurs: boolean;
}

export interface RunningTarget {
  readonly target: Target;
  stop(): Promise<void>;
}

const {
  RALLYMQ_CONFORMANCE_TARGET: given,
  RALLYMQ_CONFORMANCE_TRANSPORTS: transportList = 'tcp,ws',
  RALLYMQ_CONFORMANCE_WORKERS: workers = '1',
  RALLYMQ_CONFORMANCE_ONLY: only = '',
} = process.env;

export const transports: readonly TransportName[] = (['tcp', 'ws'] as const).filter((name) =>
  transportList.split(',').includes(name),
);

/** True where the broker is given, so that no options of ours can be set. */
export const isForeign = given !== undefined;

export function isWanted(title: string): boolean {
  return title.includes(only);
}

/** The broker to ask: the one that was given, or a new one of ours with these options. */
export async function startTarget(options: BrokerOptions = {}): Promise<RunningTarget> {
  if (given !== undefined) return { target: JSON.parse(given) as Target, stop: async () => {} };
  const secure = isOverTls ? standardTls() : {};
  const broker: Broker = createBroker({
    port: 0,
    tcpPort: 0,
    workers: Number(workers),
    ...secure,
    ...options,
  });
  await broker.start();
  const { port, tcpPort, tlsPort, mqttsPort } = broker.address();
  const ports = isOverTls
    ? { port: Number(tlsPort), tcpPort: Number(mqttsPort) }
    : { port, tcpPort: Number(tcpPort) };
  return { target: { isOurs: true, ...ports }, stop: () => broker.stop() };
}
