/** The client in a page, a web worker and a service worker of real Chromium, all with the same scenario. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { inPage, servePage, startChromium } from '../../support/chromium.ts';
import { startRestartingBroker } from '../../support/restarting-broker.ts';
import { within } from '../../support/wait.ts';

const scenario = new URL('../../../../test/e2e/client/runtimes/scenario.mjs', import.meta.url);

/** A worker that plays at the URL that it is sent, and answers how it went. */
const worker = `
  import * as rally from '/rally.js';
  import { playScenario } from '/scenario.js';
  globalThis.addEventListener('message', (event) => {
    const playing = playScenario(rally, event.data).then(() => 'played', String);
    const answered = playing.then((answer) => (event.source ?? globalThis).postMessage(answer));
    event.waitUntil?.(answered);
  });`;

const players: Record<string, string> = {
  'a page': `
    const { playScenario } = await import('/scenario.js');
    await playScenario(await import('/rally.js'), argument);
    return 'played';`,
  'a web worker': `
    const worker = new Worker('/worker.js', { type: 'module' });
    worker.postMessage(argument);
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });`,
  'a service worker': `
    const answer = new Promise((resolve) => {
      navigator.serviceWorker.onmessage = ({ data }) => resolve(data);
    });
    await navigator.serviceWorker.register('/worker.js', { type: 'module' });
    (await navigator.serviceWorker.ready).active.postMessage(argument);
    return answer;`,
};

for (const [name, body] of Object.entries(players)) {
  test(`${name}: publish and subscribe, requests, a restarted broker, close`, async (context) => {
    const url = await startRestartingBroker(context);
    const scripts = { 'worker.js': worker, 'scenario.js': await readFile(scenario, 'utf8') };
    const [browser, pageUrl] = [await startChromium(context), await servePage(context, scripts)];
    const page = await browser.newPage();
    await page.goto(pageUrl);
    assert.equal(await within('the scenario', inPage(page, body, url), 60_000), 'played');
  });
}
