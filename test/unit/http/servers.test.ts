/** Both HTTP servers on a socket of the file system, as the door speaks to them: bodies, queries and goodbyes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { HttpAnswer, HttpQuestion } from '../../../core/http/answer.ts';
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

for (const [name, make] of servers) {
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
    await until('the client has gone', () => over === 2);
  });
}
