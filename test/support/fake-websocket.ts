/** A WebSocket without a network: the test acts as the broker, and writes and reads its bytes in hex. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Rally, type RallyOptions, type WebSocketLike } from '../../client/rally.ts';
import { FrameReader } from '../../core/wire/frame-reader.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { bytes, hex } from '../unit/wire/frames.ts';
import { toHex } from './frames.ts';
import { until } from './wait.ts';

export class FakeWebSocket implements WebSocketLike {
  binaryType = '';
  bufferedAmount = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly url: string;
  readonly subprotocol: string;
  /** The frames sent by the client that `expect` has not taken. */
  readonly sent: string[] = [];
  /** The number of frames in each WebSocket message of the client. */
  readonly frameCounts: number[] = [];
  isClosed = false;

  constructor(url: string, subprotocol: string) {
    this.url = url;
    this.subprotocol = subprotocol;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    assert.ok(!this.isClosed, 'sent on a closed WebSocket');
    const reader = new FrameReader(5);
    reader.push(data.slice());
    const frames: string[] = [];
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      assert.ok(!isProtocolError(frame), 'no frame');
      frames.push(toHex(frame));
    }
    this.sent.push(...frames);
    this.frameCounts.push(frames.length);
  }

  close(): void {
    this.isClosed = true;
  }

  /** The broker sends `content`, in one message. */
  receive(content: string): void {
    this.onmessage?.({ data: bytes(content).slice().buffer });
  }

  /** The network breaks. */
  cut(): void {
    this.isClosed = true;
    this.onclose?.();
  }

  /** The next frame that the client sends is `content`. */
  async expect(content: string): Promise<void> {
    await until(`the client sends ${content}`, () => this.sent.length > 0);
    assert.equal(this.sent.shift(), hex(bytes(content)));
  }

  /** The client sends nothing more in this turn. */
  async expectNothing(why?: string): Promise<void> {
    await turn();
    assert.deepEqual(this.sent, [], why);
  }
}

// Nothing leaves the test: the client's request for the reason of a failed WebSocket gets no answer.
globalThis.fetch = () => Promise.reject(new TypeError('no network'));

let isOver = false;
after(() => {
  isOver = true;
});

/** The WebSockets opened by a client, in order. A failed test leaves none behind that retries forever. */
export class FakeNetwork {
  readonly sockets: FakeWebSocket[] = [];
  readonly WebSocket: new (
    url: string,
    subprotocol: string,
  ) => FakeWebSocket;

  constructor() {
    const { sockets } = this;
    this.WebSocket = class extends FakeWebSocket {
      constructor(url: string, subprotocol: string) {
        assert.ok(!isOver, 'the tests are over');
        super(url, subprotocol);
        sockets.push(this);
      }
    };
  }

  /** WebSocket number `index`, from 0, opened, after its CONNECT. */
  async opened(index = 0): Promise<FakeWebSocket> {
    await until(`the client opens WebSocket ${index}`, () => this.sockets.length > index);
    const socket = this.sockets[index];
    assert.ok(socket);
    socket.onopen?.();
    assert.match(socket.sent.shift() ?? '', /^10/, 'CONNECT comes first');
    return socket;
  }

  /** Like `opened`, accepted with CONNACK. */
  async accepted(index = 0, connack = '20 03 00 00 00'): Promise<FakeWebSocket> {
    const socket = await this.opened(index);
    socket.receive(connack);
    return socket;
  }
}

/** A client that uses these WebSockets, and reconnects at once. */
export function startOnFake(options: RallyOptions = {}): { network: FakeNetwork; rally: Rally } {
  const network = new FakeNetwork();
  const { WebSocket } = network;
  const rally = new Rally('ws://broker.example/', {
    WebSocket,
    reconnect: { minMs: 1, maxMs: 2 },
    ...options,
  });
  return { network, rally };
}
