/** A client's will is its own message: No Local withholds it from the session that it came from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBroker } from '../support/broker.ts';
import {
  connectFrame,
  publishFrame,
  publishOf,
  subscribeFrame,
  subscription,
  textOf,
} from '../support/frames.ts';
import { openClient, RawClient, transports } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const will = {
  topic: 'state',
  payload: Buffer.from('offline'),
  qos: 1,
  retain: false,
  properties: {},
} as const;
const device = { clientId: 'device', cleanStart: false, properties: { sessionExpiryInterval: 60 } } as const;

for (const transport of transports) {
  for (const workers of [1, 2, 4]) {
    for (const ending of ['crash', 'takeover'] as const) {
      for (const noLocal of [true, false]) {
        const what = noLocal
          ? 'with No Local its own will does not come'
          : 'without No Local its own will comes';
        test(`[MQTT-3.8.3-3] ${transport}, ${workers} workers, ${ending}: ${what}`, async (t) => {
          const running = await startBroker(t, { workers });
          const seen: string[] = [];
          await running.broker.subscribe('state', (message) => void seen.push(textOf(message)));
          const subscriptions = [{ ...subscription('state', 1), noLocal }];
          const other = await openClient(t, transport, running, { clientId: 'other' });
          other.send(subscribeFrame('state', 1, { subscriptions }));
          await other.nextPacket();
          const first = await openClient(t, transport, running, { ...device, will });
          first.send(subscribeFrame('state', 1, { subscriptions }));
          await first.nextPacket();
          if (ending === 'crash') {
            first.destroy();
            await until('the will', () => seen.length > 0);
          }
          const second = await RawClient.open(transport, running);
          t.after(() => second.destroy());
          second.send(connectFrame(device));
          assert.equal((await second.nextPacket()).header, 0x20);
          await until('the will', () => seen.length > 0);
          assert.equal(textOf(publishOf(await other.nextPacket())), 'offline'); // for others No Local changes nothing
          other.send(publishFrame('state', 'fence', { qos: 1 }));
          const texts: string[] = [];
          while (texts.at(-1) !== 'fence') texts.push(textOf(publishOf(await second.nextPacket())));
          assert.deepEqual(texts, noLocal ? ['fence'] : ['offline', 'fence']);
          await second.assertAlive();
        });
      }
    }
  }
}
