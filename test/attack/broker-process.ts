/**
 * A broker in its own process, so that its memory is its own. It gets its options and commands by IPC.
 */
import { type Broker, type BrokerOptions, createBroker } from '../../core/broker.ts';
import type { Host } from './attack.ts';

export interface Start {
  readonly options: BrokerOptions;
  readonly host: Host | undefined;
}

export type Question = 'statistics' | 'heard' | 'goOn' | 'stop';

let broker: Broker | undefined;
let heard = 0;
let goOn = (): void => {};
const mayGoOn = new Promise<void>((resolve) => {
  goOn = resolve;
});

process.on('message', (message: Start | Question) => {
  if (typeof message === 'object') void start(message);
  else if (message === 'statistics') process.send?.(broker?.statistics());
  else if (message === 'heard') process.send?.(heard);
  else if (message === 'goOn') goOn();
  else void broker?.stop().then(() => process.exit());
});
process.on('disconnect', () => process.exit());

async function start({ options, host }: Start): Promise<void> {
  // Of some it never says whether they may come in.
  const authenticate = ({ clientId }: { clientId: string }): Promise<boolean> =>
    clientId.startsWith('unknown')
      ? new Promise(() => {})
      : Promise.resolve(!clientId.startsWith('stranger'));
  broker = createBroker({
    ...options,
    port: 0,
    tcpPort: 0,
    logLevel: 'warn',
    ...(host === 'authenticates' ? { authenticate } : {}),
  });
  await broker.start();
  if (host === 'listensSlowly') {
    await broker.subscribe('host/#', ({ payload }) => {
      heard += payload.length;
      return mayGoOn;
    });
  }
  process.send?.(broker.address());
}
