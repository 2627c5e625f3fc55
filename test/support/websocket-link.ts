/**
 * The client side of WebSocket by hand, over a TCP socket: the test decides the boundaries of messages, fragments
 * and TCP segments. It understands everything the broker sends and hides nothing.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { openSocket } from './secure.ts';
import { within } from './wait.ts';

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const fin = 0x80;
const masked = 0x80;

export interface HandshakeOptions {
  /** Default '127.0.0.1'. */
  readonly host?: string;
  readonly path?: string;
  /** The Sec-WebSocket-Protocol header; null for none. Default `mqtt`. */
  readonly subprotocols?: string | null;
  readonly headers?: readonly string[];
  /** Default 13. */
  readonly version?: string;
}

/** The server's answer to the handshake. */
export interface Handshake {
  readonly socket: Socket;
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** The bytes after the header. */
  readonly rest: Buffer;
  readonly key: string;
}

/** Requests the upgrade; returns any answer. */
export async function handshake(port: number, options: HandshakeOptions = {}): Promise<Handshake> {
  const { host = '127.0.0.1', path = '/mqtt', version = '13' } = options;
  const { subprotocols = 'mqtt', headers = [] } = options;
  const key = randomBytes(16).toString('base64');
  const socket = openSocket({ host, port, noDelay: true });
  const offer = subprotocols === null ? [] : [`Sec-WebSocket-Protocol: ${subprotocols}`];
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Version: ${version}`,
    `Sec-WebSocket-Key: ${key}`,
    ...offer,
    ...headers,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const answer = await within('the answer to the WebSocket handshake', readHeader(socket));
  return { socket, key, ...answer };
}

function readHeader(socket: Socket): Promise<Pick<Handshake, 'status' | 'headers' | 'rest'>> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      socket.pause();
      const [first = '', ...lines] = received.subarray(0, end).toString('latin1').split('\r\n');
      const headers = new Map<string, string>();
      for (const line of lines) {
        const colon = line.indexOf(':');
        const name = line.slice(0, colon).toLowerCase();
        const before = headers.get(name);
        const value = line.slice(colon + 1).trim();
        headers.set(name, before === undefined ? value : `${before}, ${value}`);
      }
      resolve({ status: Number(first.split(' ')[1]), headers, rest: received.subarray(end + 4) });
    };
    socket.on('data', onData);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before the answer to the handshake')));
  });
}

/** Fails unless the upgrade was granted as RFC 6455 requires, with exactly `subprotocol`. */
export function assertUpgraded({ status, headers, key }: Handshake, subprotocol: string): void {
  assert.equal(status, 101);
  const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  const accept = createHash('sha1')
    .update(key + guid)
    .digest('base64');
  assert.equal(headers.get('sec-websocket-accept'), accept);
  assert.equal(headers.get('sec-websocket-protocol'), subprotocol);
}

/** One masked frame, as sent by clients. */
export function encodeFrame(code: number, payload: Uint8Array, isFinal = true): Uint8Array<ArrayBuffer> {
  const size = payload.length;
  const lengthBytes = size < 126 ? 0 : size < 0x1_0000 ? 2 : 8;
  const bytes = Buffer.alloc(2 + lengthBytes + 4 + size);
  bytes[0] = (isFinal ? fin : 0) | code;
  bytes[1] = masked | (lengthBytes === 0 ? size : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) bytes.writeUInt16BE(size, 2);
  if (lengthBytes === 8) bytes.writeBigUInt64BE(BigInt(size), 2);
  const maskAt = 2 + lengthBytes;
  const mask = randomBytes(4);
  bytes.set(mask, maskAt);
  for (let index = 0; index < size; index++) {
    bytes[maskAt + 4 + index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0);
  }
  return new Uint8Array(bytes);
}

export interface ServerFrame {
  readonly code: number;
  readonly payload: Buffer;
}

/** Parses the bytes sent by the server. */
export class ServerFrames {
  #bytes: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): ServerFrame[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const frames: ServerFrame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): ServerFrame | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const [first = 0, second = 0] = bytes;
    assert.equal(second & masked, 0, 'a server does not mask');
    assert.equal(first & 0x70, 0, 'no extension was agreed upon');
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (bytes.length < 2 + lengthBytes) return undefined;
    const size =
      lengthBytes === 0
        ? short
        : lengthBytes === 2
          ? bytes.readUInt16BE(2)
          : Number(bytes.readBigUInt64BE(2));
    const start = 2 + lengthBytes;
    if (bytes.length < start + size) return undefined;
    this.#bytes = bytes.subarray(start + size);
    return { code: first & 0x0f, payload: bytes.subarray(start, start + size) };
  }
}
