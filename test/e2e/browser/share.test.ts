/** One connection for all tabs of an origin, in real Chromium. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { connect } from '../../../client/rally.ts';
import { type Broker, type BrokerOptions, createBroker } from '../../../core/broker.ts';
import { atEnd } from '../../support/at-end.ts';
import { inPage, servePage, startChromium } from '../../support/chromium.ts';
import { unusedPort } from '../../support/command.ts';
import { WebSocket } from '../../support/node-websocket.ts';
import { until, within } from '../../support/wait.ts';

const startShared = `
  const { shareConnection } = await import('/share.js');
  globalThis.texts = [];
  globalThis.rally = shareConnection(argument, {
    worker: globalThis.worker ?? '/shared-worker.js',
    reconnect: { minMs: 20, maxMs: 200 },
  });
  rally.subscribe('a', (message) => texts.push(message.text()));
  await rally.ready;
`;

async function startAt(port: number, options: BrokerOptions = {}): Promise<Broker> {
  const broker = createBroker({ tcpPort: false, workers: 1, ...options, port });
  await broker.start();
  return broker;
}

async function openTab(context: BrowserContext, pageUrl: string, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(pageUrl);
  await inPage(page, startShared, url);
  return page;
}

async function untilTexts(page: Page, expected: string[]): Promise<void> {
  const expression = `texts.length >= ${expected.length}`;
  await within(expression, page.waitForFunction(expression, undefined, { polling: 20 }));
  assert.deepEqual(await inPage(page, 'return texts'), expected);
}

const connections = async (broker: Broker): Promise<number> => (await broker.statistics()).connections;

async function untilConnections(broker: Broker, expected: number): Promise<void> {
  let found = -1;
  const looking = setInterval(async () => {
    found = await connections(broker);
  }, 20);
  await until(`${expected} connections`, () => found === expected).finally(() => clearInterval(looking));
}

async function setUp(context: TestContext): Promise<{ tabs: BrowserContext; pageUrl: string }> {
  const [browser, pageUrl] = [await startChromium(context), await servePage(context)];
  return { tabs: await browser.newContext(), pageUrl };
}

test('three tabs, one connection: retained for the late one, one is killed, the broker restarted', async (context) => {
  const { tabs, pageUrl } = await setUp(context);
  const port = await unusedPort();
  const first = await startAt(port);
  const url = `ws://127.0.0.1:${port}/mqtt`;
  const one = await openTab(tabs, pageUrl, url);
  const two = await openTab(tabs, pageUrl, url);
  await inPage(one, `await rally.publish('a', 'kept', { qos: 2, retain: true })`);
  for (const page of [one, two]) await untilTexts(page, ['kept']);
  const late = await openTab(tabs, pageUrl, url);
  await untilTexts(late, ['kept']);
  assert.equal(await connections(first), 1);

  const killer = await tabs.newCDPSession(late);
  void killer.send('Page.crash').catch(() => {}); // the answer dies with the page
  await within('the crash', late.waitForEvent('crash'));
  await inPage(two, `await rally.publish('a', 'after the crash', { qos: 1 })`);
  for (const page of [one, two]) await untilTexts(page, ['kept', 'after the crash']);
  assert.equal(await connections(first), 1);

  await first.stop();
  const second = await startAt(port);
  atEnd(context, () => second.stop());
  const published = inPage(one, `await rally.publish('a', 'after the restart', { qos: 1 })`);
  await within('published', published);
  for (const page of [one, two]) await untilTexts(page, ['kept', 'after the crash', 'after the restart']);
  assert.equal(await connections(second), 1);

  await one.close();
  await inPage(two, `await rally.publish('a', 'the last', { qos: 1 })`);
  assert.equal(await connections(second), 1);
  await two.close();
  await untilConnections(second, 0);
});

test('the process of the worker crashes with the tab that began, and the others go on', async (context) => {
  const { tabs, pageUrl } = await setUp(context);
  const broker = await startAt(0);
  atEnd(context, () => broker.stop());
  const url = `ws://127.0.0.1:${broker.address().port}/mqtt`;
  const [first, second] = [await openTab(tabs, pageUrl, url), await openTab(tabs, pageUrl, url)];
  const killer = await tabs.newCDPSession(first);
  void killer.send('Page.crash').catch(() => {}); // the answer dies with the page
  await within('the crash', first.waitForEvent('crash'));
  const publisher = await connect(url, { WebSocket });
  atEnd(context, () => publisher.close());
  await within('the tab publishes', inPage(second, `await rally.publish('b', '', { qos: 1 })`));
  await within('its subscription', inPage(second, `await rally.subscribe('b').ready`));
  await publisher.publish('a', 'once', { qos: 1 });
  await untilTexts(second, ['once']);
  await untilConnections(broker, 2);
});

test('a script around the worker, as docs/client.md has it, speaks MQTT 3.1.1', async (context) => {
  const documents = readFileSync(new URL('../../../../docs/client.md', import.meta.url), 'utf8');
  const [, script = ''] = /^ {2}```mjs\n(.*?)^ {2}```/ms.exec(documents) ?? [];
  const [browser, pageUrl] = [
    await startChromium(context),
    await servePage(context, { 'worker-3.js': script }),
  ];
  const broker = await startAt(0);
  atEnd(context, () => broker.stop());
  const url = `ws://127.0.0.1:${broker.address().port}/mqtt`;
  const tab = await browser.newPage();
  await tab.goto(pageUrl);
  await inPage(tab, `globalThis.worker = '/worker-3.js'; ${startShared}`, url);
  await inPage(
    tab,
    `await rally.subscribe('b', ({ properties }) => texts.push(Object.keys(properties).join())).ready`,
  );
  const publisher = await connect(url, { WebSocket });
  atEnd(context, () => publisher.close());
  await publisher.publish('a', 'translated', { qos: 1 });
  await publisher.publish('b', '', { qos: 1, properties: { contentType: 'none that 3.1.1 could have' } });
  await untilTexts(tab, ['translated', '']);
});
