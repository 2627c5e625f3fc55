/** A collector that answers, refuses, or is not there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { OtlpSender } from '../../../core/telemetry/otlp-sender.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/wait.ts';

type Answer = number | 'down' | { readonly status: number; readonly retryAfter: string };

function newSender(answers: readonly Answer[]) {
  const clock = new FakeClock();
  const left = [...answers];
  const bodies: unknown[] = [];
  const said: string[] = [];
  const sender = new OtlpSender({
    target: {
      url: 'http://user:hunter2@collector/v1/metrics?key=hunter2',
      headers: { 'x-a': 'b' },
      timeoutMs: 1_000,
    },
    clock,
    post: async (_, { body, headers }) => {
      assert.equal(new Headers(headers).get('content-type'), 'application/json');
      assert.equal(new Headers(headers).get('x-a'), 'b');
      bodies.push(JSON.parse(`${body}`));
      const answer = left.shift() ?? 200;
      if (answer === 'down') throw new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
      if (typeof answer === 'number') return new Response(null, { status: answer });
      return new Response(null, { status: answer.status, headers: { 'retry-after': answer.retryAfter } });
    },
    warn: (fields, sentence) => void said.push(`${sentence} ${JSON.stringify(fields)}`),
    info: (fields, sentence) => void said.push(`${sentence} ${JSON.stringify(fields)}`),
  });
  return { clock, bodies, said, sender };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('what is sent arrives in order, and nothing is said of it', async () => {
  const { sender, bodies, said } = newSender([]);
  for (const n of [1, 2, 3]) sender.send(n);
  await settle();
  assert.deepEqual([bodies, said, sender.dropped], [[1, 2, 3], [], 0]);
});

test('a collector that is down is tried again, later and later, and costs two lines in the log', async () => {
  const { sender, bodies, said, clock } = newSender(['down', 503, { status: 429, retryAfter: '7' }, 200]);
  sender.send(1);
  sender.send(2);
  for (const [pauseMs, tries] of [
    [1_000, 1],
    [2_000, 2],
    [7_000, 3],
  ] as const) {
    await settle();
    assert.equal(bodies.length, tries);
    clock.advance(pauseMs - 1);
    await settle();
    assert.equal(bodies.length, tries);
    clock.advance(1);
  }
  await settle();
  assert.deepEqual(bodies, [1, 1, 1, 1, 2]);
  assert.equal(said.length, 2);
  assert.match(said[0] ?? '', /does not accept exports.*ECONNREFUSED/);
  assert.ok(!said.join().includes('hunter2'));
});

test('a collector that redirects is not asked again, and the log says why', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(307, { location: '/elsewhere' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const said: string[] = [];
  const { port } = server.address() as AddressInfo;
  const sender = new OtlpSender({
    target: { url: `http://127.0.0.1:${port}/v1/metrics`, headers: {}, timeoutMs: 10_000 },
    clock: new FakeClock(),
    post: fetch,
    warn: (fields) => void said.push(`${fields['reason']}`),
    info: () => {},
  });
  sender.send(1);
  await until('it is dropped', () => sender.dropped === 1);
  assert.deepEqual(asked, ['POST /v1/metrics']);
  assert.deepEqual(said, ['its answer has status 307, and redirects are not followed']);
  sender.close();
  server.close();
});

test('after five tries, or where a further one would not help, it is dropped; what waits is bounded', async () => {
  const { sender, bodies, said, clock } = newSender([400, ...Array(5).fill('down')]);
  sender.send('refused');
  await settle();
  assert.equal(sender.dropped, 1);
  for (let n = 0; n < 20; n++) sender.send(n);
  await settle();
  assert.equal(sender.dropped, 1 + 11); // one is on its way, eight wait
  for (let n = 0; n < 5; n++) {
    clock.advance(30_000);
    await settle();
  }
  assert.equal(sender.dropped, 1 + 11 + 1);
  assert.deepEqual(bodies.slice(-8), [12, 13, 14, 15, 16, 17, 18, 19]);
  assert.equal(said.length, 2);
});

test('a sender that is closed waits for nothing', async () => {
  const { sender, bodies, clock } = newSender(Array(10).fill('down'));
  sender.send(1);
  await settle();
  sender.close();
  sender.send(2);
  clock.advance(60_000);
  await settle();
  assert.deepEqual([bodies, clock.timers], [[1], 0]);
});
