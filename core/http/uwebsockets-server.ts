/** HTTP by uWebSockets: the only file that imports it. */
import type uWebSockets from 'uWebSockets.js';
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { messageOf } from '../system-reason.ts';
import type { AnswerStream, HttpAnswer, HttpQuestion, StreamedBody } from './answer.ts';
import { forwardedClientHeader, forwardedClientOf } from './forwarded-client.ts';
import type { Answerer, HttpServer } from './http-server.ts';

type Uwebsockets = typeof uWebSockets;

/** Its binaries support only some versions of Node.js and glibc. A text: why none loads here. */
export async function loadUwebsockets(): Promise<Uwebsockets | string> {
  try {
    return (await import('uWebSockets.js')).default;
  } catch (cause) {
    const message = messageOf(cause);
    return message.split('\n\n').at(-1)?.split('\n')[0] ?? message; // the error that follows its own sentence
  }
}

export class UwebsocketsServer implements HttpServer {
  readonly name = 'uWebSockets.js';
  readonly #app: TemplatedApp;
  readonly #answerer: Answerer;

  constructor(loaded: Uwebsockets, answerer: Answerer) {
    this.#app = loaded.App();
    this.#answerer = answerer;
    this.#app.any('/*', (response, request) => this.#onRequest(response, request));
  }

  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#app.listen_unix((listenSocket) => {
        if (listenSocket) resolve();
        else reject(new Error(`uWebSockets.js cannot listen on ${path}`));
      }, path);
    });
  }

  close(): void {
    this.#app.close();
  }

  #onRequest(response: HttpResponse, request: HttpRequest): void {
    const exchange = new Exchange(response);
    const question = questionOf(request, exchange);
    const answer = this.#answerer(question);
    if (answer instanceof Promise) void sendLater(exchange, question, answer);
    else send(exchange, question, answer);
  }
}

/** A response, and whether its client has disconnected. A response that has ended must not have an abort handler. */
class Exchange {
  readonly response: HttpResponse;
  isAborted = false;
  /** Of the answer, once there is one. */
  onOver: (() => void) | undefined;
  #isListening = false;
  #rejectBody: ((error: Error) => void) | undefined;

  constructor(response: HttpResponse) {
    this.response = response;
  }

  /** From now on the response is told when the client disconnects. */
  listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.response.onAborted(() => {
      this.isAborted = true;
      this.#rejectBody?.(new Error('the client left before its request was complete'));
      this.onOver?.();
    });
  }

  /** Must be called in the same turn as the request. The server reuses the bytes of a chunk when its handler returns. */
  readBody(): Promise<Uint8Array> {
    const chunks: Buffer[] = [];
    this.listen();
    return new Promise((resolve, reject) => {
      this.#rejectBody = reject;
      this.response.onData((chunk, isLast) => {
        chunks.push(Buffer.from(new Uint8Array(chunk))); // a copy, in Node's pool if it is short
        if (isLast) resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
      });
    });
  }
}

function questionOf(request: HttpRequest, exchange: Exchange): HttpQuestion {
  return {
    method: request.getMethod(),
    path: request.getUrl(),
    query: request.getQuery() ?? '',
    host: request.getHeader('host'),
    acceptEncoding: request.getHeader('accept-encoding'),
    ifNoneMatch: request.getHeader('if-none-match'),
    accept: request.getHeader('accept'),
    authorization: request.getHeader('authorization'),
    idempotencyKey: request.getHeader('idempotency-key'),
    origin: request.getHeader('origin'),
    lastEventId: request.getHeader('last-event-id'),
    contentLength: Number(request.getHeader('content-length')),
    readBody: () => exchange.readBody(),
    ...forwardedClientOf(request.getHeader(forwardedClientHeader)),
  };
}

/** For an answer that takes time: the client may disconnect in between. */
async function sendLater(
  exchange: Exchange,
  question: HttpQuestion,
  pending: Promise<HttpAnswer>,
): Promise<void> {
  exchange.listen();
  const answer = await pending;
  if (exchange.isAborted) {
    answer.onOver?.();
    answer.stream?.closed();
  } else send(exchange, question, answer);
}

function send(
  exchange: Exchange,
  { method }: HttpQuestion,
  { status, headers, body, onOver, stream }: HttpAnswer,
): void {
  const { response } = exchange;
  if (stream !== undefined && method !== 'head') {
    response.cork(() => {
      response.writeStatus(status);
      for (const [name, value] of headers) response.writeHeader(name, value);
    });
    onOver?.();
    stream.opened(new OpenStream(exchange, stream));
    return;
  }
  response.cork(() => {
    response.writeStatus(status);
    for (const [name, value] of headers) response.writeHeader(name, value);
    if (method === 'head' || status.startsWith('304') || status.startsWith('204')) {
      if (method === 'head') response.writeHeader('content-length', `${body.length}`);
      stream?.closed();
      response.endWithoutBody(); // given a length, uWebSockets for Node.js 20 considers it unanswered, and aborts
      onOver?.();
      return;
    }
    // Not `end`, which would buffer what the socket does not accept at once.
    const [, hasEnded] = response.tryEnd(body, body.length);
    if (hasEnded) {
      onOver?.();
      return;
    }
    exchange.onOver = onOver;
    exchange.listen();
    response.onWritable((offset) => {
      const [isTaken, isOver] = response.tryEnd(body.subarray(offset), body.length);
      if (isOver) onOver?.();
      return isTaken;
    });
  });
}

/** Several writes in one cork, or large ones, reach slow readers damaged: so each write is small, and alone. */
const chunkBytesMax = 14_336;

/** A streamed body. uWebSockets buffers what the socket does not accept, so it gets nothing more until that is sent. */
class OpenStream implements AnswerStream {
  readonly #exchange: Exchange;
  readonly #body: StreamedBody;
  #unsent: Uint8Array[] = [];
  #isBlocked = false;
  #isOver = false;

  constructor(exchange: Exchange, body: StreamedBody) {
    this.#exchange = exchange;
    this.#body = body;
    exchange.onOver = () => this.#close();
    exchange.listen();
    exchange.response.onWritable(() => {
      this.#isBlocked = false;
      if (this.#flush()) body.writable();
      return true;
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isOver) return false;
    for (let at = 0; at < bytes.length; at += chunkBytesMax)
      this.#unsent.push(bytes.subarray(at, at + chunkBytesMax));
    return this.#flush();
  }

  end(): void {
    if (this.#isOver) return;
    const { response } = this.#exchange;
    const isIdle = !this.#isBlocked;
    this.#close();
    if (isIdle) response.cork(() => response.end());
    else response.close(); // a graceful end would wait for a client that does not read
  }

  #flush(): boolean {
    const { response } = this.#exchange;
    let count = 0;
    while (!this.#isBlocked && count < this.#unsent.length) {
      const chunk = this.#unsent[count++] ?? new Uint8Array();
      response.cork(() => {
        this.#isBlocked = !response.write(chunk);
      });
    }
    if (count > 0) this.#unsent = this.#unsent.slice(count);
    return !this.#isBlocked;
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unsent = [];
    this.#body.closed();
  }
}
