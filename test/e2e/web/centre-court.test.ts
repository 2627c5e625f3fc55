/** Centre Court, used by umpires and viewers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { playOnAllCourts } from '../../../web/demo/courts.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { connectRally } from '../../support/rally.ts';
import { isLive, reads, untilAsync, type ViewportName, viewports, visit } from '../../support/visitor.ts';
import { until } from '../../support/wait.ts';

const viewersMax = 200;

async function beginMatch(umpire: Page, first: string, second: string): Promise<string> {
  await umpire.fill('#first', first);
  await umpire.fill('#second', second);
  await umpire.getByRole('button', { name: 'Begin' }).click();
  await reads(umpire.locator('.player').first(), first);
  return new URL(umpire.url()).hash;
}

/** Wins points for one side, by the large button. */
async function score(umpire: Page, name: string, times: number): Promise<void> {
  const button = umpire.getByRole('button', { name: `Point ${name}` });
  for (let count = 0; count < times; count += 1) await button.click();
}

function points(page: Page, side: 0 | 1) {
  return page.locator('tbody .points').nth(side);
}

for (const viewport of Object.keys(viewports) as ViewportName[]) {
  test(`what the umpire scores is on the viewer's page (${viewport})`, async (t) => {
    const { port } = await startBroker(t);
    const site = `http://127.0.0.1:${port}/demos/centre-court/`;
    const umpire = await visit(t, `${site}umpire/`, { viewport });
    const match = await beginMatch(umpire, 'Ada', 'Bea');
    const viewer = await visit(t, `${site}match/${match}`, { viewport, colorScheme: 'dark' });
    await reads(viewer.locator('#title'), 'Ada – Bea');
    await reads(points(viewer, 0), '0');

    await score(umpire, 'Ada', 1);
    await reads(points(viewer, 0), '15');
    await umpire.getByRole('button', { name: 'Double fault by Ada' }).click();
    await reads(points(viewer, 1), '15');
    await reads(viewer.locator('#call'), 'Double fault by Ada.');
    await umpire.getByRole('button', { name: 'Undo the last point' }).click();
    await reads(points(viewer, 1), '0');

    await score(umpire, 'Ada', 2);
    await score(umpire, 'Bea', 3);
    await reads(viewer.locator('#call'), 'Winner by Bea. Deuce.');
    await score(umpire, 'Bea', 1);
    await reads(points(viewer, 1), 'Ad');
    await reads(viewer.locator('#call'), 'Winner by Bea. Break point, Bea.');
    await score(umpire, 'Bea', 1);
    await reads(viewer.locator('tbody .set.now'), '0\n1');
    await reads(
      viewer.locator('#statistics tbody tr', { hasText: 'Break points won' }).locator('td').last(),
      '1 of 1',
    );
    await reads(viewer.locator('#statistics tbody tr', { hasText: 'Points won' }).locator('td').first(), '3');
  });
}

test('a visitor who comes late sees the score at once, in the list and in the match', async (t) => {
  const { port } = await startBroker(t);
  const site = `http://127.0.0.1:${port}/demos/centre-court/`;
  const umpire = await visit(t, `${site}umpire/`);
  const match = await beginMatch(umpire, 'Ada', 'Bea');
  await score(umpire, 'Bea', 3);
  await umpire.context().close();

  const late = await visit(t, site, { viewport: 'phone' });
  await reads(late.locator('.match td.points'), '0\n40');
  await late.getByRole('link', { name: 'Open the match' }).click();
  await reads(points(late, 1), '40');
  assert.equal(new URL(late.url()).hash, match);
});

test('an umpire goes on after a reload, and another one takes over', async (t) => {
  const { port } = await startBroker(t);
  const umpire = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/umpire/`);
  await beginMatch(umpire, 'Ada', 'Bea');
  await score(umpire, 'Ada', 2);
  await umpire.reload();
  await reads(points(umpire, 0), '30');
  const other = await visit(t, umpire.url());
  await reads(points(other, 0), '30');
  await score(other, 'Ada', 1);
  await reads(points(umpire, 0), '40');
  await umpire.keyboard.press('2');
  await reads(points(other, 1), '15');
  await other.keyboard.press('u');
  await reads(points(umpire, 1), '0');
});

test('umpires who score at the same time end up with the same score, as everyone who watches', async (t) => {
  const { port } = await startBroker(t);
  const site = `http://127.0.0.1:${port}/demos/centre-court/`;
  const one = await visit(t, `${site}umpire/`);
  const match = await beginMatch(one, 'Ada', 'Bea');
  const other = await visit(t, `${site}umpire/${match}`, { viewport: 'phone' });
  const viewer = await visit(t, `${site}match/${match}`);
  await reads(points(other, 0), '0');
  for (let round = 0; round < 4; round += 1) {
    await Promise.all([one.keyboard.press('1'), other.keyboard.press('2'), one.keyboard.press('2')]);
  }
  const scores = async (): Promise<string[]> =>
    Promise.all(
      [one, other, viewer].map(async (page) => (await page.locator('tbody').first().innerText()).trim()),
    );
  await untilAsync('one score on all pages', async () => new Set(await scores()).size === 1);
  await other.keyboard.press('1');
  await reads(other.locator('#undo:enabled'), 'Undo the last point');
  await untilAsync('one score again', async () => new Set(await scores()).size === 1);
});

test('a set by a tie-break, and its end taken back', async (t) => {
  const { port } = await startBroker(t);
  const umpire = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/umpire/`);
  const match = await beginMatch(umpire, 'Ada', 'Bea');
  const viewer = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/match/${match}`);
  for (let game = 0; game < 12; game += 1) {
    for (let point = 0; point < 4; point += 1) await umpire.keyboard.press(game % 2 === 0 ? '1' : '2');
  }
  await reads(viewer.locator('tbody .set.now'), '6\n6');
  for (const key of '1111112') await umpire.keyboard.press(key);
  await reads(viewer.locator('tbody .points'), '6\n1');
  await reads(viewer.locator('#call'), 'Winner by Bea. Set point, Ada.');
  await umpire.keyboard.press('1');
  await reads(viewer.locator('#call'), 'Winner by Ada. Game and set, Ada. Sets 1:0.');
  await reads(viewer.locator('tbody .set').first(), '77');
  await reads(viewer.locator('tbody .set sup'), '7\n1');
  await umpire.keyboard.press('u');
  await reads(viewer.locator('tbody .points'), '6\n1');
  assert.equal(await viewer.locator('tbody .set sup').count(), 0);
});

test('a match to its end, and away', async (t) => {
  const { port } = await startBroker(t);
  const site = `http://127.0.0.1:${port}/demos/centre-court/`;
  const umpire = await visit(t, `${site}umpire/`);
  await beginMatch(umpire, 'Ada', 'Bea');
  const list = await visit(t, site);
  for (let point = 0; point < 48; point += 1) await umpire.keyboard.press('1');
  await reads(umpire.locator('#call'), 'Winner by Ada. Game, set and match, Ada.');
  await reads(list.locator('.match .tag'), 'over');
  await reads(list.locator('.match .set.taken'), '6\n6');
  assert.ok(await umpire.getByRole('button', { name: 'Point Ada' }).isDisabled());
  umpire.on('dialog', (dialog) => void dialog.accept());
  await umpire.getByRole('button', { name: 'Remove the match' }).click();
  await reads(list.locator('#no-match'), /No matches yet/);
  assert.equal(await list.locator('.match').count(), 0);
});

test('whatever else is published there changes nothing on the page', async (t) => {
  const { broker, port } = await startBroker(t);
  const list = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/`);
  await isLive(list);
  for (const bad of [
    '',
    'no JSON',
    'null',
    '[]',
    '{}',
    '{"score":{}}',
    '{"score":{"games":[1,2],"sets":[null]}}',
  ]) {
    await broker.publish('demos/centre-court/x/score', bad, { retain: true });
  }
  const umpire = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/umpire/`);
  await beginMatch(umpire, '<b>Ada</b>', 'Bea');
  await reads(list.locator('.match .player'), '<b>Ada</b>\nBea');
});

test('the demo plays on three courts, point by point', async (t) => {
  const { port, wsUrl } = await startBroker(t);
  const stop = playOnAllCourts(await connectRally(t, wsUrl), 50);
  atEnd(t, stop);
  const list = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/`);
  await reads(list.locator('.match h2'), 'Centre Court\nCourt 1\nCourt 2');
  const scores = async (): Promise<string> => (await list.locator('.match tbody').allTextContents()).join();
  const before = await scores();
  await untilAsync('another score', async () => (await scores()) !== before);
});

test(`${viewersMax} viewers of one match all have each point`, async (t) => {
  const { port, wsUrl } = await startBroker(t);
  const umpire = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/umpire/`);
  const match = (await beginMatch(umpire, 'Ada', 'Bea')).slice(1);
  const pages = await Promise.all(
    [1, 2, 3].map(() =>
      visit(t, `http://127.0.0.1:${port}/demos/centre-court/match/#${match}`, { viewport: 'phone' }),
    ),
  );
  const versions = await Promise.all(
    Array.from({ length: viewersMax - pages.length }, async () => {
      const rally = await connectRally(t, wsUrl);
      const seen: number[] = [];
      rally.subscribe(
        `demos/centre-court/${match}/score`,
        (message) => void seen.push(message.json<{ version: number }>().version),
      );
      return seen;
    }),
  );
  await until('the retained score, for everyone', () => versions.every((seen) => seen.length === 1));
  for (const page of pages) await reads(points(page, 0), '0');
  await score(umpire, 'Ada', 2);
  const startMs = performance.now();
  await score(umpire, 'Ada', 1);
  await until('every point, for everyone', () => versions.every((seen) => seen.length === 4));
  t.diagnostic(`the last of them after ${Math.round(performance.now() - startMs)} ms, with the click`);
  for (const page of pages) await reads(points(page, 0), '40');
  for (const seen of versions) assert.deepEqual(seen, [0, 1, 2, 3]);
});
