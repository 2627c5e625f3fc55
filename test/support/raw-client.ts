/**
 * An MQTT client on raw bytes, over TCP or WebSocket. It sends exactly the given bytes in the given pieces, answers
 * nothing by itself (except the WebSocket close handshake), and keeps everything received.
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { decodeConnack } from '../../core/wire/decode-connack.ts';
import { FrameReader } from '../../core/wire/frame-reader.ts';
import type { ConnackPacket, ConnectPacket, ProtocolVersion } from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { atEnd, type Ends } from './at-end.ts';
import { connectFrame, pingreqFrame, toHex } from './frames.ts';
import { openSocket, socketConnected } from './secure.ts';
import { deadlineMsDefault, until, within } from './wait.ts';
import {
  assertUpgraded,
  encodeFrame,
  type HandshakeOptions,
  handshake,
  opcode,
  ServerFrames,
} from './websocket-link.ts';

export type TransportName = 'tcp' | 'ws';
export const transports = ['tcp', 'ws'] as const;

/** One MQTT packet as received. */
export interface ReceivedPacket {
  readonly header: number;
  readonly type: number;
  readonly body: Uint8Array;
}

/** How a connection ended. */
export interface Closing {
  /** Of the WebSocket close frame; undefined over TCP, or without one. */
  readonly code: number | undefined;
  /** When it was observed, in the time of performance.now(). */
  readonly atMs: number;
}

/** The address that a client connects to. */
export interface Ports {
  /** Default '127.0.0.1'. */
  readonly host?: string;
  readonly port: number;
  readonly tcpPort: number;
  /** Of the WebSocket. Default '/mqtt'. */
  readonly path?: string;
}

export class RawClient {
  readonly transport: TransportName;
  /** Packets not yet taken with nextPacket(). */
  readonly packets: ReceivedPacket[] = [];
  /** Of WebSocket: the payload lengths of the binary messages from the broker. */
  readonly messageBytes: number[] = [];
  /** Of WebSocket: the payloads of the Pong frames from the broker, as hexadecimal digits. */
  readonly pongs: string[] = [];
  /** All packets ever received. */
  packetCount = 0;
  readonly #socket: Socket;
  readonly #serverFrames: ServerFrames | undefined;
  // Version 5 forbids lengths with more bytes than needed, so the hex of a packet is exactly the bytes received.
  readonly #reader = new FrameReader(5);
  #waiting: (() => void)[] = [];
  #closing: Closing | undefined;
  #code: number | undefined;
  #fault: unknown;
  #onPacket: ((packet: ReceivedPacket) => void) | undefined;

  private constructor(socket: Socket, transport: TransportName, rest: Buffer) {
    this.#socket = socket;
    this.transport = transport;
    this.#serverFrames = transport === 'ws' ? new ServerFrames() : undefined;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      this.#closing = { code: this.#code, atMs: performance.now() };
      this.#wake();
    });
    if (rest.length > 0) this.#receive(rest);
    socket.resume();
  }

  static async overTcp(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = openSocket({ host, port, noDelay: true });
    await socketConnected(socket);
    return new RawClient(socket, 'tcp', Buffer.alloc(0));
  }

  static async overWebSocket(port: number, options: HandshakeOptions = {}): Promise<RawClient> {
    const answer = await handshake(port, options);
    assertUpgraded(answer, 'mqtt');
    return new RawClient(answer.socket, 'ws', answer.rest);
  }

  static open(
    transport: TransportName,
    { host = '127.0.0.1', port, tcpPort, path = '/mqtt' }: Ports,
  ): Promise<RawClient> {
    if (transport === 'tcp') return RawClient.overTcp(tcpPort, host);
    return RawClient.overWebSocket(port, { host, path });
  }

  /** Sends the bytes in one piece: one TCP write, or one WebSocket message. */
  send(...parts: Uint8Array[]): void {
    const bytes = Buffer.concat(parts);
    this.#socket.write(this.transport === 'ws' ? encodeFrame(opcode.binary, bytes) : bytes);
  }

  /** Writes bytes unchanged to the TCP connection, below WebSocket. */
  sendRaw(...parts: Uint8Array[]): void {
    this.#socket.write(Buffer.concat(parts));
  }

  /** Resolves when the kernel has accepted everything sent, or the connection is over. */
  async flushed(): Promise<void> {
    if (this.#closing !== undefined || this.#socket.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.write('', () => resolve());
    });
  }

  /** Bytes sent but not yet accepted by the kernel. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Calls back with each packet from now on, instead of keeping it. */
  onPacket(callback: (packet: ReceivedPacket) => void): void {
    this.#onPacket = callback;
    for (const packet of this.packets.splice(0)) callback(packet);
  }

  /** The next packet. Fails after the deadline, or if the connection ends first. */
  async nextPacket(deadlineMs: number = deadlineMsDefault): Promise<ReceivedPacket> {
    await this.#until('a packet', () => this.packets.length > 0, deadlineMs);
    return this.packets.shift() ?? assert.fail(`closed (code ${this.#code}) without a packet`);
  }

  /** The next packet as hexadecimal digits. */
  async nextHex(deadlineMs?: number): Promise<string> {
    return toHex(await this.nextPacket(deadlineMs));
  }

  /** A PINGREQ is answered, and nothing comes before the answer. */
  async assertAlive(): Promise<void> {
    this.send(pingreqFrame);
    assert.equal(await this.nextHex(), 'd000');
  }

  async nextHexes(count: number, deadlineMs?: number): Promise<string[]> {
    const hexes: string[] = [];
    while (hexes.length < count) hexes.push(await this.nextHex(deadlineMs));
    return hexes;
  }

  /** Waits for the end of the connection. */
  async closed(deadlineMs: number = deadlineMsDefault): Promise<Closing> {
    await this.#until('the end of the connection', () => false, deadlineMs);
    return this.#closing ?? assert.fail('not closed');
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Stops reading, so that the broker's socket fills up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the sending side: FIN over TCP, a close frame over WebSocket. */
  end(): void {
    if (this.transport === 'ws') this.#socket.write(encodeFrame(opcode.close, Uint8Array.of(0x03, 0xe8)));
    else this.#socket.end();
  }

  /** Ends the connection abruptly. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends the connection with a reset, as a client does that has not read everything. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #receive(chunk: Buffer): void {
    try {
      if (this.#serverFrames === undefined) this.#receiveStream(chunk);
      else for (const frame of this.#serverFrames.push(chunk)) this.#receiveFrame(frame.code, frame.payload);
    } catch (error) {
      this.#fault = error;
      this.#socket.destroy();
    }
    this.#wake();
  }

  #receiveFrame(code: number, payload: Buffer): void {
    if (code === opcode.binary) {
      this.messageBytes.push(payload.length);
      this.#receiveStream(payload);
    } else if (code === opcode.close) {
      this.#code = payload.length >= 2 ? payload.readUInt16BE(0) : undefined;
      if (!this.#socket.writableEnded) this.#socket.end(encodeFrame(opcode.close, payload.subarray(0, 2)));
    } else if (code === opcode.ping) {
      this.#socket.write(encodeFrame(opcode.pong, payload));
    } else if (code === opcode.pong) {
      this.pongs.push(payload.toString('hex'));
    } else {
      assert.fail(`a WebSocket frame of type ${code} from the broker`);
    }
  }

  #receiveStream(bytes: Buffer): void {
    this.#reader.push(bytes);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      if (isProtocolError(frame)) assert.fail(`the broker sent what is not MQTT: ${frame.why}`);
      const packet = { header: frame.header, type: frame.header >> 4, body: frame.body };
      this.packetCount++;
      if (this.#onPacket === undefined) this.packets.push(packet);
      else this.#onPacket(packet);
    }
  }

  async #until(what: string, condition: () => boolean, deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    while (!condition() && this.#closing === undefined) {
      const woken = new Promise<void>((resolve) => this.#waiting.push(resolve));
      await within(`${what} over ${this.transport}`, woken, Math.max(0, endMs - performance.now()));
    }
    if (this.#fault !== undefined) throw this.#fault;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export interface ConnectedClient {
  readonly client: RawClient;
  readonly connack: ConnackPacket;
}

/** A client after its CONNACK, whatever its reason code; destroyed when the test ends. */
export async function openConnected(
  test: Ends,
  transport: TransportName,
  ports: Ports,
  connectPacket: Partial<ConnectPacket> = {},
): Promise<ConnectedClient> {
  const client = await RawClient.open(transport, ports);
  atEnd(test, () => client.destroy());
  client.send(connectFrame(connectPacket));
  const { header, body } = await client.nextPacket();
  const version: ProtocolVersion = connectPacket.protocolVersion ?? 5;
  const connack = decodeConnack(header, body, version);
  assert.ok(!isProtocolError(connack), `not a CONNACK: ${header.toString(16)}`);
  return { client, connack };
}

/** A client whose CONNECT was accepted; destroyed when the test ends. */
export async function openClient(
  test: Ends,
  transport: TransportName,
  ports: Ports,
  connectPacket: Partial<ConnectPacket> = {},
): Promise<RawClient> {
  const { client, connack } = await openConnected(test, transport, ports, connectPacket);
  assert.equal(connack.reasonCode, 0);
  return client;
}

/** Sends the bytes in pieces, each after the broker has received the previous one. */
export async function sendInPieces(
  client: RawClient,
  pieces: readonly Uint8Array[],
  bytesReceived: () => number,
): Promise<void> {
  for (const piece of pieces) {
    const expected = bytesReceived() + piece.length;
    client.send(piece);
    await until(`${expected} bytes at the broker`, () => bytesReceived() >= expected);
  }
}
