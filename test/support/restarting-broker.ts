/** A broker that is restarted, on the same port, whenever `runtimes/restart` is published. */
import type { TestContext } from 'node:test';
import { type Broker, createBroker } from '../../core/broker.ts';
import { atEnd } from './at-end.ts';
import { unusedPort } from './command.ts';

/** Returns the URL of its WebSocket. */
export async function startRestartingBroker(context: TestContext): Promise<string> {
  let restarting = Promise.resolve();
  const start = async (port: number): Promise<Broker> => {
    const broker = createBroker({ tcpPort: false, workers: 1, port });
    await broker.start();
    await broker.subscribe('runtimes/restart', () => {
      restarting = restart();
    });
    return broker;
  };
  const restart = async (): Promise<void> => {
    const { port } = broker.address();
    await broker.stop();
    broker = await start(port);
  };
  let broker = await start(await unusedPort());
  atEnd(context, async () => {
    await restarting;
    await broker.stop();
  });
  const { host, port, path } = broker.address();
  return `ws://${host}:${port}${path}`;
}
