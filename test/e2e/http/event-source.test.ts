/** EventSource in a real browser, from a page of another origin: it is cut, reconnects, and misses nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiKeyLine, hashOfApiKey, newApiKey } from '../../../core/security/api-keys.ts';
import { accessFolder } from '../../support/access-files.ts';
import { startBroker } from '../../support/broker.ts';
import { inPage, servePage, startChromium } from '../../support/chromium.ts';
import { isOverTls } from '../../support/secure.ts';
import { until } from '../../support/wait.ts';

test('an EventSource that is cut comes back by itself, and misses nothing', {
  skip: isOverTls,
}, async (t) => {
  const folder = accessFolder(t);
  const key = newApiKey();
  const line = apiKeyLine({ name: 'page', scopes: new Set(['subscribe']) }, hashOfApiKey(key));
  const { broker, port } = await startBroker(t, { apiKeysFile: folder.write('keys', `${line}\n`) });
  await broker.publish('scores/1', 'kept', { retain: true });
  const browser = await startChromium(t);
  const page = await browser.newPage();
  await page.goto(await servePage(t));
  await inPage(
    page,
    `globalThis.heard = [];
     globalThis.opened = 0;
     const source = new EventSource(argument);
     source.onopen = () => { opened += 1; };
     source.addEventListener('missed', () => heard.push('missed'));
     source.addEventListener('scores/1', ({ data }) => heard.push(JSON.parse(data).payload));`,
    `http://127.0.0.1:${port}/sse?topic=scores/%23&events=topic&access_token=${key}`,
  );
  const heard = () => inPage<string[]>(page, 'return heard;');
  await until('it hears what is retained', async () => (await heard()).length === 1);
  await broker.publish('scores/1', 'before');
  await until('it hears what comes', async () => (await heard()).length === 2);
  await broker.reload(); // ends all streams
  await broker.publish('scores/1', 'meanwhile');
  await until('it is back', async () => (await heard()).length === 3);
  await broker.publish('scores/1', 'after');
  await until('it hears what comes then', async () => (await heard()).length === 4);
  assert.deepEqual(await heard(), ['kept', 'before', 'meanwhile', 'after']);
  assert.equal(await inPage<number>(page, 'return opened;'), 2);
});
