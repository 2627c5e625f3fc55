/** The performance of a page in Chromium, with both client libraries. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage } from '../../../bench/browser/run.ts';
import { rallymq } from '../../../bench/peers/rallymq.ts';

test('a page gets every message back, with either client', async (t) => {
  const broker = await rallymq(1).start();
  t.after(() => broker.stop());
  const page = await openPage();
  t.after(() => page.close());
  const url = `ws://127.0.0.1:${broker.ws?.port}${broker.ws?.path}`;
  for (const [client, qos, isVersion4] of [
    ['rally', 2, false],
    ['rally', 1, true],
    ['mqtt.js', 2, false],
    ['mqtt.js', 1, true],
  ] as const) {
    const what = `${client}, QoS ${qos}`;
    const result = await page.echo({ client, url, isVersion4, qos, window: 10, seconds: 0.2 });
    assert.equal(result.lost, 0, what);
    assert.ok(result.perSecond > 0, `${what}: ${result.perSecond} a second`);
    assert.ok(result.p50Us > 0 && result.p50Us <= result.p99Us, `${what}: ${JSON.stringify(result)}`);
  }
});
