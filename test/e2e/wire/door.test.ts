/** The protocols arriving at a port: the answer to a misplaced protocol, and the distinction of HTTP and MQTT. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { startBroker } from '../../support/broker.ts';
import { type Command, startCommand, unusedPort } from '../../support/command.ts';
import { connectFrame, pingreqFrame, toHex } from '../../support/frames.ts';
import { openClient, RawClient, transports } from '../../support/raw-client.ts';
import { openSocket, plainOnly } from '../../support/secure.ts';
import { sharedBroker } from '../../support/shared-broker.ts';
import { until, within } from '../../support/wait.ts';
import { encodeFrame, opcode } from '../../support/websocket-link.ts';

/** A TCP connection that shows the text of what comes back. */
class Line {
  text = '';
  hasEnded = false;
  readonly #socket: Socket;

  constructor(t: TestContext, port: number) {
    this.#socket = openSocket({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.#socket.on('data', (chunk) => (this.text += chunk.toString('latin1')));
    this.#socket.on('error', () => {});
    this.#socket.on('end', () => (this.hasEnded = true));
    this.#socket.on('close', () => (this.hasEnded = true));
    t.after(() => this.#socket.destroy());
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  /** Resolves when as many answers have begun. */
  async answers(count: number): Promise<string[]> {
    await until(`${count} answers`, () => this.statuses.length >= count);
    return this.statuses;
  }

  get statuses(): string[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status);
  }

  async ended(): Promise<string> {
    await until('the end', () => this.hasEnded);
    return this.text;
  }
}

const get = (path: string, ...headers: string[]): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers].join('\r\n')}\r\n\r\n`;

const opening = get(
  '/mqtt',
  'Upgrade: websocket',
  'Connection: keep-alive, Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: mqtt',
);

test('a request is understood however it is cut', async (t) => {
  const { port } = await startBroker(t);
  const cuts = Array.from({ length: opening.length - 1 }, (_, index) => index + 1);
  const statuses = await Promise.all(
    cuts.map(async (cut) => {
      const line = new Line(t, port);
      line.write(opening.slice(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 5));
      line.write(opening.slice(cut));
      return (await line.answers(1))[0];
    }),
  );
  assert.deepEqual(new Set(statuses), new Set(['101']));
  const slow = new Line(t, port);
  for (const character of opening) {
    slow.write(character);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(await slow.answers(1), ['101']);
});

test('the absolute form is the same request, and an empty line before one is skipped', async (t) => {
  const { port } = await startBroker(t);
  const line = new Line(t, port);
  line.write(`\r\n${get(`http://localhost:${port}/healthz`)}`);
  line.write(opening.replace('/mqtt', `http://localhost:${port}/mqtt`));
  assert.deepEqual(await line.answers(2), ['200', '101']);
});

test('requests in one piece are answered in their order, with an opening at the end', async (t) => {
  const { port } = await startBroker(t, { workers: 2 });
  const line = new Line(t, port);
  line.write(get('/api/retained/none') + get('/healthz') + get('/nothing') + get('/') + opening);
  assert.deepEqual(await line.answers(5), ['404', '200', '404', '200', '101']);
});

test('what a client sends behind its opening, not waiting for the answer, is its stream', async (t) => {
  const { port } = await startBroker(t);
  const frames = [connectFrame(), pingreqFrame].map((frame) => encodeFrame(opcode.binary, frame));
  for (const round of ['an opening that is new', 'the same again']) {
    const line = new Line(t, port);
    line.write(Buffer.concat([Buffer.from(get('/healthz') + opening), ...frames]));
    await until('PINGRESP', () => line.text.endsWith('\xd0\x00'));
    assert.deepEqual(line.statuses, ['200', '101'], round);
  }
});

test('a large answer that is read late comes whole before the next one and before the opening', async (t) => {
  const { port, broker } = await startBroker(t);
  await broker.publish('large', 'x'.repeat(900_000), { retain: true });
  const socket = openSocket({ port, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  socket.write(get('/api/retained/large') + get('/api/retained/large') + opening);
  await within('the first bytes', new Promise((resolve) => socket.once('readable', resolve)));
  await new Promise((resolve) => setTimeout(resolve, 100)); // the sockets are full
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  await until('the opening', () => text.includes('HTTP/1.1 101'));
  assert.equal(text.match(/x{900000}/g)?.length, 2);
});

test('a client that ends its side behind its requests gets all answers, then the end', async (t) => {
  const { port } = await sharedBroker(t);
  const line = new Line(t, port);
  line.write(get('/healthz') + get('/nothing'));
  line.end();
  await line.ended();
  assert.deepEqual(line.statuses, ['200', '404']);
});

test('bodies are taken with a length and in chunks, and the connection goes on behind them', async (t) => {
  const { port } = await sharedBroker(t);
  const line = new Line(t, port);
  const post = (header: string, body: string): string =>
    `POST /x HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n${body}`;
  line.write(post('Content-Length: 200000', 'a'.repeat(200_000)));
  line.write(post('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'));
  line.write(
    post(
      'Transfer-Encoding: chunked',
      `3;x\r\nGET\r\n${'f\r\nabcdefghijklmno\r\n'.repeat(5_000)}0\r\nA: b\r\n\r\n`,
    ),
  );
  line.write(get('/healthz'));
  assert.deepEqual(await line.answers(4), ['405', '405', '405', '200']);
});

test('a client that expects it is told to go on', async (t) => {
  const { port } = await sharedBroker(t);
  const line = new Line(t, port);
  line.write('POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
  await line.answers(1);
  line.write('hello');
  assert.equal((await line.answers(2))[0], '100');
  line.write(get('/healthz'));
  assert.deepEqual((await line.answers(3)).slice(-2), ['405', '200']);
});

test('a body beyond the limit is refused with 413, in chunks too', async (t) => {
  const { port } = await startBroker(t, { limits: { httpBodyBytesMax: 1_000 } });
  for (const [header, body] of [
    ['Content-Length: 1001', ''],
    ['Transfer-Encoding: chunked', `3e9\r\n${'a'.repeat(1_001)}\r\n`],
  ]) {
    const line = new Line(t, port);
    line.write(`POST / HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n${body}`);
    assert.match(await line.ended(), /413 Content Too Large.*connection: close.*too large\.\n$/s);
  }
});

test('what is no request of HTTP/1.1 is told so in words', async (t) => {
  const { port } = await sharedBroker(t);
  for (const [status, request] of [
    [431, get('/', `A: ${'x'.repeat(17_000)}`)],
    [400, get('/', 'Content-Length: 1', 'Transfer-Encoding: chunked')],
    [400, get('/', 'Content-Length: 1', 'Content-Length: 2')],
    [400, get('/', 'A: b', ' c')],
    [400, get('/', 'A: b\rc')],
    [400, get('/', 'A: b\0')],
    [501, get('/', 'Transfer-Encoding: gzip')],
    [505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    [400, '\x00\x01\x02'],
    [400, 'hello\n'],
  ] as const) {
    const line = new Line(t, port);
    line.write(request);
    const text = await line.ended();
    assert.match(
      text,
      new RegExp(`^HTTP/1.1 ${status} .*content-type: text/plain.*\\.\\n$`, 's'),
      JSON.stringify(request),
    );
    assert.equal(line.statuses.length, 1);
  }
});

test('a request is no way to say whose request it is', async (t) => {
  const { port, broker } = await sharedBroker(t);
  await broker.publish('a', 'b', { retain: true });
  const request = get('/api/retained/a', 'RallyMQ-Client: 99999 6.6.6.6');
  const line = new Line(t, port);
  line.write(request);
  await line.answers(1);
  await until('the header', () => line.text.includes('x-request-bytes'));
  assert.match(line.text, new RegExp(`x-request-bytes: ${request.length}\r\n`));
});

test('a GET for the path of MQTT is told to upgrade', async (t) => {
  const { port } = await startBroker(t, { pages: false });
  for (const headers of [[], ['Upgrade: websocket'], ['Upgrade: h2c', 'Connection: Upgrade']]) {
    const line = new Line(t, port);
    line.write(get('/mqtt', ...headers));
    await until('the answer', () => line.text.includes('\r\n\r\nThis'));
    assert.match(line.text, /^HTTP\/1\.1 426 Upgrade Required\r\n.*upgrade: websocket\r\n.*by WebSocket/s);
  }
});

test('a key that is none is refused, also behind the same request with one', async (t) => {
  const { port } = await startBroker(t);
  const first = new Line(t, port);
  first.write(opening);
  await first.answers(1);
  for (const key of ['', 'short', 'dGhlIHNhbXBsZSBub25jZQ=', 'dGhlIHNhbXBsZSBub25jZQ==='] as const) {
    const line = new Line(t, port);
    line.write(opening.replace('dGhlIHNhbXBsZSBub25jZQ==', key));
    assert.match(await line.ended(), /^HTTP\/1\.1 400 .*16 bytes in Base64/s);
  }
});

test('a head that does not come ends with 408, silence without a word, and an idle connection in its own time', async (t) => {
  const { port, tcpPort } = await startBroker(t, {
    limits: { connectTimeoutMs: 2_000, httpIdleTimeoutMs: 4_000 },
  });
  const silent = [new Line(t, port), new Line(t, tcpPort)];
  const half = new Line(t, port);
  half.write('GET / HTTP/1.1\r\n');
  const idle = new Line(t, port);
  idle.write(get('/healthz'));
  const idleSinceMs = performance.now();
  for (const line of silent) assert.equal(await line.ended(), '');
  assert.match(await half.ended(), /^HTTP\/1\.1 408 /);
  assert.match(await idle.ended(), /^HTTP\/1\.1 200 /);
  assert.ok(performance.now() - idleSinceMs >= 3_900);
});

test('an unmasked frame and a reserved packet type are refused at their first bytes', async (t) => {
  const running = await startBroker(t);
  const webSocket = await openClient(t, 'ws', running);
  webSocket.sendRaw(Uint8Array.of(0x82, 2));
  assert.equal((await webSocket.closed()).code, 1002);
  for (const transport of transports) {
    for (const [first, reasonCode] of [
      [0x0a, 0x81],
      [0x20, 0x82],
      [0x10, 0x82],
    ] as const) {
      const client = await openClient(t, transport, running);
      client.send(Uint8Array.of(first, 0xc0));
      assert.equal(toHex(await client.nextPacket()).slice(0, 6), `e0${'01'}${reasonCode.toString(16)}`);
      await client.closed();
    }
  }
});

test('one port may take everything', plainOnly, async (t) => {
  const port = await unusedPort();
  const running = await startBroker(t, { port, tcpPort: port, workers: 2 });
  assert.equal(running.port, running.tcpPort);
  for (const transport of [...transports, ...transports]) {
    const client = await openClient(t, transport, running);
    await client.assertAlive();
  }
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
});

const linesWith = (command: Command, text: string): number => command.stderr.split(text).length - 1;

test('who speaks another protocol than the port is told, and the log says so once', plainOnly, async (t) => {
  const command = startCommand(t);
  const { port, tcpPort } = await command.ready();
  for (let round = 0; round < 3; round++) {
    for (const method of ['GET', 'OPTIONS', 'DELETE']) {
      const http = new Line(t, tcpPort);
      for (const character of `${method} / HTTP/1.1\r\n\r\n`) http.write(character);
      assert.match(await http.ended(), /^HTTP\/1\.1 400 .*This port speaks MQTT over TCP/s);
    }
    for (const where of [port, tcpPort]) {
      const tls = new Line(t, where);
      tls.write(Buffer.from('16030100c4010000c00303', 'hex'));
      assert.equal(await tls.ended(), '\x15\x03\x01\x00\x02\x02\x28'); // a fatal alert
    }
    const mqtt = await RawClient.overTcp(port);
    mqtt.send(connectFrame());
    await mqtt.closed();
  }
  await until('the lines', () => linesWith(command, 'uses MQTT over TCP on the port for HTTP') > 0);
  for (const text of [
    'uses MQTT over TCP on the port for HTTP',
    'uses HTTP or WebSocket on the port',
    'uses TLS',
  ]) {
    assert.equal(linesWith(command, text), 1, text);
  }
});

test('an opening is answered though its client ends its side at once', async (t) => {
  const { port } = await startBroker(t);
  for (let round = 0; round < 20; round++) {
    const line = new Line(t, port);
    line.write(opening);
    line.end();
    assert.match(await line.ended(), /^HTTP\/1\.1 101 /);
  }
});

/** Opens connections, all at once and in a thread of its own, and asks on each; gives how often each status came. */
const burst = `
const { connect } = require('node:net');
const { parentPort, workerData: { port, count } } = require('node:worker_threads');
const statuses = {};
let open = count;
parentPort.once('message', () => {
  for (let n = 0; n < count; n++) {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /livez HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'));
    socket.on('data', (chunk) => { text += chunk; });
    socket.on('error', (error) => { text = 'HTTP/1.1 ' + error.code; });
    socket.on('close', () => {
      const status = text.split(' ')[1];
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (--open === 0) parentPort.postMessage(statuses);
    });
  }
});
parentPort.postMessage('ready');
`;

test(
  'more requests than the HTTP server has room for wait for it, and none is refused',
  plainOnly,
  async (t) => {
    const { port } = await startBroker(t, { workers: 1 });
    const count = 1_500; // its queue has room for some 500
    const worker = new Worker(burst, { eval: true, workerData: { port, count } });
    t.after(() => worker.terminate());
    await once(worker, 'message');
    worker.postMessage('go');
    // This is its thread: it takes nothing meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    const [statuses] = await within('all answers', once(worker, 'message'), 60_000);
    assert.deepEqual(statuses, { 200: count });
  },
);

test('a request that the HTTP server does not take in time is answered with 503', plainOnly, async (t) => {
  const { port } = await startBroker(t, { workers: 1, limits: { connectTimeoutMs: 500 } });
  const count = 1_500;
  const worker = new Worker(burst, { eval: true, workerData: { port, count } });
  t.after(() => worker.terminate());
  await once(worker, 'message');
  worker.postMessage('go');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_000);
  const [statuses] = await within('all answers', once(worker, 'message'), 60_000);
  assert.ok(statuses[503] > 0, JSON.stringify(statuses));
  assert.equal(statuses[200] + statuses[503], count, JSON.stringify(statuses));
});
