/**
 * WebSocket and HTTP of one worker, by uWebSockets: the only file that imports it. Every worker listens on
 * the same port (SO_REUSEPORT) and the kernel spreads the connections.
 */
import uWebSockets, {
  type HttpRequest,
  type HttpResponse,
  type us_listen_socket,
  type us_socket_context_t,
  type WebSocket,
} from 'uWebSockets.js';
import { BrokerError } from '../broker-error.ts';
import type { BrokerConfig } from '../config/options.ts';
import { type ListeningPorts, statusPage } from '../http/status-page.ts';
import { chooseSubprotocol } from './subprotocol.ts';
import type { OutgoingSocket, SocketOwner } from './worker-control.ts';

/** uWebSockets keeps these on the socket itself. */
interface SocketData {
  slot: number;
}

class WebSocketClient implements OutgoingSocket {
  readonly #socket: WebSocket<SocketData>;

  constructor(socket: WebSocket<SocketData>) {
    this.#socket = socket;
  }

  send(bytes: Uint8Array): number {
    return this.#socket.send(bytes, true) === sendStatusTaken ? 0 : this.#socket.getBufferedAmount();
  }

  end(): void {
    this.#socket.end(1000);
  }

  abort(): void {
    this.#socket.close();
  }
}

/** What uWebSockets' send() gives when the kernel took all of it. */
const sendStatusTaken = 1;

/** The frame of a WebSocket that carries something other than binary data [MQTT-6.0.0-1]. */
const unsupportedData = 1003;

/**
 * Seconds of silence after which uWebSockets closes a connection, give or take its 4 s steps; it pings
 * before that, after about 32 s: well below the 60 s at which common proxies drop a silent connection.
 */
const idleTimeoutSeconds = 45;

export class WebSocketListener {
  readonly #app = uWebSockets.App();
  #ports: ListeningPorts;
  #listenSocket: us_listen_socket | undefined;

  constructor(config: BrokerConfig, version: string, owner: SocketOwner) {
    this.#ports = config;
    this.#app.ws<SocketData>(config.path, {
      // A message may hold many packets, or a part of one; this is what the data plane can hold back.
      maxPayloadLength: config.limits.maximumPacketSizeBytes + config.limits.inputBufferBytesMax,
      maxBackpressure: 0, // none: the data plane holds back what the socket does not take
      idleTimeout: idleTimeoutSeconds,
      sendPingsAutomatically: true,
      upgrade,
      open: (socket) => {
        socket.getUserData().slot = owner.opened(new WebSocketClient(socket), remoteAddress(socket));
      },
      message: (socket, message, isBinary) => {
        if (isBinary) owner.received((socket as unknown as SocketData).slot, message);
        else socket.end(unsupportedData);
      },
      drain: (socket) => {
        if (socket.getBufferedAmount() === 0) owner.drained(socket.getUserData().slot);
      },
      close: (socket) => owner.closed(socket.getUserData().slot),
    });
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

  /** Closes the listener and all sockets. */
  close(): void {
    this.#app.close();
    this.#listenSocket = undefined;
  }
}

function upgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
  const subprotocol = chooseSubprotocol(offersOf(request));
  if (subprotocol === undefined) {
    const hint = 'This is an MQTT endpoint: offer the WebSocket sub-protocol "mqtt".\n';
    answer(response, '400 Bad Request', 'text/plain', hint); // [MQTT-6.0.0-3]
    return;
  }
  response.upgrade<SocketData>(
    { slot: 0 },
    request.getHeader('sec-websocket-key'),
    subprotocol,
    request.getHeader('sec-websocket-extensions'),
    context,
  );
}

/** All sub-protocols that the client offers: the header may come in several lines (RFC 6455, 11.3.4). */
function offersOf(request: HttpRequest): string {
  const lines: string[] = [];
  request.forEach((name, value) => {
    if (name === 'sec-websocket-protocol') lines.push(value);
  });
  return lines.join(',');
}

function answer(response: HttpResponse, status: string, contentType: string, body: string): void {
  response.cork(() => {
    response
      .writeStatus(status)
      .writeHeader('content-type', contentType)
      .writeHeader('x-content-type-options', 'nosniff')
      .writeHeader('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .writeHeader('cache-control', 'no-store')
      .end(body);
  });
}

function remoteAddress(socket: WebSocket<SocketData>): string {
  return Buffer.from(socket.getRemoteAddressAsText()).toString('latin1');
}
