/**
 * HTTP of one worker, and the handshakes of its WebSockets, by uWebSockets: the only file that imports it.
 * Every worker listens on the same port (SO_REUSEPORT) and the kernel spreads the connections. With the
 * handshake a connection goes over to the data plane, which speaks WebSocket itself: uWebSockets.js would
 * call JavaScript for every message.
 */
import type { HttpRequest, HttpResponse, us_listen_socket } from 'uWebSockets.js';
import { BrokerError } from '../broker-error.ts';
import type { BrokerConfig } from '../config/options.ts';
import { isLoopback } from '../config/resolve.ts';
import type { Engine } from '../data-plane/addon.ts';
import { type Header, type HttpAnswer, type HttpQuestion, textAnswer } from '../http/answer.ts';
import type { ListeningPorts, Site } from '../http/site.ts';
import { switchingProtocols } from './handshake.ts';
import { isAllowedOrigin, type OriginRules } from './origin.ts';
import { chooseSubprotocol } from './subprotocol.ts';

// Its binaries are for some versions of Node.js and of glibc only.
const { default: uWebSockets } = await import('uWebSockets.js').catch((cause: Error) => {
  const reason = cause.message.split('\n\n').at(-1)?.split('\n')[0]; // behind what it supports, what failed
  const advice = 'run `npm ci` with Node.js 20, or take another release of it as the README says';
  throw new BrokerError('ADDON_MISSING', `uWebSockets.js cannot be loaded (${reason}): ${advice}.`, {
    cause,
  });
});

export class WebSocketListener {
  readonly #app = uWebSockets.App();
  readonly #engine: Engine;
  readonly #site: Site;
  readonly #originRules: OriginRules;
  readonly #onOriginRefused: (origin: string) => void;
  #listenSocket: us_listen_socket | undefined;

  /** WebSockets open at the path of `config`; everything else is the site's. `onOriginRefused`: which page may not. */
  constructor(config: BrokerConfig, site: Site, engine: Engine, onOriginRefused: (origin: string) => void) {
    this.#engine = engine;
    this.#site = site;
    this.#originRules = { allowedOrigins: config.allowedOrigins, isLocal: isLoopback(config.host) };
    this.#onOriginRefused = onOriginRefused;
    this.#app.ws(config.path, { upgrade: (response, request) => this.#open(response, request) });
    this.#app.any('/*', (response, request) => {
      const question = questionOf(request);
      const answer = site.answer(question);
      if (answer instanceof Promise) void sendLater(response, question, answer);
      else send(response, question, answer, false);
    });
  }

  /** `port` is not 0: uWebSockets shares a port between workers only if it is given. Errors: ADDRESS_IN_USE. */
  listen(host: string, port: number): void {
    this.#app.listen(host, port, (listenSocket) => {
      if (listenSocket !== false) this.#listenSocket = listenSocket;
    });
    if (this.#listenSocket === undefined) {
      throw new BrokerError('ADDRESS_IN_USE', `Cannot listen on ${host}:${port} for HTTP and WebSocket.`);
    }
  }

  /** The ports that clients can use, for the page that says so. */
  set ports(ports: ListeningPorts) {
    this.#site.ports = ports;
  }

  stopListening(): void {
    if (this.#listenSocket !== undefined) uWebSockets.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = undefined;
  }

  /** Closes the listener and what is still HTTP. */
  close(): void {
    this.#app.close();
    this.#listenSocket = undefined;
  }

  /** RFC 6455, 4.2. */
  #open(response: HttpResponse, request: HttpRequest): void {
    if (request.getHeader('sec-websocket-version') !== webSocketVersion) {
      const hint = `This server speaks version ${webSocketVersion} of WebSocket.\n`;
      refuse(response, request, '426 Upgrade Required', hint, ['sec-websocket-version', webSocketVersion]);
      return;
    }
    const origin = request.getHeader('origin');
    if (!isAllowedOrigin(origin, request.getHeader('host'), this.#originRules)) {
      const hint = `Pages of the origin ${origin.slice(0, originShownMax)} may not connect: see allowedOrigins.\n`;
      refuse(response, request, '403 Forbidden', hint);
      this.#onOriginRefused(origin.slice(0, originShownMax));
      return;
    }
    const subprotocol =
      chooseSubprotocol(request.getHeader('sec-websocket-protocol')) ?? chooseSubprotocol(offersOf(request));
    if (subprotocol === undefined) {
      const hint = 'This is an MQTT endpoint: offer the WebSocket sub-protocol "mqtt".\n';
      refuse(response, request, '400 Bad Request', hint); // [MQTT-6.0.0-3]
      return;
    }
    const accepted = switchingProtocols(request.getHeader('sec-websocket-key'), subprotocol);
    if (this.#engine.openWebSocket(response, this.#site.ports.port, accepted)) response.close();
    else refuse(response, request, '500 Internal Server Error', 'This connection cannot be a WebSocket.\n');
  }
}

const webSocketVersion = '13';

/** Of an origin that is refused, what is said about it, in characters: no more than a host name can have. */
const originShownMax = 300;

/**
 * All sub-protocols that the client offers: the header may come in several lines (RFC 6455, 11.3.4), of which
 * `getHeader` gives the first.
 */
function offersOf(request: HttpRequest): string {
  const lines: string[] = [];
  request.forEach((name, value) => {
    if (name === 'sec-websocket-protocol') lines.push(value);
  });
  return lines.join(',');
}

function questionOf(request: HttpRequest): HttpQuestion {
  const path = request.getUrl();
  // Method and path with the query, the version and two line ends; each header with ': ' and a line end.
  let headBytes = request.getMethod().length + path.length + (request.getQuery()?.length ?? -1) + 16;
  request.forEach((name, value) => {
    headBytes += name.length + value.length + 4;
  });
  return {
    method: request.getMethod(),
    path,
    host: request.getHeader('host'),
    acceptEncoding: request.getHeader('accept-encoding'),
    ifNoneMatch: request.getHeader('if-none-match'),
    headBytes,
  };
}

function refuse(
  response: HttpResponse,
  request: HttpRequest,
  status: string,
  text: string,
  ...headers: Header[]
): void {
  send(response, questionOf(request), textAnswer(status, text, ...headers), false);
}

/** An answer that takes a moment: until it is there, the client may have gone. */
async function sendLater(
  response: HttpResponse,
  question: HttpQuestion,
  pending: Promise<HttpAnswer>,
): Promise<void> {
  let isAborted = false;
  response.onAborted(() => {
    isAborted = true;
  });
  const answer = await pending;
  if (!isAborted) send(response, question, answer, true);
}

/** `hearsAborts`: whether the response has a handler for it. A response that has ended must have none. */
function send(
  response: HttpResponse,
  { method }: HttpQuestion,
  { status, headers, body }: HttpAnswer,
  hearsAborts: boolean,
): void {
  response.cork(() => {
    response.writeStatus(status);
    for (const [name, value] of headers) response.writeHeader(name, value);
    if (method === 'head' || status.startsWith('304')) {
      if (method === 'head') response.writeHeader('content-length', `${body.length}`);
      response.endWithoutBody(); // with a length, uWebSockets for Node.js 20 takes it for no answer, and aborts
      return;
    }
    // Not `end`, which would buffer what the socket does not take at once.
    const [, hasEnded] = response.tryEnd(body, body.length);
    if (hasEnded) return;
    if (!hearsAborts) response.onAborted(() => {});
    response.onWritable((offset) => response.tryEnd(body.subarray(offset), body.length)[0]);
  });
}
