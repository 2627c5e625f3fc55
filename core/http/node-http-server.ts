/** HTTP by Node.js itself, used if no binary of uWebSockets loads. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { HttpAnswer, HttpQuestion, StreamedBody } from './answer.ts';
import { forwardedClientHeader, forwardedClientOf } from './forwarded-client.ts';
import type { Answerer, HttpServer } from './http-server.ts';

/** Above httpHeadBytesMax, which the door enforces. */
const maxHeaderSize = 65_536;

export class NodeHttpServer implements HttpServer {
  readonly name = 'node:http';
  readonly #server: Server;
  readonly #answerer: Answerer;

  constructor(answerer: Answerer) {
    this.#answerer = answerer;
    // The door has time limits of its own.
    const options = { maxHeaderSize, keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 };
    this.#server = createServer(options, (request, response) => void this.#onRequest(request, response));
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const question = questionOf(request);
    const asked = this.#answerer(question);
    if (request.listenerCount('data') === 0) request.resume(); // the body is not read
    const answer = await asked;
    let isOver = false;
    const onOver = (): void => {
      if (isOver) return;
      isOver = true;
      answer.onOver?.();
      answer.stream?.closed();
    };
    if (response.destroyed) {
      onOver();
      return;
    }
    response.once('close', onOver);
    send(response, question, answer, onOver);
  }
}

function questionOf(request: IncomingMessage): HttpQuestion {
  const { method = '', url = '', headers } = request;
  const mark = url.indexOf('?');
  return {
    method: method.toLowerCase(),
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? '' : url.slice(mark + 1),
    host: headers.host ?? '',
    acceptEncoding: `${headers['accept-encoding'] ?? ''}`,
    ifNoneMatch: headers['if-none-match'] ?? '',
    accept: headers.accept ?? '',
    authorization: headers.authorization ?? '',
    idempotencyKey: `${headers['idempotency-key'] ?? ''}`,
    origin: headers.origin ?? '',
    lastEventId: `${headers['last-event-id'] ?? ''}`,
    contentLength: Number(headers['content-length'] ?? 0),
    readBody: () => bodyOf(request),
    ...forwardedClientOf(`${headers[forwardedClientHeader] ?? ''}`),
  };
}

function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('close', () => reject(new Error('the client left before its request was complete')));
  });
}

function send(
  response: ServerResponse,
  { method }: HttpQuestion,
  { status, headers, body, stream }: HttpAnswer,
  onOver: () => void,
): void {
  const space = status.indexOf(' ');
  for (const [name, value] of headers) response.setHeader(name, value);
  if (stream !== undefined && method !== 'head') {
    response.writeHead(Number(status.slice(0, space)), status.slice(space + 1));
    sendStream(response, stream, onOver);
    return;
  }
  if (!hasNoBody(status)) response.setHeader('content-length', body.length);
  response.writeHead(Number(status.slice(0, space)), status.slice(space + 1));
  response.end(method === 'head' ? undefined : body);
}

function sendStream(response: ServerResponse, stream: StreamedBody, onOver: () => void): void {
  response.flushHeaders();
  response.on('drain', () => {
    if (!response.writableEnded) stream.writable();
  });
  stream.opened({
    write: (bytes) => !response.writableEnded && response.write(bytes),
    end: () => {
      if (response.writableNeedDrain) response.destroy(); // a graceful end would wait for a client that does not read
      response.end();
      onOver();
    },
  });
}

function hasNoBody(status: string): boolean {
  return status.startsWith('304') || status.startsWith('204');
}
