/**
 * HTTP of one worker, and the handshakes of its WebSockets, by uWebSockets: the only file that imports it.
 * Every worker listens on the same port (SO_REUSEPORT) and the kernel spreads the connections. With the
 * handshake a connection goes over to the data plane, which speaks WebSocket itself: uWebSockets.js would
 * call JavaScript for every message.
 */
import uWebSockets, { type HttpRequest, type HttpResponse, type us_listen_socket } from 'uWebSockets.js';
import { BrokerError } from '../broker-error.ts';
import type { BrokerConfig } from '../config/options.ts';
import { isLoopback } from '../config/resolve.ts';
import type { Engine } from '../data-plane/addon.ts';
import { type ListeningPorts, statusPage } from '../http/status-page.ts';
import { switchingProtocols } from './handshake.ts';
import { isAllowedOrigin, type OriginRules } from './origin.ts';
import { chooseSubprotocol } from './subprotocol.ts';

export class WebSocketListener {
  readonly #app = uWebSockets.App();
  readonly #engine: Engine;
  readonly #originRules: OriginRules;
  readonly #onOriginRefused: (origin: string) => void;
  #ports: ListeningPorts;
  #listenSocket: us_listen_socket | undefined;

  /** `onOriginRefused` is told which page may not connect. */
  constructor(
    config: BrokerConfig,
    version: string,
    engine: Engine,
    onOriginRefused: (origin: string) => void,
  ) {
    this.#engine = engine;
    this.#originRules = { allowedOrigins: config.allowedOrigins, isLocal: isLoopback(config.host) };
    this.#onOriginRefused = onOriginRefused;
    this.#ports = config;
    this.#app.ws(config.path, { upgrade: (response, request) => this.#open(response, request) });
    this.#app.get('/', (response) => {
      answer(response, '200 OK', 'text/html; charset=utf-8', statusPage(config, this.#ports, version));
    });
    this.#app.get('/healthz', (response) => {
      answer(response, '200 OK', 'application/json', '{"status":"ok"}\n');
    });
    this.#app.any('/*', (response) =>
      answer(response, '404 Not Found', 'text/plain', 'There is nothing here.\n'),
    );
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
    this.#ports = ports;
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
      answer(response, '426 Upgrade Required', 'text/plain', hint, [
        'sec-websocket-version',
        webSocketVersion,
      ]);
      return;
    }
    const origin = request.getHeader('origin');
    if (!isAllowedOrigin(origin, request.getHeader('host'), this.#originRules)) {
      const hint = `Pages of the origin ${origin.slice(0, originShownMax)} may not connect: see allowedOrigins.\n`;
      answer(response, '403 Forbidden', 'text/plain', hint);
      this.#onOriginRefused(origin.slice(0, originShownMax));
      return;
    }
    const subprotocol = chooseSubprotocol(offersOf(request));
    if (subprotocol === undefined) {
      const hint = 'This is an MQTT endpoint: offer the WebSocket sub-protocol "mqtt".\n';
      answer(response, '400 Bad Request', 'text/plain', hint); // [MQTT-6.0.0-3]
      return;
    }
    const accepted = switchingProtocols(request.getHeader('sec-websocket-key'), subprotocol);
    if (this.#engine.openWebSocket(response, this.#ports.port, accepted)) response.close();
    else
      answer(response, '500 Internal Server Error', 'text/plain', 'This connection cannot be a WebSocket.\n');
  }
}

const webSocketVersion = '13';

/** Of an origin that is refused, what is said about it, in characters: no more than a host name can have. */
const originShownMax = 300;

/** All sub-protocols that the client offers: the header may come in several lines (RFC 6455, 11.3.4). */
function offersOf(request: HttpRequest): string {
  const lines: string[] = [];
  request.forEach((name, value) => {
    if (name === 'sec-websocket-protocol') lines.push(value);
  });
  return lines.join(',');
}

function answer(
  response: HttpResponse,
  status: string,
  contentType: string,
  body: string,
  header?: [name: string, value: string],
): void {
  response.cork(() => {
    response.writeStatus(status);
    if (header !== undefined) response.writeHeader(...header);
    response
      .writeHeader('content-type', contentType)
      .writeHeader('x-content-type-options', 'nosniff')
      .writeHeader('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .writeHeader('cache-control', 'no-store')
      .end(body);
  });
}
