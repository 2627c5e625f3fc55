/** The page at `/`: the live counter, and the console used as an MQTT client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostMessage } from '../../../core/broker.ts';
import { startBroker } from '../../support/broker.ts';
import { unusedPort } from '../../support/command.ts';
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

    await page.click('summary:text("Credentials")');
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
  await reads(page.locator('#pulse-note'), /requires credentials/);
  await page.click('#connect');
  await reads(page.locator('#console-state'), /^refused: .*0x86/);
  await page.click('summary:text("Credentials")');
  await page.fill('#username', 'umpire');
  await page.click('#connect');
  await reads(page.locator('#console-state'), /^connected as /);
  await page.fill('#filter', 'a/#/b');
  await page.click('#subscribe');
  await reads(page.locator('#console-state'), /0x8f/);
});

test('the console connects to another broker, with MQTT 3.1.1 too', async (t) => {
  const here = await startBroker(t);
  const versions: number[] = [];
  const other = await startBroker(t, { allowedOrigins: ['*'] });
  other.broker.on('clientConnected', ({ protocolVersion }) => void versions.push(protocolVersion));
  const page = await visit(t, `http://127.0.0.1:${here.port}/`);
  await page.fill('#url', other.wsUrl);
  for (const [version, filter] of [
    ['5', 'five'],
    ['3', 'three'],
  ] as const) {
    await page.selectOption('#mqtt-version', version);
    await page.click('#connect');
    await reads(page.locator('#console-state'), /^connected/);
    await page.fill('#filter', filter);
    await page.click('#subscribe');
    await page.fill('#topic', filter);
    await page.click('#publish');
    await reads(page.locator('#published'), 'the broker has it');
    await reads(page.locator('.message .topic').first(), filter);
    await page.click('#connect');
    await reads(page.locator('#console-state'), 'not connected');
  }
  assert.deepEqual(versions, [5, 4]);
  await page.fill('#url', `ws://127.0.0.1:${await unusedPort()}/mqtt`);
  await page.click('#connect');
  await reads(page.locator('#console-state'), /next attempt in/);
});

test('the console shows JSON, text and bytes, filters, pauses, and gives a message back to be published', async (t) => {
  const { broker, port } = await startBroker(t);
  const heard: HostMessage[] = [];
  await broker.subscribe('in/#', (message) => void heard.push(message));
  const page = await visit(t, `http://127.0.0.1:${port}/`);
  await page.fill('#filter', '#');
  await page.click('#subscribe');
  await reads(page.locator('#console-state'), /^connected/);
  await reads(page.locator('#subscriptions li'), '#QoS 2✕');
  await broker.publish('a/json', '{"b":[1]}', { qos: 1 });
  await broker.publish('a/bytes', Uint8Array.of(0, 255, 65), { qos: 1 });
  await broker.publish('a/empty', '', { qos: 1 });
  await reads(page.locator('.message .topic'), 'a/empty\na/bytes\na/json');
  await reads(page.locator('.message .preview'), '(empty)\n00 ff 41\n{"b":[1]}');
  await page.check('#pause');
  for (const index of [0, 1, 2]) await page.locator('.message summary').nth(index).click();
  await reads(page.locator('.message pre.json'), '{\n  "b": [\n    1\n  ]\n}');
  await reads(page.locator('.message pre.hex'), /^0000 {2}00 ff 41 +··A$/);
  await reads(page.locator('.message pre.empty'), '(empty)');

  await broker.publish('a/later', 'x');
  await reads(page.locator('#newer'), '↑ 1 newer');
  assert.equal(await page.locator('.message').count(), 3);
  await page.click('#newer');
  await reads(page.locator('.message .topic').first(), 'a/later');
  await page.fill('#search', 'BYTES');
  await reads(page.locator('.message .topic'), 'a/bytes');
  await page.locator('.message summary').click();
  await page.getByRole('button', { name: 'Copy to the form' }).click();
  assert.equal(await page.inputValue('#payload'), '00 ff 41');
  await page.fill('#topic', 'in/again');
  await page.fill('#payload', '0A fffe');
  await page.click('#publish');
  await until('the bytes', () => heard.length === 1);
  assert.deepEqual([...(heard[0]?.payload ?? [])], [10, 255, 254]);
  await page.fill('#payload', 'no hex');
  await page.click('#publish');
  await reads(page.locator('#published.failed'), /^not hex/);
  await page.click('#clear');
  assert.equal(await page.locator('.message').count(), 0);
});

test('the tree has the last value of each topic, and leads to its messages', async (t) => {
  const { broker, port } = await startBroker(t);
  const page = await visit(t, `http://127.0.0.1:${port}/`, { viewport: 'phone' });
  await isLive(page);
  await page.fill('#filter', 'house/#');
  await page.click('#subscribe');
  await reads(page.locator('#console-state'), /^connected/);
  for (const [topic, value] of [
    ['house/kitchen/kettle', '1'],
    ['house/kitchen/kettle', '2000'],
    ['house/kitchen/fridge', '90'],
    ['house/door', 'shut'],
  ] as const) {
    await broker.publish(topic, value, { qos: 1, retain: true });
  }
  await page.click('#show-tree');
  await reads(page.locator('#tree > ul > li > details > summary'), 'house 4');
  await reads(page.locator('#tree summary', { hasText: 'kitchen' }), 'kitchen 3');
  await reads(page.locator('.leaf', { hasText: 'kettle' }).locator('.value'), '2000');
  await broker.publish('house/kitchen/kettle', '0', { qos: 1, retain: true });
  await reads(page.locator('.leaf', { hasText: 'kettle' }).locator('.value'), '0');
  await page.locator('.leaf', { hasText: 'fridge' }).click();
  await reads(page.locator('.message:visible .topic'), 'house/kitchen/fridge');
  assert.equal(await page.inputValue('#topic'), 'house/kitchen/fridge');
});

/** Measures the longest time between two frames. */
const watchFrames = `(() => {
  globalThis.longestMs = 0;
  let last = performance.now();
  const frame = (now) => { longestMs = Math.max(longestMs, now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
})()`;

test('the console keeps up with a flood of 20,000 messages, and answers meanwhile', async (t) => {
  const total = 20_000;
  // Room for all of it: a page on a busy machine may fall behind by more than a session's queue usually holds.
  const { broker, port } = await startBroker(t, { limits: { sessionQueueMessagesMax: total } });
  const page = await visit(t, `http://127.0.0.1:${port}/`);
  await page.fill('#filter', 'flood/#');
  await page.click('#subscribe');
  await reads(page.locator('#console-state'), /^connected/);
  await broker.publish('flood/ready', 'ready', { retain: true });
  await reads(page.locator('.message .preview').first(), 'ready');
  await page.evaluate(watchFrames);
  const startMs = performance.now();
  const burst = total / 20;
  for (let sent = 0; sent < total; sent += burst) {
    const messages = Array.from({ length: burst }, (_, index) => sent + index);
    await Promise.all(messages.map((index) => broker.publish(`flood/${index % 50}`, `${index}`)));
    // What somebody does meanwhile works.
    if (sent === total / 2) await page.fill('#search', 'flood/7');
  }
  await reads(page.locator('#log-count'), '20,001');
  await reads(page.locator('.message .topic').first(), 'flood/7');
  await page.fill('#search', '');
  await reads(page.locator('.message .preview').first(), '19999');
  assert.equal(await page.locator('.message').count(), 200);
  await reads(page.locator('#topic-count'), '51');
  const longestMs = Number(await page.evaluate('longestMs'));
  const allMs = performance.now() - startMs;
  t.diagnostic(`the longest frame took ${Math.round(longestMs)} ms of ${Math.round(allMs)} ms`);
  assert.ok(longestMs < Math.max(1_500, allMs / 2), `a frame took ${longestMs} ms of ${allMs} ms`);
});
