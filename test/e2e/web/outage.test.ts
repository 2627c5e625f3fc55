/** The broker is killed under open pages: each shows the outage, and recovers by itself when the broker returns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCommand, unusedPort } from '../../support/command.ts';
import { connectRally } from '../../support/rally.ts';
import { isLive, reads, visit } from '../../support/visitor.ts';

const pages = ['', 'demos/centre-court/', 'demos/push-or-poll/', 'demos/current-cost/', 'demos/rooms/'];

test('every page says that the broker is away, and goes on when it is back', async (t) => {
  const port = `${await unusedPort()}`;
  const start = () => startCommand(t, ['--port', port, '--log-level', 'silent']);
  const broker = start();
  await broker.ready();
  const site = `http://127.0.0.1:${port}/`;
  const umpire = await visit(t, `${site}demos/centre-court/umpire/`, { viewport: 'phone' });
  await umpire.fill('#first', 'Ada');
  await umpire.fill('#second', 'Bea');
  await umpire.getByRole('button', { name: 'Begin' }).click();
  const viewer = await visit(t, `${site}demos/centre-court/match/${new URL(umpire.url()).hash}`);
  const others = await Promise.all(pages.map((path) => visit(t, site + path)));
  await others.at(-1)?.fill('#name', 'Ada');
  await others.at(-1)?.getByRole('button', { name: 'Enter' }).click();
  const all = [umpire, viewer, ...others];
  for (const page of all) await isLive(page);
  await reads(viewer.locator('#title'), 'Ada – Bea');
  const home = others[0] ?? viewer;
  await home.fill('#filter', 'once/#');
  await home.click('#subscribe');
  await reads(home.locator('#console-state'), /^connected/);

  broker.kill('SIGKILL');
  await broker.exited();
  for (const page of all)
    await reads(page.locator('#outage'), /^The broker cannot be reached\. Reconnecting…/);
  const composerEnds = `document.querySelector('#composer').getBoundingClientRect().bottom <= innerHeight`;
  assert.equal(
    await others.at(-1)?.evaluate(composerEnds),
    true,
    'the banner pushes nothing out of the window',
  );
  // No page says that what it shows is of this moment.
  assert.equal(await viewer.evaluate('document.documentElement.dataset.link'), 'reconnecting');
  const pushOrPoll = all.find((page) => page.url().includes('push-or-poll')) ?? viewer;
  await reads(home.locator('#pulse-title'), 'When last seen');
  await reads(pushOrPoll.locator('#push-verdict'), 'not connected');
  await reads(pushOrPoll.locator('#poll-behind'), 'unknown');
  // The umpire goes on meanwhile.
  for (let count = 0; count < 3; count += 1) await umpire.getByRole('button', { name: 'Point Ada' }).click();
  await reads(umpire.locator('#waiting'), /Keep scoring/);

  await start().ready();
  for (const page of all) {
    await isLive(page);
    await reads(page.locator('#outage:visible'), '');
  }
  await reads(home.locator('#pulse-title'), 'This broker, now');
  // Without storage the new broker knows nothing, and is told by the umpire.
  await reads(viewer.locator('tbody .points').first(), '40');
  await reads(umpire.locator('#waiting'), '');
  await reads(others.at(-1)?.locator('#people-count') ?? umpire.locator('none'), '1');
  // The console's subscription is there again, once.
  await reads(home.locator('#console-state'), /^connected/);
  const rally = await connectRally(t, `ws://127.0.0.1:${port}/mqtt`);
  for (const text of ['1', '2']) {
    await rally.publish(`once/${text}`, text, { qos: 1 });
    await reads(home.locator('#log-count'), text);
  }
});

test('what an umpire scores while the broker is away survives a reload, and a broker that has forgotten', async (t) => {
  const port = `${await unusedPort()}`;
  const start = () => startCommand(t, ['--port', port, '--log-level', 'silent']);
  const broker = start();
  await broker.ready();
  const site = `http://127.0.0.1:${port}/demos/centre-court/`;
  const umpire = await visit(t, `${site}umpire/`);
  await umpire.fill('#first', 'Ada');
  await umpire.fill('#second', 'Bea');
  await umpire.getByRole('button', { name: 'Begin' }).click();
  await umpire.keyboard.press('1');
  await reads(umpire.locator('tbody .points'), '15\n0');
  const match = umpire.url();

  broker.kill('SIGKILL');
  await broker.exited();
  await reads(umpire.locator('#outage'), /cannot be reached/);
  await umpire.keyboard.press('1');
  await umpire.keyboard.press('2');
  // The tab is closed before the broker is back: only what the browser keeps is left.
  await umpire.goto('about:blank');
  const again = start();
  await again.ready();
  await umpire.goto(match);
  await reads(umpire.locator('tbody .points'), '30\n15');
  const viewer = await visit(t, `${site}match/${new URL(match).hash}`, { viewport: 'phone' });
  await reads(viewer.locator('tbody .points'), '30\n15');

  // Nothing is scored now, and the next broker knows nothing of the match until it is told.
  again.kill('SIGKILL');
  await again.exited();
  await start().ready();
  await isLive(umpire);
  const late = await visit(t, `${site}match/${new URL(match).hash}`);
  await reads(late.locator('tbody .points'), '30\n15');
});
