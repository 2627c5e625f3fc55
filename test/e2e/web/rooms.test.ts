/** Rooms, used by two people. */
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { createBroker } from '../../../core/broker.ts';
import { atEnd } from '../../support/at-end.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { unusedPort } from '../../support/command.ts';
import { connectRally } from '../../support/rally.ts';
import { reads, untilAsync, type VisitorOptions, visit } from '../../support/visitor.ts';

type Test = Parameters<typeof visit>[0];

async function enter(
  t: Test,
  { port }: Pick<RunningBroker, 'port'>,
  name: string,
  options: VisitorOptions,
): Promise<Page> {
  const page = await visit(t, `http://127.0.0.1:${port}/demos/rooms/`, options);
  await page.fill('#name', name);
  await page.fill('#room', 'Locker room');
  await page.getByRole('button', { name: 'Enter' }).click();
  await reads(page.locator('#people li', { hasText: '(you)' }), /\(you\)$/);
  return page;
}

async function say(page: Page, text: string): Promise<void> {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

/** As if the tab were in the background, or in front again. */
async function setVisible(page: Page, isVisible: boolean): Promise<void> {
  const state = isVisible ? 'visible' : 'hidden';
  await page.evaluate(
    `Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
     document.dispatchEvent(new Event('visibilitychange'));`,
  );
}

const lastTicks = (page: Page) => page.locator('.own .ticks').last();
const lastText = (page: Page) => page.locator('#messages .text').last();

test('two people talk, see each other, type, and know what was read', async (t) => {
  const running = await startBroker(t);
  const ada = await enter(t, running, 'Ada', { viewport: 'phone' });
  await reads(ada.locator('#people-count'), '1');
  await say(ada, 'Anybody here?');
  await reads(lastTicks(ada), '✓ sent');

  const bea = await enter(t, running, 'Bea', { viewport: 'desktop', colorScheme: 'dark' });
  await reads(ada.locator('#people'), /AAda \(you\)BBea/);
  await reads(bea.locator('#people'), /AAdaBBea \(you\)/);
  // The history comes with the room, and its author is told.
  await reads(lastText(bea), 'Anybody here?');
  await reads(lastTicks(ada), '✓✓ read by Bea');

  // It is shown for some seconds: whoever looks late has to see her go on.
  await untilAsync('that Bea is typing', async () => {
    await bea.locator('#text').press('x');
    return (await ada.locator('#typing').textContent()) === 'Bea is typing…';
  });
  await bea.fill('#text', 'Yes');
  await bea.press('#text', 'Enter');
  await reads(lastText(ada), 'Yes');
  await reads(ada.locator('#typing'), '');
  await reads(lastTicks(bea), '✓✓ read by Ada');

  await setVisible(ada, false);
  await say(bea, 'Look at <b>this</b>');
  await reads(lastText(ada), 'Look at <b>this</b>');
  await reads(lastTicks(bea), '✓✓ delivered to Ada');
  await setVisible(ada, true);
  await reads(lastTicks(bea), '✓✓ read by Ada');
});

test('who leaves is gone at once, who is lost after a moment', async (t) => {
  const running = await startBroker(t);
  const ada = await enter(t, running, 'Ada', {});
  const bea = await enter(t, running, 'Bea', {});
  const cleo = await enter(t, running, 'Cleo', { viewport: 'phone' });
  await reads(ada.locator('#people-count'), '3');
  await bea.getByRole('button', { name: 'Leave' }).click();
  await reads(ada.locator('#people'), /^AAda \(you\)CCleo$/);
  await bea.getByRole('button', { name: 'Enter' }).waitFor();
  await cleo.context().close();
  await reads(ada.locator('#people'), /^AAda \(you\)$/);
});

test('after a broker without a store has been restarted, who left meanwhile is not there', async (t) => {
  const running = { port: await unusedPort() };
  const start = async () => {
    const broker = createBroker({ ...running, tcpPort: false, workers: 1 });
    atEnd(t, () => broker.stop());
    await broker.start();
    return broker;
  };
  const broker = await start();
  const ada = await enter(t, running, 'Ada', {});
  const bea = await enter(t, running, 'Bea', {});
  await reads(ada.locator('#people-count'), '2');
  await broker.stop();
  await bea.context().close();
  await start();
  await reads(ada.locator('#people'), /^AAda \(you\)$/);
});

test('ticks that come while the author is away are there afterwards', async (t) => {
  const running = await startBroker(t);
  const ada = await enter(t, running, 'Ada', {});
  await ada.context().setOffline(true);
  await reads(ada.locator('#outage'), /cannot be reached|^$/);
  const bea = await enter(t, running, 'Bea', {});
  await say(ada, 'Written without a network');
  await ada.context().setOffline(false);
  await reads(lastText(bea), 'Written without a network');
  await reads(lastTicks(ada), '✓✓ read by Bea');
});

test('after a reload the visitor is in the room again, and the history in its order', async (t) => {
  const running = await startBroker(t);
  const ada = await enter(t, running, 'Ada', { viewport: 'phone' });
  for (const text of ['one', 'two', 'three']) {
    await say(ada, text);
    await reads(lastTicks(ada), '✓ sent');
  }
  await ada.reload();
  await reads(ada.locator('#messages .text'), 'one\ntwo\nthree');
  await reads(ada.locator('#people-count'), '1');
  await reads(lastTicks(ada), '✓ sent');
});

test('a room keeps its last hundred messages', async (t) => {
  const running = await startBroker(t);
  const ada = await enter(t, running, 'Ada', {});
  const rally = await connectRally(t, running.wsUrl);
  for (let index = 0; index < 100; index += 1) {
    const message = { from: 'other', name: 'Other', text: `${index}`, at: index };
    await rally.publish(`demos/rooms/locker-room/messages/m${index}`, message, { qos: 1, retain: true });
  }
  await reads(lastText(ada), '99');
  await say(ada, 'the newest');
  await reads(ada.locator('#messages .text').first(), '1');
  await reads(lastText(ada), 'the newest');
});
