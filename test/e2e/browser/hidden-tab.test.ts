/** A tab that is hidden, in real Chromium, which lets its timers run once a minute then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../../client/rally.ts';
import { startBroker } from '../../support/broker.ts';
import { servePage } from '../../support/chromium.ts';
import { HidableTab } from '../../support/hidden-tab.ts';
import { WebSocket } from '../../support/node-websocket.ts';

/** Until the expression, which is asked for in the tab, is true. */
async function untilInTab(tab: HidableTab, expression: string): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!(await tab.run<boolean>(`return ${expression}`))) {
    assert.ok(performance.now() < endMs, `waited in vain: ${expression}`);
    await delay(20);
  }
}

test('a hidden tab with throttled timers stays connected while messages come, and is back at once when shown', async (context) => {
  const { wsUrl } = await startBroker(context);
  const tab = await HidableTab.open(context, await servePage(context));
  await untilInTab(tab, `location.protocol === 'http:' && document.readyState === 'complete'`);
  await tab.run(
    `const { Rally } = await import('/rally.js');
     globalThis.events = [];
     globalThis.texts = [];
     globalThis.ticks = 0;
     // Without a session the broker tells at once that the tab is lost.
     const properties = { sessionExpiryInterval: 0 };
     globalThis.rally = new Rally(argument, { keepAliveSeconds: 2, properties, reconnect: { minMs: 1e6, maxMs: 1e6 } });
     for (const name of ['connected', 'reconnecting']) rally.on(name, () => events.push(name));
     rally.subscribe('a', (message) => texts.push(message.text()));
     await rally.ready;`,
    wsUrl,
  );
  await tab.hide();
  await untilInTab(tab, 'document.hidden');
  const publisher = await connect(wsUrl, { WebSocket });
  context.after(() => publisher.close());
  await tab.run('setInterval(() => ticks++, 100)');
  // The broker gives up after 3 seconds without a packet; a timer of the tab does not ring for up to a minute.
  const sent: string[] = [];
  let ticksBefore = 0;
  for (let count = 0; count < 40; count++) {
    if (count === 16) ticksBefore = await tab.run<number>('return ticks');
    sent.push(`${count}`);
    await publisher.publish('a', `${count}`);
    await delay(250);
  }
  const ticks = (await tab.run<number>('return ticks')) - ticksBefore;
  assert.ok(ticks < 12, `${ticks} of some 60 ticks: its timers are not throttled`);
  assert.deepEqual(await tab.run('return texts'), sent);
  assert.deepEqual(await tab.run('return events'), ['connected']);

  // Nothing comes any more.
  await untilInTab(tab, `events.includes('reconnecting')`);
  await tab.show();
  await untilInTab(tab, `rally.status === 'connected'`);
  await publisher.publish('a', 'seen again');
  await untilInTab(tab, `texts.at(-1) === 'seen again'`);
});
