/** The snippets of docs/client.md, docs/getting-started.md and README.md, each in a page of real Chromium. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { connect } from '../../../client/rally.ts';
import { scramCredentials, scramSha256 } from '../../../core/broker.ts';
import { atEnd } from '../../support/at-end.ts';
import { startBroker } from '../../support/broker.ts';
import { inPage, servePage, startChromium } from '../../support/chromium.ts';
import { WebSocket } from '../../support/node-websocket.ts';
import { within } from '../../support/wait.ts';

const root = new URL('../../../../', import.meta.url);

function snippets(document: string, language: string): string[] {
  const text = readFileSync(new URL(document, root), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, code = '']) => code,
  );
}

const withBroker = (code: string, url: string): string =>
  code
    .replaceAll(/'(?:\/mqtt|wss?:\/\/[^']*\/mqtt)'/g, `'${url}'`)
    .replaceAll('http://127.0.0.1:8080/rally.js', './rally.js');

/** The broker of the snippets, with a score that it keeps. */
async function setUp(context: TestContext, html = ''): Promise<{ page: Page; url: string; pageUrl: string }> {
  const credentials = await scramCredentials('secret');
  const { wsUrl: url } = await startBroker(context, {
    allowAnonymous: true,
    authenticationMethods: [
      scramSha256({ credentialsOf: (username) => (username === 'umpire' ? credentials : undefined) }),
      { name: 'OAUTH2-JWT', begin: () => ({ next: () => ({ outcome: 'success' }) }) },
    ],
  });
  const publisher = await connect(url, { WebSocket });
  atEnd(context, () => publisher.close());
  await publisher.publish('scores/court/1', { home: 40, away: 15 }, { qos: 1, retain: true });
  await publisher.publish('scores/1', '40-15', { qos: 1, retain: true });
  const [browser, pageUrl] = [
    await startChromium(context),
    await servePage(context, { 'try.html': withBroker(html, url) }),
  ];
  return { page: await browser.newPage(), url, pageUrl };
}

for (const document of ['docs/client.md', 'docs/getting-started.md', 'README.md']) {
  test(`${document}: the lines for a blank page`, async (context) => {
    const [html] = snippets(document, 'html');
    const { page, pageUrl } = await setUp(context, html);
    await page.goto(`${pageUrl}try.html`);
    await within('a score', page.waitForFunction(`/40|scores/.test(document.body?.textContent)`));
  });
}

test('docs/client.md: each snippet shows something, and none fails', async (context) => {
  const { page, url, pageUrl } = await setUp(context);
  await page.route('**/token', (route) => route.fulfill({ body: 'a token' }));
  const codes = snippets('docs/client.md', 'js');
  assert.ok(codes.length > 10, `${codes.length} snippets`);
  for (const code of codes) {
    await page.goto(pageUrl);
    const body = withBroker(code, url)
      .replaceAll(/^import (\{.*\}) from 'rallymq-client';$/gm, `const $1 = await import('/rally.js');`)
      .replaceAll(/^import (\{.*\}) from 'rallymq-client\/(.*)';$/gm, `const $1 = await import('/$2.js');`);
    const running = inPage(
      page,
      `const rally = await (await import('/rally.js')).connect(argument);
       return new Promise((resolve, reject) => {
         globalThis.onerror = reject;
         globalThis.onunhandledrejection = ({ reason }) => reject(reason);
         const show = () => resolve();
         (async () => { { ${body} } })().catch(reject);
       });`,
      url,
    );
    await within(code, running);
  }
});
