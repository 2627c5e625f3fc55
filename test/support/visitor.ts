/**
 * A visitor: a page in Debian's Chromium, on a phone or a desktop. A page that throws, logs an error, violates its
 * Content-Security-Policy or sends a request to another server fails the test.
 */
import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { atEnd } from './at-end.ts';
import { deadlineMsDefault } from './wait.ts';

export const viewports = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1_280, height: 900 },
} as const;
export type ViewportName = keyof typeof viewports;

let launched: Promise<Browser> | undefined;
const faults: string[] = [];
after(async () => {
  await (await launched)?.close();
  assert.deepEqual(faults, []);
});

export interface VisitorOptions {
  readonly viewport?: ViewportName;
  readonly colorScheme?: 'light' | 'dark';
  /** The broker sometimes answers 503. */
  readonly isBrokerBusy?: boolean;
}

export async function visit(test: TestContext, url: string, options: VisitorOptions = {}): Promise<Page> {
  const { viewport = 'desktop', colorScheme = 'light', isBrokerBusy = false } = options;
  const context = await (await browser()).newContext(contextOptions(viewport, colorScheme));
  const page = await context.newPage();
  page.setDefaultTimeout(deadlineMsDefault);
  const { host } = new URL(url);
  page.on('pageerror', (error) => faults.push(`${test.name}: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    // The browser also reports these as errors: a broker that is down or stopping, a topic without a retained
    // message, a client that has ended, a cluster node that leaves, and forbidden requests. A page that has never
    // been connected asks for the reason, also from a proxy, and from another server if its Content-Security-Policy
    // allows it.
    const isExpected =
      /ERR_(CONNECTION|EMPTY_RESPONSE)|WebSocket connection to|status of 40[13]/.test(message.text()) ||
      (isBrokerBusy && message.text().includes('status of 503')) ||
      (/status of (426|502)/.test(message.text()) && message.location().url.endsWith('/mqtt')) ||
      /(Connecting to 'http|cannot load http)\S+\/mqtt\b.* Content Security Policy/.test(message.text()) ||
      /\/api\/(retained\/|v1\/clients\/|v1\/clients\?.*node=)/.test(message.location().url);
    if (message.type() === 'error' && !isExpected) faults.push(`${test.name}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (new URL(request.url()).host !== host && host !== '')
      faults.push(`${test.name}: asked for ${request.url()}`);
  });
  atEnd(test, () => context.close());
  await page.goto(url);
  return page;
}

function browser(): Promise<Browser> {
  launched ??= chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  return launched;
}

function contextOptions(viewport: ViewportName, colorScheme: 'light' | 'dark'): BrowserContextOptions {
  const isPhone = viewport === 'phone';
  // Without animations, so that everything has its final place and colour.
  return {
    viewport: viewports[viewport],
    colorScheme,
    isMobile: isPhone,
    hasTouch: isPhone,
    reducedMotion: 'reduce',
    locale: 'en-GB',
  };
}

/** Pages loaded at once: more would wait for each other on a small machine. */
const visitsMax = 3;

/** Does `work` for each item, some of them concurrently. */
export async function forEachVisit<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: visitsMax }, worker));
}

/** Waits until the text of the element matches. */
export async function reads(locator: Locator, expected: string | RegExp): Promise<void> {
  let text = '';
  const matches = async (): Promise<boolean> => {
    text = (await locator.allTextContents()).join('\n').trim();
    return typeof expected === 'string' ? text === expected : expected.test(text);
  };
  await untilAsync(() => `${locator} reads ${JSON.stringify(text)}, not ${expected}`, matches);
}

/** Waits until `condition` resolves to true; a failure names the condition. */
export async function untilAsync(
  what: string | (() => string),
  condition: () => Promise<boolean>,
  deadlineMs: number = deadlineMsDefault,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) {
      assert.fail(`waited ${deadlineMs} ms in vain: ${typeof what === 'string' ? what : what()}`);
    }
    await delay(20);
  }
}

/** Waits until the page shows that it is connected. */
export async function isLive(page: Page): Promise<void> {
  await reads(page.locator('#link-state'), 'Live');
}
