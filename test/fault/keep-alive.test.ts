/** Keep alive runs on the clock of the event loop, which stands still while nothing happens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startBroker } from '../support/broker.ts';
import { pingreqFrame } from '../support/frames.ts';
import { openClient } from '../support/raw-client.ts';

test('[MQTT-3.1.2-22] keep alive is not cut short by an idle loop', async (t) => {
  const running = await startBroker(t);
  const silencesMs: number[] = [];
  for (let round = 0; round < 4; round++) {
    await delay(950 - round * 100); // the loop's own timer is a second: meet it at another phase each time
    const client = await openClient(t, 'tcp', running, { keepAliveSeconds: 1 });
    const other = await openClient(t, 'tcp', running);
    await delay(1_050);
    client.send(pingreqFrame);
    const sentMs = performance.now();
    await client.nextPacket();
    const chatter = setInterval(() => other.send(pingreqFrame), 20);
    const { atMs } = await client.closed();
    clearInterval(chatter);
    other.destroy();
    silencesMs.push(atMs - sentMs);
  }
  assert.ok(Math.min(...silencesMs) >= 1_495, `${silencesMs}`);
});
