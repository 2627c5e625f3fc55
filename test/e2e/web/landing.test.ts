/** The page at `/`: the live counter, and the console used as an MQTT client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostMessage } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { isLive, reads, untilAsync, type ViewportName, viewports, visit } from '../../support/visitor.ts';
import { until } from '../../support/wait.ts';

for (const viewport of Object.keys(viewports) as ViewportName[]) {
  test(`the counter goes up while messages are delivered (${viewport})`, async (t) => {
    const { broker, port, tcpPort } = await startBroker(t);
    const page = await visit(t, `http://127.0.0.1:${port}/`, { viewport });
    await isLive(page);
    await reads(page.locator('#delivered'), /^\d/);
    const count = async (): Promise<number> =>
      Number((await page.locator('#delivered').textContent())?.replace(/\D/g, ''));
    const before = await count();
    await broker.subscribe('a', () => {});
    for (let index = 0; index < 50; index += 1) await broker.publish('a', 'b');
    await untilAsync('the counter', async () => (await count()) >= before + 50);
    await reads(page.locator('#tcp-url'), `mqtt://127.0.0.1:${tcpPort}`);
    await reads(page.locator('#ws-url'), `ws://127.0.0.1:${port}/mqtt (sub-protocol mqtt)`);
  });

  test(`the console connects, subscribes, publishes, and shows all of a message (${viewport})`, async (t) => {
    const { broker, port } = await startBroker(t);
    const heard: HostMessage[] = [];
    await broker.subscribe('hello/#', (message) => void heard.push(message), 2);
    await broker.publish('hello/kept', 'from before', { retain: true });
    const page = await visit(t, `http://127.0.0.1:${port}/`, { viewport });

    await page.click('summary:text("Who connects")');
    await page.fill('#client-id', 'console');
    await page.click('#connect');
    await reads(page.locator('#console-state'), 'connected as console');
    await page.fill('#filter', 'hello/#');
    await page.click('#subscribe');
    const newest = page.locator('.message').first();
    await reads(newest.locator('.topic'), 'hello/kept');
    await reads(newest.locator('.tag.live'), 'retained');
    await reads(newest.locator('.preview'), 'from before');

    await page.fill('#topic', 'hello/world');
    await page.selectOption('#publish-qos', '2');
    await page.fill('#payload', '<b>40-30</b>');
    await page.click('summary:text("Properties")');
    await page.fill('#content-type', 'text/plain');
    await page.fill('#expiry', '60');
    await page.fill('#response-topic', 'hello/back');
    await page.fill('#user-properties', 'court: 1\nsecond: with: colon');
    await page.click('#publish');
    await reads(page.locator('#published'), 'the broker has it');
    await reads(newest.locator('.topic'), 'hello/world');
    await reads(newest.locator('.about'), /QoS 2/);
    await reads(newest.locator('.preview'), '<b>40-30</b>');
    await reads(
      newest.locator('.properties'),
      /^(?=.*contentType: text\/plain)(?=.*responseTopic: hello\/back)(?=.*court = 1)(?=.*second = with: colon).*$/,
    );
    await until('the message', () => heard.length === 2);
    assert.equal(heard[1]?.qos, 2);
    assert.deepEqual(heard[1]?.properties.userProperties, [
      ['court', '1'],
      ['second', 'with: colon'],
    ]);

    await page.click('[aria-label="Unsubscribe from hello/#"]');
    assert.equal(await page.locator('#subscriptions li').count(), 0);
    await page.click('#connect');
    await reads(page.locator('#console-state'), 'not connected');
    await reads(page.locator('#connect'), 'Connect');
  });
}

test('the console says what is wrong', async (t) => {
  const { port } = await startBroker(t, { authenticate: ({ username }) => username === 'umpire' });
  const page = await visit(t, `http://127.0.0.1:${port}/`);
  await reads(page.locator('#pulse-note'), /asks who connects/);
  await page.click('#connect');
  await reads(page.locator('#console-state'), /^refused: .*0x86/);
  await page.click('summary:text("Who connects")');
  await page.fill('#username', 'umpire');
  await page.click('#connect');
  await reads(page.locator('#console-state'), /^connected as /);
  await page.fill('#filter', 'a/#/b');
  await page.click('#subscribe');
  await reads(page.locator('#console-state'), /0x8f/);
});

test('the console keeps up with a flood, and shows the newest', async (t) => {
  const { broker, port } = await startBroker(t);
  const page = await visit(t, `http://127.0.0.1:${port}/`);
  await page.fill('#filter', 'flood');
  await page.click('#subscribe');
  await reads(page.locator('#console-state'), /^connected/);
  await broker.publish('flood', 'ready', { retain: true });
  await reads(page.locator('.message .preview').first(), 'ready');
  await Promise.all(Array.from({ length: 2_000 }, (_, index) => broker.publish('flood', `${index}`)));
  await reads(page.locator('#log-count'), '2,001');
  await reads(page.locator('.message .preview').first(), '1999');
  assert.equal(await page.locator('.message').count(), 200);
});
