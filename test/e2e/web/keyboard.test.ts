/** The pages without a mouse: every control is reachable with visible focus; what is read out, and what is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { playOnAllCourts } from '../../../web/demo/courts.ts';
import { runHouse } from '../../../web/demo/house.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { connectRally } from '../../support/rally.ts';
import { forEachVisit, isLive, reads, visit } from '../../support/visitor.ts';

const pages: readonly (readonly [path: string, ready: string])[] = [
  ['', '#delivered'],
  ['demos/centre-court/', '.match .more'],
  ['demos/centre-court/match/#court-0', '#standing'],
  ['demos/centre-court/umpire/#court-0', '#side-0 button'],
  ['demos/push-or-poll/', '#push-board .player'],
  ['demos/current-cost/', '#appliance-lights .watts'],
  ['demos/rooms/', '#join button'],
];

/** Numbers all that a keyboard should reach, and gives how many there are. */
const number = `(() => {
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
    .filter((one) => one.checkVisibility() && !one.disabled && one.className !== 'skip');
  all.forEach((one, index) => { one.dataset.stop = index; });
  return all.length;
})()`;

/** The one with the focus, and whether it can be seen. */
const focused = `(() => {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  return { stop: one.dataset.stop, isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2, html: one.outerHTML.slice(0, 120) };
})()`;

async function stopsReached(page: Page, count: number): Promise<Set<string>> {
  const reached = new Set<string>();
  for (let presses = 0; presses < count + 3 && reached.size < count; presses += 1) {
    await page.keyboard.press('Tab');
    const { stop, isSeen, html } = (await page.evaluate(focused)) as {
      stop?: string;
      isSeen: boolean;
      html: string;
    };
    if (stop === undefined) continue;
    assert.ok(isSeen, `the focus is not seen on ${html}`);
    reached.add(stop);
  }
  return reached;
}

test('the Tab key reaches every control of every page, and the focus is seen', async (t) => {
  const { port, wsUrl } = await startBroker(t);
  const demo = await connectRally(t, wsUrl);
  atEnd(t, playOnAllCourts(demo, 0.01));
  atEnd(t, runHouse(demo));
  await forEachVisit(pages, async ([path, ready]) => {
    const page = await visit(t, `http://127.0.0.1:${port}/${path}`);
    await isLive(page);
    await reads(page.locator(ready).first(), /[^–]/);
    const count = Number(await page.evaluate(number));
    assert.ok(count > 5, path);
    assert.equal((await stopsReached(page, count)).size, count, path);
    await page.context().close();
  });
});

test('a match is begun, scored and taken back with the keyboard alone', async (t) => {
  const { port } = await startBroker(t);
  const page = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/umpire/`);
  await isLive(page);
  await page.locator('#first').focus();
  await page.keyboard.type('Ada');
  await page.keyboard.press('Tab');
  await page.keyboard.type('Bea');
  await page.keyboard.press('Enter');
  const points = page.locator('tbody .points');
  await reads(points, '0\n0');
  await page.keyboard.press('1');
  await page.keyboard.press('2');
  await page.keyboard.press('2');
  await reads(points, '15\n30');
  await page.keyboard.press('u');
  await reads(points, '15\n15');
});

/** What a screen reader would read out, of the live regions of the page. */
const listen = `(() => {
  const live = '[role=status], [role=alert], [role=log]:not([aria-live=off]), [aria-live=polite], [aria-live=assertive]';
  globalThis.heard = [];
  for (const region of document.querySelectorAll(live)) {
    new MutationObserver(() => heard.push(region.textContent.trim()))
      .observe(region, { childList: true, characterData: true, subtree: true });
  }
})()`;

test('a point is read out once, and politely', async (t) => {
  const { port } = await startBroker(t);
  const site = `http://127.0.0.1:${port}/demos/centre-court/`;
  const umpire = await visit(t, `${site}umpire/`);
  await umpire.fill('#first', 'Ada');
  await umpire.fill('#second', 'Bea');
  await umpire.getByRole('button', { name: 'Begin' }).click();
  const viewer = await visit(t, `${site}match/${new URL(umpire.url()).hash}`);
  await reads(viewer.locator('#call'), 'The match begins.');
  await viewer.evaluate(listen);
  await umpire.getByRole('button', { name: 'Ace' }).click();
  await reads(viewer.locator('#call'), 'Ace by Ada.');
  assert.deepEqual(await viewer.evaluate('heard'), ['Ace by Ada.']);
});

test('meters that tick are not read out', async (t) => {
  const { port, wsUrl } = await startBroker(t);
  atEnd(t, runHouse(await connectRally(t, wsUrl)));
  const page = await visit(t, `http://127.0.0.1:${port}/demos/current-cost/`);
  await reads(page.locator('#appliance-lights .watts'), /\d/);
  await page.evaluate(listen);
  const points = page.locator('#total');
  for (let ticks = 0; ticks < 2; ticks += 1) {
    const before = (await points.textContent()) ?? '';
    await reads(points, new RegExp(`^(?!${before}$)`));
  }
  assert.deepEqual(await page.evaluate('heard'), []);
});
