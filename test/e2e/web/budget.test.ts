/** The cost of a page before it is visible, as measured by a browser: bytes over the wire, and no layout shifts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playOnAllCourts } from '../../../web/demo/courts.ts';
import { runHouse } from '../../../web/demo/house.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { connectRally } from '../../support/rally.ts';
import { forEachVisit, isLive, untilAsync, visit } from '../../support/visitor.ts';

const bytesMax = 30_000;
/** What counts as good: https://web.dev/articles/cls. */
const shiftMax = 0.1;

const pages = [
  '',
  'demos/centre-court/',
  'demos/centre-court/match/#court-0',
  'demos/centre-court/umpire/',
  'demos/push-or-poll/',
  'demos/current-cost/',
  'demos/rooms/',
];

interface Loaded {
  readonly names: readonly string[];
  readonly bytes: number;
  readonly hosts: readonly string[];
}

/** The page and what was asked for before the first paint, with headers; uPlot comes afterwards. */
const loaded = `(() => {
  const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
  const entries = [performance.getEntriesByType('navigation')[0], ...performance.getEntriesByType('resource')];
  const early = entries.filter(({ name, startTime }) => startTime <= paint && !name.includes('/charts-'));
  return paint && {
    names: early.map(({ name }) => new URL(name).pathname),
    bytes: early.reduce((sum, { transferSize }) => sum + transferSize, 0),
    hosts: [...new Set(entries.map(({ name }) => new URL(name).host))],
  };
})()`;

const shifted = `new Promise((resolve) => {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) sum += value;
  }).observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => resolve(sum), 1_200);
})`;

test('the first paint of every page needs less than 30 KB, and nothing jumps when its data come', async (t) => {
  const { port, wsUrl } = await startBroker(t);
  const demo = await connectRally(t, wsUrl);
  atEnd(t, playOnAllCourts(demo, 5));
  atEnd(t, runHouse(demo));
  // What is retained is there before the first visitor: a page that finds nothing says so, and then changes.
  for (const filter of ['demos/centre-court/+/score', 'demos/current-cost/recent']) {
    await new Promise((resolve) => demo.subscribe(filter, resolve));
  }
  await forEachVisit(pages, async (path) => {
    const page = await visit(t, `http://127.0.0.1:${port}/${path}`, { viewport: 'phone' });
    await isLive(page);
    let found: Loaded | undefined;
    await untilAsync('the first paint', async () => {
      found = (await page.evaluate(loaded)) as Loaded | undefined;
      return found !== undefined && found !== null;
    });
    const { names, bytes, hosts } = found as Loaded;
    assert.ok(
      names.some((name) => name.endsWith('style.css')),
      names.join(' '),
    );
    assert.ok(bytes > 5_000 && bytes < bytesMax, `${path} needs ${bytes} bytes: ${names.join(' ')}`);
    assert.deepEqual(hosts, [`127.0.0.1:${port}`]);
    const shift = Number(await page.evaluate(shifted));
    assert.ok(shift < shiftMax, `${path} shifts by ${shift}`);
    t.diagnostic(`/${path}: ${bytes} bytes, shift ${shift.toFixed(3)}`);
    await page.context().close();
  });
});
