/** Push or poll: the same match twice, and the cost of each. */
import { test } from 'node:test';
import { type MatchSheet, pointsFromText, stateOf } from '../../../web/tennis/record.ts';
import { startBroker } from '../../support/broker.ts';
import { reads, untilAsync, type ViewportName, viewports, visit } from '../../support/visitor.ts';
import { until } from '../../support/wait.ts';

const sheet: MatchSheet = {
  id: 'm',
  court: 'Court 1',
  players: ['Ada', 'Bea'],
  umpire: 'test',
  firstServer: 0,
};

function stateAfter(points: string, at: number): string {
  return JSON.stringify(stateOf(sheet, pointsFromText(points) ?? [], at));
}

for (const viewport of Object.keys(viewports) as ViewportName[]) {
  test(`the polled side is behind until it asks (${viewport})`, async (t) => {
    const { broker, port } = await startBroker(t);
    const topic = 'demos/centre-court/m/score';
    await broker.publish(topic, stateAfter('0w', 1_000), { retain: true });
    const page = await visit(t, `http://127.0.0.1:${port}/demos/push-or-poll/`, { viewport });
    await page.selectOption('#period', '30');
    const pushed = page.locator('#push-board tbody .points');
    const polled = page.locator('#poll-board tbody .points');
    await reads(pushed, '15\n0');
    await reads(polled, '15\n0');
    await reads(page.locator('#poll-behind'), 'up to date');
    await reads(page.locator('#push-verdict'), 'up to date');
    await broker.publish(topic, stateAfter('0w0w', 2_000), { retain: true });
    await reads(pushed, '30\n0');
    await reads(page.locator('#poll-behind'), /^\d.* behind$/);
    await reads(polled, '15\n0');
    await page.selectOption('#period', '1');
    await reads(polled, '30\n0');
    await reads(page.locator('#poll-behind'), 'up to date');
    await reads(page.locator('#push-requests'), '0');
    const requests = async (): Promise<number> => Number(await page.locator('#poll-requests').textContent());
    const before = await requests();
    await untilAsync('two more polls', async () => (await requests()) >= before + 2);
    await reads(page.locator('#requests-poll-10000'), '10,000');
  });
}

test('the costs are measured with a hundred viewers', async (t) => {
  const { broker, port } = await startBroker(t, { sysIntervalSeconds: 0 });
  await broker.publish('demos/centre-court/m/score', stateAfter('0w', 1_000), { retain: true });
  const page = await visit(t, `http://127.0.0.1:${port}/demos/push-or-poll/`);
  await reads(page.locator('#push-board tbody .points'), '15\n0');
  await reads(page.locator('#cpu-push-10000'), '–');
  await reads(page.locator('#tag-100'), 'Computed');
  await page.getByRole('button', { name: 'Measure with 100 viewers' }).click();
  await untilAsync(
    'the end of the measurement',
    async () => /^A delivery took [\d.]+ µs/.test((await page.locator('#measure-state').textContent()) ?? ''),
    30_000,
  );
  await reads(page.locator('.viewers .tag'), 'Live\nMeasured\nComputed');
  for (const viewers of [1, 100, 10_000]) {
    for (const way of ['push', 'poll']) await reads(page.locator(`#cpu-${way}-${viewers}`), /\d.*(%|cores)$/);
  }
  await until('its own topics and connections are gone', () => {
    const { connections, retained } = broker.statistics();
    return connections <= 2 && retained === 1;
  });
});
