/** axe-core finds nothing serious on any page, in light and dark, on phones and desktops; nothing is cut off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import type { Rally } from '../../../client/rally.ts';
import { scoreTopic } from '../../../web/centre-court/topics.ts';
import { playOnAllCourts } from '../../../web/demo/courts.ts';
import { runHouse } from '../../../web/demo/house.ts';
import { pointsFromText, stateOf } from '../../../web/tennis/record.ts';
import { atEnd } from '../../support/at-end.ts';
import { fitsSmallPhone, seriousFaults } from '../../support/axe.ts';
import { startBroker } from '../../support/broker.ts';
import { connectRally } from '../../support/rally.ts';
import { forEachVisit, reads, viewports, visit } from '../../support/visitor.ts';

interface Stop {
  readonly path: string;
  /** Brings the page to where it shows what it is for. */
  readonly arrive: (page: Page) => Promise<void>;
}

const stops: readonly Stop[] = [
  { path: '', arrive: arriveAtConsole },
  { path: '#tree', arrive: arriveAtTree },
  { path: 'demos/centre-court/', arrive: (page) => reads(page.locator('.match .player').first(), /./) },
  {
    path: 'demos/centre-court/match/#court-0',
    arrive: (page) => reads(page.locator('#statistics tbody td').first(), /./),
  },
  { path: 'demos/centre-court/match/#over', arrive: (page) => reads(page.locator('#standing'), /has won/) },
  { path: 'demos/centre-court/match/#unknown', arrive: (page) => page.locator('#nothing').waitFor() },
  { path: 'demos/centre-court/umpire/', arrive: (page) => reads(page.locator('#new h1'), 'A new match') },
  {
    path: 'demos/centre-court/umpire/#court-0',
    arrive: (page) => reads(page.locator('#side-0 button').first(), /^Point/),
  },
  { path: 'demos/push-or-poll/', arrive: (page) => reads(page.locator('#push-board .player').first(), /\w/) },
  { path: 'demos/current-cost/', arrive: arriveAtAlert },
  { path: 'demos/rooms/', arrive: (page) => reads(page.locator('#open-rooms'), /elsewhere/) },
  { path: 'demos/rooms/#lobby', arrive: arriveInRoom },
];

async function arriveAtConsole(page: Page): Promise<void> {
  await page.click('#subscribe');
  await reads(page.locator('.message .topic').first(), /^demos/);
  for (const summary of ['Credentials', 'Properties']) await page.click(`summary:text("${summary}")`);
  await page.check('#pause');
  await page.locator('.message summary').first().click();
  await page.locator('.message pre').first().waitFor();
  await page.fill('#filter', 'a/#/b');
  await page.click('#subscribe');
  await reads(page.locator('#console-state'), /0x8f/);
}

async function arriveAtTree(page: Page): Promise<void> {
  await page.click('#subscribe');
  await page.click('#show-tree');
  await reads(page.locator('.leaf .value').first(), /./);
}

async function arriveAtAlert(page: Page): Promise<void> {
  await reads(page.locator('#appliance-fridge .watts'), /\d/);
  await page.fill('#threshold', '1');
  await page.getByRole('button', { name: 'Set' }).click();
  await reads(page.locator('#alert'), /^More than 1 W/);
}

async function arriveInRoom(page: Page): Promise<void> {
  await page.fill('#name', 'Ada');
  await page.getByRole('button', { name: 'Enter' }).click();
  await page.fill('#text', 'Hello');
  await page.press('#text', 'Enter');
  await reads(page.locator('.own .ticks').last(), '✓ sent');
  await reads(page.locator('#messages .text').first(), 'from another');
}

/** What others have left: people and their words in a room, a match that is over. */
async function leaveTraces(demo: Rally): Promise<void> {
  const kept = { qos: 1, retain: true } as const;
  const at = Date.now();
  const words = { from: 'bea', name: 'Bea', text: 'from another', at: at - 1_000 };
  await demo.publish('demos/rooms/lobby/messages/m1', words, kept);
  await demo.publish('demos/rooms/lobby/people/bea', { name: 'Bea', since: at }, kept);
  await demo.publish('demos/rooms/elsewhere/people/cleo', { name: 'Cleo', since: at }, kept);
  const sheet = {
    id: 'over',
    court: 'Court 9',
    players: ['Ada', 'Bea'],
    umpire: 'test',
    firstServer: 0,
  } as const;
  await demo.publish(scoreTopic('over'), stateOf(sheet, pointsFromText('0w'.repeat(48)) ?? [], at), kept);
}

test('axe finds nothing serious on a phone in light, and at a desk in dark', async (t) => {
  const { port, wsUrl } = await startBroker(t);
  const demo = await connectRally(t, wsUrl);
  atEnd(t, playOnAllCourts(demo, 0.01));
  const endHouse = runHouse(demo);
  atEnd(t, endHouse);
  await leaveTraces(demo);
  await forEachVisit(stops, async ({ path, arrive }) => {
    const page = await visit(t, `http://127.0.0.1:${port}/${path}`, { viewport: 'phone' });
    await arrive(page);
    assert.deepEqual(await seriousFaults(page), [], `${path} on a phone`);
    await fitsSmallPhone(page, path);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize(viewports.desktop);
    assert.deepEqual(await seriousFaults(page), [], `${path} at a desk`);
    await page.context().close();
  });
  // Figures that are old are grey, and can still be read.
  const stale = await visit(t, `http://127.0.0.1:${port}/demos/current-cost/`, { viewport: 'phone' });
  await reads(stale.locator('#appliance-fridge .watts'), /\d/);
  endHouse();
  await stale.locator('#now.stale').waitFor();
  for (const colorScheme of ['light', 'dark'] as const) {
    await stale.emulateMedia({ colorScheme });
    assert.deepEqual(await seriousFaults(stale), [], `old figures, ${colorScheme}`);
  }
});

test('without anything to show every page says what to do, and axe finds nothing serious', async (t) => {
  const { port } = await startBroker(t);
  for (const [path, note] of [
    ['demos/centre-court/', '#no-match'],
    ['demos/push-or-poll/', '#no-match'],
    ['demos/current-cost/', '#no-meters'],
    ['demos/rooms/', '#no-rooms'],
  ] as const) {
    const page = await visit(t, `http://127.0.0.1:${port}/${path}`, { viewport: 'phone' });
    await page.locator(note).waitFor();
    await reads(page.locator(note), /npm run demo|Enter one/);
    assert.deepEqual(await seriousFaults(page), [], path);
    await page.context().close();
  }
});
