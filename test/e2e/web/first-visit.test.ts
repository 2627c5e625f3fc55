/** The steps of a first visitor: sign in, read, copy a snippet and run it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { servePage } from '../../support/chromium.ts';
import { isLive, reads, visit } from '../../support/visitor.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function seriousFaults(page: Page): Promise<unknown> {
  await page.evaluate(axe);
  return await page.evaluate(`axe.run().then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => [id, nodes[0].html]))`);
}

test('where the broker needs credentials a page asks for them, and keeps them for the tab', async (t) => {
  const { port } = await startBroker(t, {
    authenticate: ({ username = 'a token', password }) =>
      ['umpire secret', 'a token of lee'].includes(`${username} ${Buffer.from(password ?? []).toString()}`),
  });
  const page = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/`, { viewport: 'phone' });
  await reads(page.locator('#outage p'), 'This broker requires a user name and a password, or a token.');
  await reads(page.locator('#link-state'), 'Signed out');
  assert.deepEqual(await seriousFaults(page), []);
  await page.fill('#sign-in-user', 'umpire');
  await page.fill('#sign-in-password', 'wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await reads(page.locator('#outage p'), 'Not signed in: The user name or password is wrong (0x86).');
  await page.fill('#sign-in-password', 'secret');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await isLive(page);
  await page.getByRole('link', { name: 'Rooms' }).click();
  await isLive(page);
  await page.evaluate('sessionStorage.clear()');
  await page.reload();
  await page.fill('#sign-in-password', 'of lee');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await isLive(page);
});

test('a page says what the rules do not let it show', async (t) => {
  const { port } = await startBroker(t, { authorizeSubscribe: () => false, allowAnonymous: true });
  const topics = {
    'centre-court/': 'demos/centre-court/+/score',
    'centre-court/match/#court-0': 'demos/centre-court/court-0/score',
    'current-cost/': 'demos/current-cost/.*',
  };
  for (const [path, topic] of Object.entries(topics)) {
    const page = await visit(t, `http://127.0.0.1:${port}/demos/${path}`, { viewport: 'phone' });
    const refusal = `The broker does not show ${topic.replace('+', '\\+')} to you: `;
    await reads(page.locator('#outage'), new RegExp(refusal));
  }
});

test('the documents are served, their links lead somewhere, and axe finds nothing serious', async (t) => {
  const { port } = await startBroker(t);
  const page = await visit(t, `http://127.0.0.1:${port}/`, { viewport: 'phone' });
  await page.getByRole('link', { name: 'Read the docs' }).click();
  await reads(page.locator('h1'), 'Documentation');
  const seen = new Set<string>();
  const waiting = [page.url()];
  for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
    if (seen.has(url)) continue;
    seen.add(url);
    const response = await fetch(url);
    assert.equal(response.status, 200, url);
    const html = await response.text();
    for (const [, href = ''] of html.matchAll(/<(?:a|img)\b[^>]*? (?:href|src)="([^"#]*)/g)) {
      const target = new URL(href, url);
      if (href !== '' && target.host === new URL(url).host && target.pathname.includes('/docs/'))
        waiting.push(target.href);
    }
  }
  assert.ok(seen.size > 12, [...seen].join(' '));
  for (const name of ['', 'configuration/', 'client/']) {
    await page.goto(`http://127.0.0.1:${port}/docs/${name}`);
    assert.deepEqual(await seriousFaults(page), [], name);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    assert.ok(Number(overflow) <= 0, `${name} is ${overflow} pixels too wide`);
  }
});

test('the snippets work as copied, with credentials in place of their placeholders', async (t) => {
  const { port } = await startBroker(t, {
    authenticate: ({ username, password }) =>
      username === 'lee' && Buffer.from(password ?? []).toString() === 'secret',
  });
  const page = await visit(t, `http://127.0.0.1:${port}/`);
  await reads(page.locator('#terminal'), /mosquitto_pub/);
  const [terminal, code] = await Promise.all(
    ['#terminal', '#five-lines'].map(async (id) =>
      ((await page.locator(id).textContent()) ?? '')
        .replaceAll('USER', 'lee')
        .replaceAll('PASSWORD', 'secret'),
    ),
  );
  const copy = await servePage(t, { 'copy.html': `<!doctype html><body>${code}</body>` });
  const copied = await page.context().newPage();
  await copied.goto(`${copy}copy.html`);
  // The second command goes on until somebody ends it: here after its first message.
  const { stdout } = await promisify(execFile)('bash', ['-c', `${terminal} -C 1`]);
  assert.equal(stdout, 'scores/court/1 40-30\n');
  await reads(copied.locator('body'), /scores\/court\/1: 40-30/);
});

/** A proxy that puts the broker below /broker/, and does nothing else. */
async function belowPath(t: TestContext, port: number): Promise<string> {
  const server = createServer((socket) => {
    const broker = connect(port, '127.0.0.1');
    socket.on('data', (bytes) =>
      broker.write(bytes.toString('latin1').replaceAll('GET /broker/', 'GET /'), 'latin1'),
    );
    broker.pipe(socket);
    atEnd(t, () => socket.destroy());
    for (const [one, other] of [
      [socket, broker],
      [broker, socket],
    ] as const)
      one.on('close', () => other.destroy()).on('error', () => {});
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  atEnd(t, () => server.close());
  server.unref();
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}/broker/`;
}

test('below a path of a proxy the pages find their files, their figures and the broker', async (t) => {
  const { port } = await startBroker(t);
  const page = await visit(t, await belowPath(t, port));
  await isLive(page);
  await reads(page.locator('#ws-url'), /\/broker\/mqtt/);
  await reads(page.locator('#clients'), /^\d/);
  await page.getByRole('link', { name: 'Rooms' }).first().click();
  await isLive(page);
});

test('a phone is told of messages that arrive out of sight, and led to them', async (t) => {
  const { broker, port } = await startBroker(t);
  const page = await visit(t, `http://127.0.0.1:${port}/`, { viewport: 'phone' });
  await page.fill('#filter', 'far/away');
  await page.click('#subscribe');
  await reads(page.locator('#console-state'), /^connected/);
  await reads(page.locator('#subscriptions li'), /QoS/);
  // The page learns what is in sight with the next frames.
  await page.evaluate(`new Promise((done) => {
    scrollTo(0, 0);
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
  })`);
  await broker.publish('far/away', 'x');
  await reads(page.locator('#arrived'), '1 message ↓');
  await page.click('#arrived');
  await page.locator('.message').waitFor();
  await page.locator('#arrived').waitFor({ state: 'hidden' });
});
