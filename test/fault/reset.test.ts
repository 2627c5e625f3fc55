/**
 * Connections that end with a reset (TCP RST), as each does whose client closes it before it has read everything: what
 * the client has sent before still counts, above all its DISCONNECT.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type RunningBroker, startBroker } from '../support/broker.ts';
import {
  connectFrame,
  disconnectFrame,
  pingreqFrame,
  publishFrame,
  subscribeFrame,
  textOf,
} from '../support/frames.ts';
import { RawClient, type TransportName, transports } from '../support/raw-client.ts';
import { plainOnly } from '../support/secure.ts';
import { until } from '../support/wait.ts';

// So many that the worker is busy when most of them leave.
const clientCount = 200;

async function connectAll(t: TestContext, name: TransportName, running: RunningBroker): Promise<RawClient[]> {
  const will = {
    topic: 'will',
    payload: Buffer.from('lost'),
    qos: 1,
    retain: false,
    properties: {},
  } as const;
  const clients: RawClient[] = [];
  for (let index = 0; index < clientCount; index++) {
    const client = await RawClient.open(name, running);
    t.after(() => client.destroy());
    client.send(connectFrame({ clientId: `sensor-${index}`, will }));
    await client.nextPacket();
    for (let times = 0; index % 2 === 0 && times < 10; times++) {
      // it gets a handle of its own (native/net/stream.h)
      client.send(pingreqFrame);
      await client.nextPacket();
    }
    clients.push(client);
  }
  return clients;
}

const expected = Array.from({ length: clientCount }, (_, index) => `${index}`).toSorted();

for (const transport of transports) {
  for (const isSentTo of [false, true]) {
    const title = `${transport}: PUBLISH and DISCONNECT before a reset${isSentTo ? ', of a client that is sent to' : ''}`;
    test(title, plainOnly, async (t) => {
      const running = await startBroker(t, { workers: 1 });
      const { broker } = running;
      const data: string[] = [];
      const wills: string[] = [];
      await broker.subscribe('data', (message) => void data.push(textOf(message)));
      await broker.subscribe('will', (message) => void wills.push(textOf(message)));
      const clients = await connectAll(t, transport, running);
      if (isSentTo) {
        for (const client of clients) client.send(subscribeFrame('news', 1));
        for (const client of clients) await client.nextPacket();
        for (const client of clients) client.onPacket(() => {});
      }
      const published: Promise<unknown>[] = [];
      const send = (): void => {
        for (let times = 0; isSentTo && times < 10; times++)
          published.push(broker.publish('news', 'x'.repeat(1_000)));
      };
      for (const [index, client] of clients.entries()) {
        if (index % 20 === 0) send();
        client.send(publishFrame('data', `${index}`), disconnectFrame);
        client.reset();
      }
      send();
      await until('all messages', () => data.length >= clientCount);
      await until('no session', () => broker.statistics().sessions === 0);
      await Promise.all(published);
      assert.deepEqual(data.toSorted(), expected);
      assert.deepEqual(wills, []);
    });
  }
}
