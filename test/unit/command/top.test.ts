/** `rallymq top` and `rallymq drain` against an API that is played here. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { drainCommand } from '../../../core/command/drain.ts';
import { top } from '../../../core/command/top.ts';
import { shownFigures } from '../../../core/command/top-view.ts';
import { accessFolder } from '../../support/access-files.ts';

/** Answers each request with the next of `answers`, and notes what was asked. */
async function playedApi(t: TestContext, answers: readonly (readonly [status: number, body: string])[]) {
  const asked: string[] = [];
  const left = [...answers];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    const [status, body] = left.shift() ?? [500, ''];
    response.writeHead(status).end(body);
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { asked, url };
}

const key = { RALLYMQ_API_KEY: 'rmq_x' };
const figures = (uptimeMs: number, publishReceived: number) =>
  JSON.stringify({
    uptimeMs,
    publishReceived,
    clientsConnected: 12_345,
    memoryBytes: 1.5e9,
    cpuUs: uptimeMs * 500,
  });

test('top shows rates between two looks, and clears a terminal but no file', async (t) => {
  const answers = [0, 1_000, 2_000].map((n) => [200, figures(n, n * 4)] as const);
  for (const isTTY of [false, true]) {
    const { url, asked } = await playedApi(t, answers);
    const written: string[] = [];
    const terminal = { isTTY, write: (text: string) => void written.push(text) };
    await top(['--once', '--url', `${url}/`], key, terminal, () => Promise.resolve());
    assert.deepEqual(asked, Array(2).fill('GET /api/v1/stats Bearer rmq_x'));
    const [text = ''] = written;
    assert.equal(text.startsWith('\x1b'), isTTY);
    assert.match(text, /clients +12,345 /);
    assert.match(text, /messages in\/s +4,000 /);
    assert.match(text, /memory +1\.5 GB +CPU +50 %/);
  }
});

test('of a broker that was started again, top shows what has happened since then', () => {
  for (const publishReceived of [5, 150]) {
    const text = shownFigures(
      'u',
      { uptimeMs: 9_000, publishReceived: 100 },
      { uptimeMs: 1_000, publishReceived },
    );
    assert.match(text, new RegExp(`messages in/s +${publishReceived} `));
  }
});

test('drain says how many go', async (t) => {
  const { url, asked } = await playedApi(t, [
    [202, '{"clients":1}'],
    [202, '{"clients":3}'],
  ]);
  const file = accessFolder(t).write('key', 'rmq_file\n');
  assert.equal(
    await drainCommand(['--url', url, '--key-file', file], {}),
    'The broker disconnects 1 client and then stops.\n',
  );
  assert.match(await drainCommand([], { RALLYMQ_URL: url, ...key }), / 3 clients and then stops/);
  assert.deepEqual(asked, ['POST /api/v1/drain Bearer rmq_file', 'POST /api/v1/drain Bearer rmq_x']);
});

test('what is refused, and what cannot be asked, is said', async (t) => {
  const { url } = await playedApi(t, [
    [403, '{"detail":"The key lacks the scope config."}'],
    [502, '<html>'],
  ]);
  const drain = (...args: string[]) => drainCommand(args, key);
  await assert.rejects(drain('--url', url), /403: The key lacks the scope config\./);
  await assert.rejects(drain('--url', url), /502: <html>/);
  await assert.rejects(drain('--url', 'http://127.0.0.1:1'), {
    code: 'BROKER_NOT_REACHED',
    message: /No broker answers at/,
  });
  await assert.rejects(drain('--url', 'broker'), { code: 'FLAG_VALUE_INVALID' });
  await assert.rejects(drain('--url', 'http://a/path'), { code: 'FLAG_VALUE_INVALID' });
  await assert.rejects(drain('--nothing'), { code: 'FLAG_UNKNOWN' });
  await assert.rejects(drain('more'), { code: 'FLAG_UNKNOWN' });
  await assert.rejects(drainCommand([], {}), { code: 'FLAG_VALUE_INVALID', message: /RALLYMQ_API_KEY/ });
  await assert.rejects(drain('--key-file', '/nowhere'), { code: 'ACCESS_FILE_UNREADABLE' });
  const terminal = { write: () => assert.fail('nothing is shown') };
  for (const interval of ['0', 'x', '9999'])
    await assert.rejects(top(['--interval', interval], {}, terminal), {
      code: 'FLAG_VALUE_INVALID',
      message: `--interval is '${interval}': give a number of seconds from 1 to 3600.`,
    });
  const sentences: readonly (readonly [args: string[], message: string])[] = [
    [['--url'], '--url has no value: see rallymq drain --help.'],
    [['--url', '--key-file', 'x'], '--url has no value: see rallymq drain --help.'],
    [['--urls', 'x'], '--urls is not a flag of rallymq drain: did you mean --url?'],
    [['--__proto__'], '--__proto__ is not a flag of rallymq drain: see rallymq drain --help.'],
    [['now'], "'now' is not a flag of rallymq drain: see rallymq drain --help."],
  ];
  for (const [args, message] of sentences) await assert.rejects(drain(...args), { message });
  await assert.rejects(drainCommand([], { RALLYMQ_URL: 'x', ...key }), { message: /^RALLYMQ_URL is 'x'/ });
  const empty = accessFolder(t).write('key', '\n');
  await assert.rejects(drain('--key-file', empty), { message: /contains no key/ });
});

test('an answer that no broker gives is told in a sentence, and so is one that does not come', async (t) => {
  const { url } = await playedApi(t, [
    [200, '<html>'],
    [200, 'null'],
    [200, ''],
  ]);
  for (let times = 0; times < 3; times++)
    await assert.rejects(top(['--url', url], key, { write() {} }), {
      code: 'BROKER_NOT_REACHED',
      message: `What answers at ${url} is not a RallyMQ broker: give the address of one with --url.`,
    });
  const server = createServer((request, response) => {
    if (request.method === 'POST') return; // no answer
    response.writeHead(200, { 'content-length': '100' });
    response.write('{', () => response.destroy());
  });
  t.after(() => server.close().closeAllConnections());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const other = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await assert.rejects(top(['--url', other], key, { write() {} }), {
    code: 'BROKER_NOT_REACHED',
    message: new RegExp(`^The answer of ${other} was cut short: .+\\.$`),
  });
  t.mock.method(AbortSignal, 'timeout', () => AbortSignal.abort(new DOMException('timeout', 'TimeoutError')));
  await assert.rejects(drainCommand(['--url', other], key), {
    code: 'BROKER_NOT_REACHED',
    message: `No broker answers at ${other}: no answer within 10 s.`,
  });
});
