/** A hidden tab in real Chromium, which then runs its timers once a minute. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../../client/rally.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { servePage } from '../../support/chromium.ts';
import { HidableTab } from '../../support/hidden-tab.ts';
import { WebSocket } from '../../support/node-websocket.ts';
import { withTimeEnough } from '../../support/time-enough.ts';

/** Longer than the broker waits for a client that is not heard of. */
const untilMsMax = 120_000;

/** Until the expression, which is asked for in the tab, is true. */
async function untilInTab(tab: HidableTab, expression: string): Promise<void> {
  const endMs = performance.now() + untilMsMax;
  while (!(await tab.run<boolean>(`return ${expression}`))) {
    assert.ok(performance.now() < endMs, `waited in vain: ${expression}`);
    await delay(20);
  }
}

/** Starts a client in the tab, in place of the one that there is. */
const startClient = `
  const { Rally } = await import('/rally.js');
  globalThis.rally?.close();
  globalThis.events = [];
  globalThis.texts = [];
  // Without a session the broker tells at once that the tab is lost.
  const properties = { sessionExpiryInterval: 0 };
  const reconnect = { minMs: 1e6, maxMs: 1e6 };
  const { url, keepAliveSeconds } = argument;
  globalThis.rally = new Rally(url, { keepAliveSeconds, properties, reconnect });
  const [own, heard] = [events, texts];
  for (const name of ['connected', 'reconnecting']) rally.on(name, () => own.push(name));
  rally.subscribe('a', (message) => heard.push(message.text()));
  await rally.ready;`;

test('a hidden tab with throttled timers stays connected while messages come, and is back at once when shown', async (context) => {
  const { wsUrl } = await startBroker(context);
  const tab = await HidableTab.open(context, await servePage(context));
  await untilInTab(tab, `location.protocol === 'http:' && document.readyState === 'complete'`);
  const publisher = await connect(wsUrl, { WebSocket });
  atEnd(context, () => publisher.close());
  await tab.run('globalThis.ticks = 0; setInterval(() => ticks++, 100)');
  await tab.hide();
  await untilInTab(tab, 'document.hidden');
  await withTimeEnough(async (keepAliveSeconds, inTime) => {
    await tab.run(startClient, { url: wsUrl, keepAliveSeconds });
    // The broker gives up after one and a half times that; a timer of the tab does not ring for up to a minute.
    const sent: string[] = [];
    let ticksBefore = 0;
    let ticksSinceMs = 0;
    for (let count = 0; count < 40; count++) {
      if (count === 16) {
        ticksBefore = await tab.run<number>('return ticks');
        ticksSinceMs = performance.now();
      }
      await inTime(0.7, async () => {
        sent.push(`${count}`);
        await publisher.publish('a', `${count}`);
        await untilInTab(tab, `texts.length > ${count}`);
        await delay(125 * keepAliveSeconds);
      });
    }
    const ticks = (await tab.run<number>('return ticks')) - ticksBefore;
    const due = (performance.now() - ticksSinceMs) / 100;
    assert.ok(ticks < due / 4, `${ticks} of some ${Math.round(due)} ticks: its timers are not throttled`);
    assert.deepEqual(await tab.run('return texts'), sent);
    assert.deepEqual(await tab.run('return events'), ['connected']);
  });

  // Nothing comes any more.
  await untilInTab(tab, `events.includes('reconnecting')`);
  await tab.show();
  await untilInTab(tab, `rally.status === 'connected'`);
  await publisher.publish('a', 'seen again', { retain: true }); // it may not be subscribed yet
  await untilInTab(tab, `texts.at(-1) === 'seen again'`);
});
