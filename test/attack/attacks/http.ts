/** Requests to an HTTP port, and how slow they may be. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../support/wait.ts';
import type { Attack } from '../attack.ts';
import { repeated } from '../attacker.ts';
import type { Target } from '../target.ts';

const get = (path: string, ...headers: string[]): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers].join('\r\n')}\r\n\r\n`;

export const httpAttacks: readonly Attack[] = [
  {
    name: 'http-pending',
    bounds: ['HTTP requests waiting for the data plane'],
    options: { limits: { httpPendingMax: 1 } },
    run: async (target) => {
      let refused = 0;
      for (let round = 0; round < 50 && refused === 0; round++) {
        const answers = await Promise.all(
          Array.from({ length: 100 }, () => ask(target, get('/api/retained/x'))),
        );
        refused += answers.filter((status) => status === 503).length;
      }
      assert.ok(refused > 0);
      return `${refused} of 100 at once answered with 503`;
    },
  },
  {
    name: 'http-head',
    bounds: ['the head of an HTTP request'],
    run: async (target) => {
      assert.equal(await ask(target, get('/', `Cookie: ${'x'.repeat(17_000)}`)), 431);
      const many = Array.from({ length: 91 }, (_, index) => `X-${index}: x`);
      assert.equal(await ask(target, get('/', ...many)), 431);
      return '17 KB, and 92 fields: 431';
    },
  },
  {
    name: 'http-slow-head',
    bounds: ['time until the first byte, or until a head is complete'],
    options: { limits: { connectTimeoutMs: 4_000 } },
    run: async (target) => {
      const silent = await Promise.all(Array.from({ length: 50 }, () => target.socket()));
      const slow = await Promise.all(Array.from({ length: 50 }, () => target.socket()));
      const texts = slow.map(textOf);
      for (const socket of silent) socket.resume();
      const request = get('/', `Cookie: ${'x'.repeat(10_000)}`);
      const drip = async (): Promise<void> => {
        for (let sent = 0; slow.some((socket) => !socket.readableEnded) && sent < request.length; sent++) {
          for (const socket of slow) if (!socket.readableEnded) socket.write(request[sent] ?? '');
          await delay(20);
        }
      };
      await Promise.all([drip(), ...[...silent, ...slow].map(ended)]);
      for (const text of await Promise.all(texts)) assert.match(text, /^HTTP\/1\.1 408 /);
      return '50 silent connections ended; 50 that send byte by byte get 408';
    },
  },
  {
    name: 'http-body',
    bounds: ['the body of an HTTP request'],
    options: { limits: { httpBodyBytesMax: 1_000 } },
    run: async (target) => {
      const head = 'POST / HTTP/1.1\r\nHost: localhost\r\n';
      assert.equal(await ask(target, `${head}Content-Length: 1001\r\n\r\n`), 413);
      const chunk = `3e8\r\n${'x'.repeat(1_000)}\r\n`;
      assert.equal(
        await ask(target, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`),
        413,
      );
      return '1,001 bytes, announced or in chunks: 413';
    },
  },
  {
    name: 'http-pipeline',
    bounds: ['bytes that follow an HTTP request in progress'],
    accountBytes: 10 * 160 * 1_024,
    run: async (target) => {
      const sockets = await Promise.all(Array.from({ length: 10 }, () => target.socket()));
      const requests = get('/api/statistics').repeat(1_000_000 / 50);
      for (const socket of sockets) for (let more = 0; more < 16; more++) socket.write(requests);
      await stalled(sockets);
      return '10 clients that send 16 MB of requests and read no answer are no longer read';
    },
  },
  {
    name: 'http-answers',
    bounds: [
      'unread bytes of an HTTP request or answer',
      'HTTP answers made for single clients, not yet read',
    ],
    options: { limits: { httpAnswersBytesMax: 10_000_000 } },
    accountBytes: 10_000_000 + 2 * 16 * 1_000_000 + 50 * 160 * 1_024, // 16 look-ups at once, each there twice for a moment
    run: async (target) => {
      const publisher = await target.connect();
      await publisher.publishAll(['page'], new Uint8Array(1_000_000), true);
      const sockets = await Promise.all(Array.from({ length: 50 }, () => target.socket()));
      for (const socket of sockets) socket.write(get('/api/retained/page').repeat(20));
      await until('a refusal', async () => (await ask(target, get('/api/retained/page'))) === 503, 30_000);
      for (const socket of sockets) socket.destroy();
      await until('an answer', async () => (await ask(target, get('/api/retained/page'))) === 200, 30_000);
      await publisher.publishAll(['page'], '', true);
      return '50 clients read nothing of 20 MB each: others get 503 until they have left';
    },
  },
  {
    name: 'http-idle',
    bounds: ['idle time of an HTTP connection'],
    options: { limits: { httpIdleTimeoutMs: 1_000 } },
    run: async (target) => {
      const sockets = await Promise.all(Array.from({ length: 50 }, () => target.socket()));
      for (const socket of sockets) socket.resume().write(get('/api/statistics'));
      await Promise.all(sockets.map(ended));
      return '50 idle connections ended';
    },
  },
  {
    name: 'event-streams',
    bounds: [
      'HTTP streams of messages at once',
      'topic filters of all HTTP streams',
      'topic filters of ended streams, kept for 20 s in case they reconnect',
    ],
    options: { limits: { eventStreamsMax: 150, subscriptionsPerSessionMax: 4_000 } },
    run: async (target) => {
      const same = await streamsUntilRefused(target, () => '/sse?topic=a');
      assert.equal(same.length, 150);
      await close(target, same, 'first/0/0');
      for (const [round, next] of [
        ['first', 'second'],
        ['second', 'second'],
      ] as const) {
        const others = await streamsUntilRefused(target, (number) => {
          const topics = Array.from({ length: 16 }, (_, index) => `topic=${round}/${number}/${index}`);
          return `/sse?${topics.join('&')}`;
        });
        assert.equal(others.length, 125); // 2,000 filters, also where a thousand stand there that nobody has
        await close(target, others, `${next}/0/0`);
      }
      return '150 streams, then 2,000 filters of 125 streams, twice; the next stream is answered with 503';
    },
  },
  {
    name: 'event-history',
    bounds: ['messages kept for all HTTP streams'],
    options: { limits: { eventHistoryBytesMax: 65_536 } },
    accountBytes: 65_536 + 10 * 160 * 1_024 + 64 * 1_024 * 1_024, // so many bytes of buffers wait for a collection
    run: async (target) => {
      const streams = await Promise.all(Array.from({ length: 10 }, () => stream(target, '/sse?topic=a')));
      for (const { socket } of streams) socket.pause();
      const publisher = await target.connect();
      await publisher.publishAll(repeated('a', 3_000), new Uint8Array(10_000));
      for (const { socket } of streams) socket.resume();
      await until('all are told', () => streams.every(({ isTold }) => isTold()), 30_000);
      return '10 streams that read nothing of 30 MB are told that they have missed messages';
    },
  },
];

interface Stream {
  readonly socket: Socket;
  readonly status: number;
  /** It has missed something, and knows. */
  isTold(): boolean;
}

async function stream(target: Target, path: string): Promise<Stream> {
  let tail = '';
  let isTold = false;
  const { socket, status } = await answered(target, get(path), (more) => {
    isTold ||= `${tail}${more}`.includes('event: missed');
    tail = more.slice(-20);
  });
  return { socket, status, isTold: () => isTold };
}

/** The streams that were opened before one was answered with 503. */
async function streamsUntilRefused(target: Target, pathOf: (number: number) => string): Promise<Stream[]> {
  const opened: Stream[] = [];
  for (;;) {
    const next = await stream(target, pathOf(opened.length));
    if (next.status === 200) {
      opened.push(next);
      continue;
    }
    assert.equal(next.status, 503);
    return opened;
  }
}

/** Waits until the broker has seen that they are gone: a stream of `topic` has room. */
async function close(target: Target, streams: readonly Stream[], topic: string): Promise<void> {
  for (const { socket } of streams) socket.destroy();
  const path = `/sse?topic=${topic}`;
  await until('room for a stream', async () => (await ask(target, get(path))) === 200, 30_000);
}

async function ended(socket: Socket): Promise<void> {
  if (!socket.readableEnded && !socket.destroyed)
    await Promise.race([once(socket, 'end'), once(socket, 'close')]);
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (more: string) => (text += more));
  await ended(socket);
  return text;
}

/** The status of the answer. */
async function ask(target: Target, request: string): Promise<number> {
  const { socket, status } = await answered(target, request);
  socket.destroy();
  return status;
}

/** Asks, and waits for the first line. `onText`: is given what comes, from the beginning on. */
async function answered(
  target: Target,
  request: string,
  onText: (more: string) => void = () => {},
): Promise<{ readonly socket: Socket; readonly status: number }> {
  const socket = await target.socket();
  let head = '';
  socket.setEncoding('latin1').on('data', (more: string) => {
    if (!head.includes('\r\n')) head += more;
    onText(more);
  });
  socket.write(request);
  await until('an answer', () => head.includes('\r\n') || socket.readableEnded || socket.destroyed, 30_000);
  return { socket, status: Number(head.split(' ')[1]) };
}

/** Waits until the broker takes nothing more from any of them. */
async function stalled(sockets: readonly Socket[]): Promise<void> {
  const waiting = (): number => sockets.reduce((sum, socket) => sum + socket.writableLength, 0);
  for (let before = -1; before !== waiting(); ) {
    before = waiting();
    await delay(1_000);
  }
  for (const socket of sockets) assert.ok(socket.writableLength > 0, 'it takes everything');
}
