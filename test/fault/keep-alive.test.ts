/** Keep alive runs on the clock of the event loop, which stands still while nothing happens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startBroker } from '../support/broker.ts';
import { pingreqFrame } from '../support/frames.ts';
import { openClient } from '../support/raw-client.ts';
import { withTimeEnough } from '../support/time-enough.ts';

test('[MQTT-3.1.2-22] keep alive is not cut short by an idle loop', async (t) => {
  const running = await startBroker(t);
  for (let round = 0; round < 4; round++) {
    await delay(950 - round * 100); // the loop's own timer is a second: meet it at another phase each time
    await withTimeEnough(async (keepAliveSeconds, inTime) => {
      let sentMs = 0;
      const client = await inTime(1.4, async () => {
        const opened = await openClient(t, 'tcp', running, { keepAliveSeconds });
        await delay(1_050);
        opened.send(pingreqFrame);
        sentMs = performance.now();
        await opened.nextPacket();
        return opened;
      });
      const other = await openClient(t, 'tcp', running);
      const chatter = setInterval(() => other.send(pingreqFrame), 20);
      const { atMs } = await client.closed();
      clearInterval(chatter);
      other.destroy();
      assert.ok(atMs - sentMs >= 1_500 * keepAliveSeconds - 5, `${atMs - sentMs}`);
    });
  }
});
