/** A broker on free ports for one test, stopped when the test ends. */
import { type Broker, type BrokerOptions, createBroker } from '../../core/broker.ts';
import { atEnd, type Ends } from './at-end.ts';
import { isOverTls, standardTls } from './secure.ts';

export interface RunningBroker {
  readonly broker: Broker;
  readonly port: number;
  readonly tcpPort: number;
  readonly wsUrl: string;
}

const testOptions = { port: 0, tcpPort: 0, workers: 1, ...(isOverTls ? standardTls() : {}) } as const;

export async function startBroker(test: Ends, options: BrokerOptions = {}): Promise<RunningBroker> {
  const broker = createBroker({ ...testOptions, ...options });
  atEnd(test, () => broker.stop());
  await broker.start();
  const { host, port, tcpPort, tlsPort, mqttsPort, path } = broker.address();
  if (isOverTls) {
    return {
      broker,
      port: Number(tlsPort),
      tcpPort: Number(mqttsPort),
      wsUrl: `wss://${host}:${tlsPort}${path}`,
    };
  }
  return { broker, port, tcpPort: Number(tcpPort), wsUrl: `ws://${host}:${port}${path}` };
}
