/** axe-core finds nothing serious on any page, in light and dark, on phones and desktops; nothing is cut off. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { playOnAllCourts } from '../../../web/demo/courts.ts';
import { runHouse } from '../../../web/demo/house.ts';
import { startBroker } from '../../support/broker.ts';
import { connectRally } from '../../support/rally.ts';
import { reads, visit } from '../../support/visitor.ts';

interface Page360 {
  readonly path: string;
  /** Brings the page to where it shows what it is for. */
  readonly arrive: (page: Page) => Promise<void>;
}

const pages: readonly Page360[] = [
  { path: '', arrive: arriveAtConsole },
  { path: 'demos/centre-court/', arrive: (page) => reads(page.locator('.match .player').first(), /./) },
  {
    path: 'demos/centre-court/match/#court-0',
    arrive: (page) => reads(page.locator('#statistics tbody td').first(), /./),
  },
  {
    path: 'demos/centre-court/umpire/',
    arrive: (page) => reads(page.locator('#new:visible h2'), 'A new match'),
  },
  {
    path: 'demos/centre-court/umpire/#court-0',
    arrive: (page) => reads(page.locator('#side-0 button').first(), /^Point/),
  },
  { path: 'demos/push-or-poll/', arrive: (page) => reads(page.locator('#push-board .player').first(), /./) },
  { path: 'demos/current-cost/', arrive: (page) => reads(page.locator('#appliance-fridge .watts'), /\d/) },
  { path: 'demos/rooms/', arrive: async () => {} },
  { path: 'demos/rooms/#lobby', arrive: arriveInRoom },
];

async function arriveAtConsole(page: Page): Promise<void> {
  await page.click('#subscribe');
  await reads(page.locator('.message .topic').first(), /^demos/);
  await page.click('summary:text("Properties")');
}

async function arriveInRoom(page: Page): Promise<void> {
  await page.fill('#name', 'Ada');
  await page.getByRole('button', { name: 'Enter' }).click();
  await page.fill('#text', 'Hello');
  await page.press('#text', 'Enter');
  await reads(page.locator('.own .ticks').last(), '✓ sent');
}

// By the debugger's protocol, which the Content-Security-Policy does not bind.
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const violations = (await page.evaluate(`axe.run().then(({ violations }) => violations)`)) as Violation[];
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
}

for (const [viewport, colorScheme] of [
  ['phone', 'light'],
  ['desktop', 'dark'],
] as const) {
  test(`axe finds nothing serious (${viewport}, ${colorScheme})`, async (t) => {
    const { port, wsUrl } = await startBroker(t);
    const demo = await connectRally(t, wsUrl);
    t.after(playOnAllCourts(demo, 0.01));
    t.after(runHouse(demo));
    for (const { path, arrive } of pages) {
      const page = await visit(t, `http://127.0.0.1:${port}/${path}`, { viewport, colorScheme });
      await arrive(page);
      assert.deepEqual(await seriousFaults(page), [], path);
      if (viewport === 'phone') {
        await page.setViewportSize({ width: 360, height: 740 });
        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        assert.ok(Number(overflow) <= 0, `${path} is ${overflow} pixels wider than a small phone`);
      }
      await page.context().close();
    }
  });
}
