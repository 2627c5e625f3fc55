/** An HTTP back end that receives JSON requests, like authUrl and authorizeUrl. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.ts';

export type AnswerQuestion = (
  question: Record<string, unknown>,
  response: ServerResponse,
  request: IncomingMessage,
) => void;

/** Returns its address; it is closed when the test ends. */
export async function startBackEnd(test: TestContext, answer: AnswerQuestion): Promise<string> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    answer(JSON.parse(Buffer.concat(parts).toString()), response, request);
  });
  atEnd(test, () => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}`;
}
