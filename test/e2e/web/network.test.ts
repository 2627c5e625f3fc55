/** Pages on imperfect networks: opened too early, slow, in abandoned tabs that return. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { extname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { scoreTopic } from '../../../web/centre-court/topics.ts';
import { playOnAllCourts } from '../../../web/demo/courts.ts';
import { pointsFromText, stateOf } from '../../../web/tennis/record.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { startCommand, unusedPort } from '../../support/command.ts';
import { listen } from '../../support/listen.ts';
import { connectRally } from '../../support/rally.ts';
import { isLive, reads, visit } from '../../support/visitor.ts';

const publicFolder = new URL('../../../web/public/', import.meta.url);
const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
};

const sheet = { id: 'm', court: 'Court 1', players: ['Ada', 'Bea'], umpire: 'test', firstServer: 0 } as const;

function scoreAfter(points: string): string {
  return JSON.stringify(stateOf(sheet, pointsFromText(points) ?? [], Date.now()));
}

/**
 * A proxy that has the files itself, so that a page can be opened while the broker behind it is away. `added`: lines that it puts
 * into the heads of requests.
 */
async function startProxy(test: TestContext, brokerPort: number, added = ''): Promise<string> {
  const server: Server = createServer(async ({ url = '/' }, response) => {
    const path = url.endsWith('/') ? `${url}index.html` : url;
    if (path === '/mqtt') {
      const upstream = connect(brokerPort, '127.0.0.1', () =>
        upstream.write(`GET /mqtt HTTP/1.1\r\nHost: broker\r\n${added}Connection: close\r\n\r\n`),
      );
      upstream.on('error', () => response.writeHead(502).end());
      upstream.pipe(response.socket as Socket);
      return;
    }
    response.setHeader('content-type', contentTypes[extname(path)] ?? 'application/octet-stream');
    response.end(await readFile(new URL(`.${path}`, publicFolder)));
  });
  server.on('upgrade', ({ url, rawHeaders }, socket) => {
    const upstream = connect(brokerPort, '127.0.0.1');
    const headers = rawHeaders.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
    upstream.once('connect', () => {
      upstream.write(`GET ${url} HTTP/1.1\r\n${headers}${added}\r\n`);
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
    socket.on('close', () => upstream.destroy());
  });
  return await listen(test, server);
}

test('a page that is opened while the broker is away says so, and goes on when it is there', async (t) => {
  const port = await unusedPort();
  const site = await startProxy(t, port);
  const pages = await Promise.all(
    ['centre-court/', 'push-or-poll/', 'current-cost/', 'rooms/'].map((path) =>
      visit(t, `${site}demos/${path}`, { viewport: 'phone' }),
    ),
  );
  for (const page of pages) await reads(page.locator('#outage'), /^The broker cannot be reached/);
  await startCommand(t, ['--port', `${port}`, '--log-level', 'silent']).ready();
  for (const page of pages) {
    await isLive(page);
    await reads(page.locator('#outage:visible'), '');
  }
});

test('a page that the broker refuses shows why', async (t) => {
  const { port } = await startBroker(t);
  const site = await startProxy(t, port, 'X-Forwarded-For: 203.0.113.7\r\n');
  const page = await visit(t, `${site}demos/rooms/`);
  await reads(
    page.locator('#outage:visible'),
    /^The broker says: HTTP 403, The connection comes through a proxy/,
  );
});

test('on a slow network a page is there, and live', async (t) => {
  const { broker, port } = await startBroker(t);
  await broker.publish(scoreTopic('m'), scoreAfter('0w'), { retain: true });
  const page = await visit(t, 'about:blank', { viewport: 'phone' });
  const debug = await page.context().newCDPSession(page);
  await debug.send('Network.enable');
  // A phone at the edge of its cell: 50 KB a second, 300 ms there and back.
  const slow = { offline: false, latency: 300, downloadThroughput: 50_000, uploadThroughput: 20_000 };
  await debug.send('Network.emulateNetworkConditions', slow);
  await page.goto(`http://127.0.0.1:${port}/demos/centre-court/match/#m`);
  await isLive(page);
  await reads(page.locator('tbody .points'), '15\n0');
  await broker.publish(scoreTopic('m'), scoreAfter('0w1w'), { retain: true });
  await reads(page.locator('tbody .points'), '15\n15');
});

test('back to a page that was left, and it is live again', async (t) => {
  const { broker, port, wsUrl } = await startBroker(t);
  atEnd(t, playOnAllCourts(await connectRally(t, wsUrl), 0.01));
  await broker.publish(scoreTopic('m'), scoreAfter('0w'), { retain: true });
  const page = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/`);
  await page.locator('#match-m .more').click();
  await reads(page.locator('#title'), 'Ada – Bea');
  await broker.publish(scoreTopic('m'), scoreAfter('0w0w'), { retain: true });
  await page.goBack();
  await isLive(page);
  await reads(page.locator('#match-m td.points'), '30\n0');
  await page.goForward();
  await reads(page.locator('tbody td.points'), '30\n0');
});

test('a tab that was frozen shows the newest score when it is looked at again', async (t) => {
  const { broker, port } = await startBroker(t);
  await broker.publish(scoreTopic('m'), scoreAfter('0w'), { retain: true });
  const page = await visit(t, `http://127.0.0.1:${port}/demos/centre-court/match/#m`);
  await reads(page.locator('tbody .points'), '15\n0');
  const debug = await page.context().newCDPSession(page);
  await debug.send('Page.setWebLifecycleState', { state: 'frozen' });
  for (const points of ['0w0w', '0w0w1w', '0w0w1w1w']) {
    await broker.publish(scoreTopic('m'), scoreAfter(points), { retain: true });
  }
  await debug.send('Page.setWebLifecycleState', { state: 'active' });
  await reads(page.locator('tbody .points'), '30\n30');
});
