/** HTTP by uWebSockets: the only file that imports it. */
import type uWebSockets from 'uWebSockets.js';
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import type { HttpAnswer, HttpQuestion } from './answer.ts';
import { forwardedClientHeader, forwardedClientOf } from './forwarded-client.ts';
import type { Answerer, HttpServer } from './http-server.ts';

type Uwebsockets = typeof uWebSockets;

/** Its binaries are for some versions of Node.js and of glibc only. A text: why there is none for this one. */
export async function loadUwebsockets(): Promise<Uwebsockets | string> {
  try {
    return (await import('uWebSockets.js')).default;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    return message.split('\n\n').at(-1)?.split('\n')[0] ?? message; // behind what it supports, what failed
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
    const question = questionOf(request);
    const answer = this.#answerer(question);
    if (answer instanceof Promise) void sendLater(response, question, answer);
    else send(response, question, answer, false);
  }
}

function questionOf(request: HttpRequest): HttpQuestion {
  return {
    method: request.getMethod(),
    path: request.getUrl(),
    host: request.getHeader('host'),
    acceptEncoding: request.getHeader('accept-encoding'),
    ifNoneMatch: request.getHeader('if-none-match'),
    ...forwardedClientOf(request.getHeader(forwardedClientHeader)),
  };
}

/** An answer that takes a moment: until it is there, the client may have gone. */
async function sendLater(
  response: HttpResponse,
  question: HttpQuestion,
  pending: Promise<HttpAnswer>,
): Promise<void> {
  let isAborted = false;
  let onOver: (() => void) | undefined;
  response.onAborted(() => {
    isAborted = true;
    onOver?.();
  });
  const answer = await pending;
  ({ onOver } = answer);
  if (isAborted) onOver?.();
  else send(response, question, answer, true);
}

/** `hearsAborts`: whether the response has a handler for it. A response that has ended must have none. */
function send(
  response: HttpResponse,
  { method }: HttpQuestion,
  { status, headers, body, onOver }: HttpAnswer,
  hearsAborts: boolean,
): void {
  response.cork(() => {
    response.writeStatus(status);
    for (const [name, value] of headers) response.writeHeader(name, value);
    if (method === 'head' || status.startsWith('304')) {
      if (method === 'head') response.writeHeader('content-length', `${body.length}`);
      response.endWithoutBody(); // with a length, uWebSockets for Node.js 20 takes it for no answer, and aborts
      onOver?.();
      return;
    }
    // Not `end`, which would buffer what the socket does not take at once.
    const [, hasEnded] = response.tryEnd(body, body.length);
    if (hasEnded) {
      onOver?.();
      return;
    }
    if (!hearsAborts) response.onAborted(() => onOver?.());
    response.onWritable((offset) => {
      const [isTaken, isOver] = response.tryEnd(body.subarray(offset), body.length);
      if (isOver) onOver?.();
      return isTaken;
    });
  });
}
