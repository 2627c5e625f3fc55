/** The broker is killed under open pages: each says so, and recovers by itself when the broker is back. */
import { test } from 'node:test';
import { startCommand, unusedPort } from '../../support/command.ts';
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

  broker.kill('SIGKILL');
  await broker.exited();
  for (const page of all)
    await reads(page.locator('#outage'), /^The broker cannot be reached\. This page goes on by itself/);
  // The umpire goes on meanwhile.
  for (let count = 0; count < 3; count += 1) await umpire.getByRole('button', { name: 'Point Ada' }).click();
  await reads(umpire.locator('#waiting'), /Keep scoring/);

  await start().ready();
  for (const page of all) {
    await isLive(page);
    await reads(page.locator('#outage:visible'), '');
  }
  // Without storage the new broker knows nothing, and is told by the umpire.
  await reads(viewer.locator('tbody .points').first(), '40');
  await reads(umpire.locator('#waiting'), '');
  await reads(others.at(-1)?.locator('#people-count') ?? umpire.locator('none'), '1');
});
