/** Both HTTP servers on a socket of the file system, as the door speaks to them: bodies, queries and goodbyes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { AnswerStream, HttpAnswer, HttpQuestion, StreamedBody } from '../../../core/http/answer.ts';
import type { Answerer, HttpServer } from '../../../core/http/http-server.ts';
import { NodeHttpServer } from '../../../core/http/node-http-server.ts';
import { bodyAnswer, noContent } from '../../../core/http/problem.ts';
import { loadUwebsockets, UwebsocketsServer } from '../../../core/http/uwebsockets-server.ts';
import { until } from '../../support/wait.ts';

const uwebsockets = await loadUwebsockets();
const servers: [string, (answerer: Answerer) => HttpServer][] = [
  ['node:http', (answerer) => new NodeHttpServer(answerer)],
  ...(typeof uwebsockets === 'string'
    ? []
    : [
        ['uWebSockets.js', (answerer: Answerer) => new UwebsocketsServer(uwebsockets, answerer)] as [
          string,
          (answerer: Answerer) => HttpServer,
        ],
      ]),
];

async function listening(
  t: TestContext,
  make: (answerer: Answerer) => HttpServer,
  answerer: Answerer,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'rallymq-http-'));
  const server = make(answerer);
  t.after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  await server.listen(join(folder, 'http'));
  return join(folder, 'http');
}

interface Answered {
  readonly status: number;
  readonly body: string;
}

/** In `pieces`: chunks of a body without a length. */
function send(
  socketPath: string,
  path: string,
  method: string,
  pieces: readonly string[],
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method, headers: { authorization: 'Bearer x' } }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on('error', reject);
    for (const piece of pieces.slice(0, -1)) sent.write(piece);
    sent.end(pieces.at(-1));
  });
}

async function echo(question: HttpQuestion): Promise<HttpAnswer> {
  const { method, path, query, authorization } = question;
  if (method === 'delete') return noContent();
  const body = path === '/ignored' ? '' : Buffer.from(await question.readBody()).toString();
  return bodyAnswer(200, 'text/plain', [method, path, query, authorization, body].join('|'));
}

/** More than sockets and pipes take at once, in pieces of all sizes. */
const streamed = Buffer.from(Array.from({ length: 400_000 }, (_, index) => `${index},`).join(''));

function streamOf(ended: () => void): StreamedBody {
  let client: AnswerStream | undefined;
  let at = 0;
  const writeMore = (): void => {
    while (client !== undefined && at < streamed.length) {
      const next = at + 1 + ((at * 7) % 50_000);
      const piece = streamed.subarray(at, next);
      at = next;
      if (!client.write(piece)) return;
    }
    client?.end();
  };
  return {
    opened(stream) {
      client = stream;
      writeMore();
    },
    writable: writeMore,
    closed() {
      client = undefined;
      ended();
    },
  };
}

for (const [name, make] of servers) {
  test(`${name}: a stream comes whole to a client that reads slowly, and its end is told once`, async (t) => {
    let ends = 0;
    const socketPath = await listening(t, make, () => ({
      status: '200 OK',
      headers: [],
      body: new Uint8Array(),
      stream: streamOf(() => {
        ends += 1;
      }),
    }));
    const chunks: Buffer[] = [];
    const response = await new Promise<IncomingMessage>((resolve) => {
      request({ socketPath, path: '/' }, resolve).end();
    });
    for await (const chunk of response) {
      chunks.push(chunk);
      await setImmediate();
    }
    assert.ok(Buffer.concat(chunks).equals(streamed));
    await until('the stream has ended', () => ends > 0);
    assert.equal(ends, 1);
  });

  test(`${name}: a stream ends when its client goes, and a HEAD opens none`, async (t) => {
    let opened = 0;
    let closed = 0;
    const socketPath = await listening(t, make, () => ({
      status: '200 OK',
      headers: [],
      body: new Uint8Array(),
      stream: {
        opened: (stream) => {
          opened += 1;
          stream.write(Buffer.from('x'));
        },
        writable() {},
        closed: () => {
          closed += 1;
        },
      },
    }));
    await send(socketPath, '/', 'HEAD', []);
    await until('the HEAD is over', () => closed === 1);
    assert.equal(opened, 0);
    const asked = request({ socketPath, path: '/' }, (response) => {
      response.once('data', () => asked.destroy());
      response.on('error', () => {});
    });
    asked.on('error', () => {});
    asked.end();
    await until('the client left', () => closed === 2);
    assert.equal(opened, 1);
  });

  test(`${name}: a stream that is ended is over at once, also for a client that does not read`, async (t) => {
    let closed = 0;
    const socketPath = await listening(t, make, ({ path }) => ({
      status: '200 OK',
      headers: [],
      body: new Uint8Array(),
      stream: {
        opened: (stream) => {
          stream.write(Buffer.from('x'));
          while (path === '/blocked' && stream.write(Buffer.alloc(10_000)));
          stream.end();
          closed *= 10;
          stream.write(Buffer.from('y'));
          stream.end();
        },
        writable() {},
        closed: () => {
          closed += 1;
        },
      },
    }));
    assert.equal((await send(socketPath, '/', 'GET', [])).body, 'x');
    assert.equal(closed, 10);
    const client = connect(socketPath);
    client.write('GET /blocked HTTP/1.1\r\nhost: x\r\n\r\n');
    await until('the stream is opened', () => closed !== 10);
    assert.equal(closed, 110);
    client.resume();
    await once(client, 'close');
    assert.equal(closed, 110);
  });

  test(`${name}: a question has its query, its headers and its body`, async (t) => {
    const socket = await listening(t, make, echo);
    assert.deepEqual(await send(socket, '/a?b=c', 'POST', ['one ', 'two ', 'three']), {
      status: 200,
      body: 'post|/a|b=c|Bearer x|one two three',
    });
    const long = 'x'.repeat(900_000);
    assert.equal((await send(socket, '/', 'PUT', [long])).body, `put|/||Bearer x|${long}`);
    assert.equal((await send(socket, '/', 'POST', [''])).body, 'post|/||Bearer x|');
    assert.equal((await send(socket, '/ignored', 'POST', ['some'])).body, 'post|/ignored||Bearer x|');
    assert.deepEqual(await send(socket, '/', 'DELETE', ['']), { status: 204, body: '' });
    assert.equal((await send(socket, '/', 'POST', ['next'])).body, 'post|/||Bearer x|next');
  });

  test(`${name}: a client that goes away in the middle of its body leaves nothing behind`, async (t) => {
    let isGone = false;
    let isAsked = false;
    const socket = await listening(t, make, async (question) => {
      isAsked = true;
      await question.readBody().catch(() => {
        isGone = true;
      });
      return noContent();
    });
    const client = connect(socket);
    client.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf');
    await until('it is asked', () => isAsked);
    client.destroy();
    await until('the body is given up', () => isGone);
  });

  test(`${name}: an answer is over once, however it ends`, async (t) => {
    let over = 0;
    const body = Buffer.alloc(600_000, 'x');
    const socket = await listening(t, make, async () => ({
      ...bodyAnswer(200, 'text/plain', ''),
      body,
      onOver: () => {
        over++;
      },
    }));
    assert.equal((await send(socket, '/', 'GET', [''])).body.length, body.length);
    await until('the answer is taken', () => over === 1);
    const client = connect(socket);
    client.pause();
    client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    client.once('readable', () => client.destroy());
    await until('the client left', () => over === 2);
  });
}
