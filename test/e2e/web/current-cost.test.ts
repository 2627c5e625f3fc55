/** Current Cost, with the meters of the demo. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runHouse } from '../../../web/demo/house.ts';
import { atEnd } from '../../support/at-end.ts';
import { type RunningBroker, startBroker } from '../../support/broker.ts';
import { connectRally } from '../../support/rally.ts';
import { reads, untilAsync, type ViewportName, viewports, visit } from '../../support/visitor.ts';

type Test = Parameters<typeof visit>[0];

async function startHouse(t: Test): Promise<RunningBroker> {
  const running = await startBroker(t);
  atEnd(t, runHouse(await connectRally(t, running.wsUrl)));
  return running;
}

for (const viewport of Object.keys(viewports) as ViewportName[]) {
  test(`meters, chart, history, threshold and switches (${viewport})`, async (t) => {
    const { port } = await startHouse(t);
    const page = await visit(t, `http://127.0.0.1:${port}/demos/current-cost/`, { viewport });
    await reads(page.locator('#total'), /^[\d,]+$/);
    await reads(page.locator('#today'), /^\d+\.\d$/);
    // The last five minutes are there at once, and what comes is added.
    const chart = page.locator('#live-chart');
    const drawn = async (): Promise<number> => Number(await chart.getAttribute('data-points'));
    await untilAsync('the last minutes', async () => (await drawn()) >= 60);
    const before = await drawn();
    await untilAsync('what is drawn now', async () => (await drawn()) > before);
    assert.ok((await chart.locator('canvas').boundingBox())?.height);
    assert.equal(await page.locator('#hours-chart').getAttribute('data-hours'), '24');

    const lights = page.getByRole('switch', { name: 'Lights' });
    await untilAsync('the lights are on', async () => (await lights.getAttribute('aria-checked')) === 'true');
    await reads(page.locator('#appliance-lights .watts'), /^6\d W$/);
    await lights.click();
    await untilAsync(
      'the lights are off',
      async () => (await lights.getAttribute('aria-checked')) === 'false',
    );
    await reads(page.locator('#appliance-lights .watts'), '0 W');

    await reads(page.locator('#alert'), '');
    await page.fill('#threshold', '50');
    await page.getByRole('button', { name: 'Set' }).click();
    await reads(page.locator('#alert'), /^More than 50 W\./);
    await page.fill('#threshold', '');
    await page.getByRole('button', { name: 'Set' }).click();
    await reads(page.locator('#alert'), '');
  });
}

test('what one visitor switches and sets is on the page of another', async (t) => {
  const { port } = await startHouse(t);
  const url = `http://127.0.0.1:${port}/demos/current-cost/`;
  const one = await visit(t, url);
  const other = await visit(t, url, { viewport: 'phone', colorScheme: 'dark' });
  const fridge = other.getByRole('switch', { name: 'Fridge' });
  await untilAsync('the fridge is on', async () => (await fridge.getAttribute('aria-checked')) === 'true');
  await one.getByRole('switch', { name: 'Fridge' }).click();
  await untilAsync('the fridge is off', async () => (await fridge.getAttribute('aria-checked')) === 'false');
  await one.fill('#threshold', '123');
  await one.getByRole('button', { name: 'Set' }).click();
  await untilAsync('the threshold', async () => (await other.inputValue('#threshold')) === '123');
});
