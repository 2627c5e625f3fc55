/** The client library in real Chromium: events in the life of a page. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { connect } from '../../../client/rally.ts';
import { type Broker, type BrokerOptions, createBroker } from '../../../core/broker.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { inPage, servePage, startChromium } from '../../support/chromium.ts';
import { unusedPort } from '../../support/command.ts';
import { listen } from '../../support/listen.ts';
import { WebSocket } from '../../support/node-websocket.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { withTimeEnough } from '../../support/time-enough.ts';
import { until, within } from '../../support/wait.ts';

/** Starts a client in the page that notes its events and the messages of `topicFilter`. */
const startClient = `
  const { Rally } = await import('/rally.js');
  globalThis.events = [];
  globalThis.texts = [];
  globalThis.rally = new Rally(argument.url, { reconnect: { minMs: 20, maxMs: 200 }, ...argument.options });
  for (const name of ['connected', 'reconnecting', 'closed']) rally.on(name, () => events.push(name));
  rally.subscribe(argument.topicFilter, (message) => texts.push(message.text()));
  await rally.ready;
`;

async function openPage(context: TestContext): Promise<Page> {
  const [browser, url] = [await startChromium(context), await servePage(context)];
  const page = await browser.newPage();
  await page.goto(url);
  return page;
}

/** Waits in Node.js until the expression is true in the page: its own timers may be throttled. */
async function untilInPage(page: Page, expression: string): Promise<void> {
  await within(expression, page.waitForFunction(expression, undefined, { polling: 20 }));
}

test('as a module, as a classic script and in a web worker', async (context) => {
  const { wsUrl } = await startBroker(context);
  const page = await openPage(context);
  await inPage(page, startClient, { url: wsUrl, topicFilter: 'a/#' });
  await page.addScriptTag({ url: '/rally.global.js' });
  await inPage(
    page,
    `const other = await Rally.connect(argument);
     await other.publish('a/script', 'from a script', { qos: 1 });
     other.close();`,
    wsUrl,
  );
  await inPage(
    page,
    `const source = \`
       import { connect } from '\${location.origin}/rally.js';
       const rally = await connect('\${argument}');
       await rally.publish('a/worker', 'from a worker', { qos: 2 });
       rally.close();\`;
     const blob = new Blob([source], { type: 'text/javascript' });
     new Worker(URL.createObjectURL(blob), { type: 'module' });`,
    wsUrl,
  );
  await untilInPage(page, 'texts.length === 2');
  assert.deepEqual(await inPage(page, 'return texts'), ['from a script', 'from a worker']);
});

test('a page learns why it cannot connect', async (context) => {
  const local = await startBroker(context);
  const { port } = await startBroker(context, { host: '0.0.0.0', allowAnonymous: true });
  const other = await listen(
    context,
    createServer((_request, response) => response.writeHead(404).end()),
  );
  const page = await openPage(context);
  const failure = (url: string): Promise<unknown> =>
    inPage(
      page,
      `const { Rally } = await import('/rally.js');
       const error = await new Rally(argument, { reconnect: false }).ready.catch((reason) => reason);
       return [error.message, error.reasonCode, error.status, error.cause?.name];`,
      url,
    );
  const origin = new URL(page.url()).origin;
  for (const [url, sentence, status, cause] of [
    [`${local.wsUrl}x`, 'HTTP 404, There is nothing here.', 404, undefined],
    [
      `ws://127.0.0.1:${port}/mqtt`,
      `HTTP 403, Pages of the origin ${origin} may not connect: see allowedOrigins.`,
      403,
      undefined,
    ],
    [
      other.replace('http', 'ws'),
      'a server answers there, but refuses, and does not let this page read why',
      undefined,
      undefined,
    ],
    [
      `ws://127.0.0.1:${await unusedPort()}/`,
      'nothing answers there, or this page may not ask (certificate, Content-Security-Policy)',
      undefined,
      'TypeError',
    ],
  ] as const)
    assert.deepEqual(await failure(url), [`no connection to ${url}: ${sentence}`, 0, status, cause]);
});

test('the network is cut: messages of the meantime come, in order, and nothing twice', async (context) => {
  const { port, wsUrl } = await startBroker(context);
  const proxy = await TcpProxy.start(context, port);
  const page = await openPage(context);
  await inPage(page, startClient, { url: `ws://127.0.0.1:${proxy.port}/mqtt`, topicFilter: 'a' });
  const publisher = await connect(wsUrl, { WebSocket });
  atEnd(context, () => publisher.close());
  await publisher.publish('a', '1', { qos: 2 });
  await untilInPage(page, 'texts.length === 1');
  proxy.cut();
  await untilInPage(page, `events.includes('reconnecting')`);
  const published = inPage(page, `await rally.publish('b', 'while away', { qos: 1, retain: true })`);
  await publisher.publish('a', '2', { qos: 2 });
  await publisher.publish('a', '3', { qos: 2 });
  proxy.mend();
  await within('the page has published', published);
  await untilInPage(page, 'texts.length === 3');
  assert.deepEqual(await inPage(page, 'return texts'), ['1', '2', '3']);
  assert.equal(await inPage(page, 'return events.filter((name) => name === "connected").length'), 2);
});

test('online and a tab that is looked at again do not wait for the backoff', async (context) => {
  const { port } = await startBroker(context);
  const proxy = await TcpProxy.start(context, port);
  const page = await openPage(context);
  const url = `ws://127.0.0.1:${proxy.port}/mqtt`;
  await inPage(page, startClient, {
    url,
    topicFilter: 'a',
    options: { reconnect: { minMs: 1e8, maxMs: 1e8 } },
  });
  for (const event of [`new Event('online')`, `new Event('visibilitychange', { bubbles: true })`]) {
    proxy.cut();
    await untilInPage(page, `rally.status === 'reconnecting'`);
    proxy.mend();
    const target = event.includes('online') ? 'window' : 'document';
    await inPage(page, `${target}.dispatchEvent(${event})`);
    await untilInPage(page, `rally.status === 'connected'`);
  }
});

test('a hidden tab whose timers stand still stays connected as long as messages come', async (context) => {
  const { wsUrl } = await startBroker(context);
  const page = await openPage(context);
  // Chromium slows timers only after minutes; here they stand still at once.
  await inPage(page, 'globalThis.setInterval = () => 0; globalThis.setTimeout = () => 0;');
  const publisher = await connect(wsUrl, { WebSocket });
  atEnd(context, () => publisher.close());
  const texts = Array.from({ length: 20 }, (_, index) => `${index}`);
  await withTimeEnough(async (keepAliveSeconds, inTime) => {
    const options = { properties: { sessionExpiryInterval: 0 }, keepAliveSeconds };
    await inPage(page, 'globalThis.rally?.close()');
    await inPage(page, startClient, { url: wsUrl, topicFilter: 'a', options });
    // The broker would give up after one and a half times the keep alive without a packet.
    for (const [index, text] of texts.entries()) {
      await inTime(0.7, async () => {
        await publisher.publish('a', text);
        await until('the message', async () => (await inPage<number>(page, 'return texts.length')) > index);
        await delay(250 * keepAliveSeconds);
      });
    }
    assert.deepEqual(await inPage(page, 'return texts'), texts);
    assert.deepEqual(await inPage(page, 'return events'), ['connected']);
  });
});

test('the page is reloaded: with a client identifier of its own it finds its session again', async (context) => {
  const { wsUrl } = await startBroker(context);
  const page = await openPage(context);
  const options = { clientId: 'page', cleanStart: false };
  await inPage(page, startClient, { url: wsUrl, topicFilter: 'a', options });
  await inPage(page, `await rally.publish('ready', '')`);
  const publisher = await connect(wsUrl, { WebSocket });
  atEnd(context, () => publisher.close());
  await page.goto('about:blank');
  await publisher.publish('a', 'while reloading', { qos: 1 });
  await page.goBack();
  await inPage(page, startClient, { url: wsUrl, topicFilter: 'a', options });
  await untilInPage(page, 'texts.length === 1');
  assert.deepEqual(await inPage(page, 'return texts'), ['while reloading']);
});

test('the broker is restarted: the page comes back by itself, with its subscriptions', async (context) => {
  const start = async (options: BrokerOptions): Promise<Broker> => {
    const broker = createBroker({ tcpPort: false, workers: 1, ...options });
    await broker.start();
    return broker;
  };
  const port = await unusedPort();
  const first = await start({ port });
  const page = await openPage(context);
  await inPage(page, startClient, { url: `ws://127.0.0.1:${port}/mqtt`, topicFilter: 'a' });
  await first.stop();
  await untilInPage(page, `events.includes('reconnecting')`);
  const second = await start({ port });
  atEnd(context, () => second.stop());
  await untilInPage(page, `rally.status === 'connected'`);
  await inPage(page, `await rally.publish('a', 'once', { qos: 1 })`);
  await untilInPage(page, 'texts.length > 0');
  assert.deepEqual(await inPage(page, 'return texts'), ['once']);
});

test('the outbox survives a reload, and leaves alone what another tab is sending', async (context) => {
  const { port, wsUrl } = await startBroker(context);
  const proxy = await TcpProxy.start(context, port);
  const [browser, pageUrl] = [await startChromium(context), await servePage(context)];
  const tabs = await browser.newContext();
  const watcher = await connect(wsUrl, { WebSocket });
  atEnd(context, () => watcher.close());
  const texts: string[] = [];
  await watcher.subscribe('out', (message) => texts.push(message.text())).ready;
  const openOutbox = `
    const { Outbox } = await import('/outbox.js');
    globalThis.outbox = await Outbox.open(rally, (error) => events.push(String(error)));`;
  const url = `ws://127.0.0.1:${proxy.port}/mqtt`;
  const page = await tabs.newPage();
  await page.goto(pageUrl);
  await inPage(page, startClient + openOutbox, { url, topicFilter: 'a' });
  proxy.cut();
  await untilInPage(page, `rally.status === 'reconnecting'`);
  await inPage(page, `for (const text of ['1', '2', '3']) void outbox.publish('out', text);`);
  await untilInPage(page, 'outbox.count().then((count) => count === 3)');
  proxy.mend();
  await page.evaluate('rally.close()').catch(() => {});
  const other = await tabs.newPage();
  await other.goto(pageUrl);
  await inPage(other, startClient + openOutbox, { url, topicFilter: 'a' });
  await inPage(other, `await outbox.publish('out', 'other')`);
  assert.deepEqual(texts, ['other'], 'the first page still lives');
  await page.reload();
  await inPage(page, startClient + openOutbox, { url, topicFilter: 'a' });
  await untilInPage(page, 'outbox.count().then((count) => count === 0)');
  assert.deepEqual(texts, ['other', '1', '2', '3']);
  assert.deepEqual(await inPage(page, 'return events'), ['connected']);
});
