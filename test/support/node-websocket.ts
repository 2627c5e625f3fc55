/** WebSockets for Node.js before version 22, which lacks them, with a way for tests to cut them. */
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import type { WebSocketLike } from '../../client/rally.ts';

export interface NodeWebSocket extends WebSocketLike {
  readonly readyState: number;
  /** Cuts the connection, without a closing handshake. */
  terminate(): void;
}

type NodeWebSocketConstructor = new (url: string, subprotocol: string) => NodeWebSocket;

const ws = createRequire(import.meta.url)('ws') as { WebSocket: NodeWebSocketConstructor };

export const { WebSocket } = ws;
const openState = 1;
const closedState = 3;

/** MQTT over TCP with the interface of a WebSocket, for `tcp://host:port`. */
export class TcpWebSocket implements NodeWebSocket {
  binaryType = '';
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly #socket: Socket;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on('connect', () => this.onopen?.());
    this.#socket.on('data', (chunk) => this.onmessage?.({ data: new Uint8Array(chunk).buffer }));
    this.#socket.on('close', () => this.onclose?.());
    this.#socket.on('error', () => this.onerror?.());
  }

  get bufferedAmount(): number {
    return this.#socket.writableLength;
  }

  get readyState(): number {
    return this.#socket.readyState === 'open' ? openState : closedState;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    this.#socket.write(data);
  }

  close(): void {
    this.#socket.end();
  }

  terminate(): void {
    this.#socket.destroy();
  }
}

/** A WebSocket constructor for one or more clients, whose connections the test can cut. */
export class CuttableNetwork {
  readonly #sockets: NodeWebSocket[] = [];
  readonly WebSocket: NodeWebSocketConstructor;

  constructor(Original: NodeWebSocketConstructor = WebSocket) {
    const sockets = this.#sockets;
    this.WebSocket = class extends Original {
      constructor(url: string, subprotocol: string) {
        super(url, subprotocol);
        sockets.push(this);
      }
    };
  }

  /** The open ones. */
  get open(): NodeWebSocket[] {
    return this.#sockets.filter(({ readyState }) => readyState === openState);
  }
}
