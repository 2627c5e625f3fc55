/**
 * A raw MQTT connection of a soak, over TCP or WebSocket, made for many packets: what one turn brings about leaves
 * in one write. It sends what it is told and hands on what comes, packet by packet.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { FrameReader } from '../../../core/wire/frame-reader.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import type { Ports, TransportName } from '../../support/raw-client.ts';
import { encodeFrame, opcode, ServerFrames } from '../../support/websocket-link.ts';

export interface ConnectionEvents {
  onPacket(header: number, body: Uint8Array): void;
  /** `why`: what the broker sent that is not allowed, if anything. */
  onClosed(why: string | undefined): void;
}

/** How a client leaves without DISCONNECT: with a FIN behind what it sent, or with a reset. */
export type Death = 'fin' | 'reset';

export class Connection {
  readonly number: number;
  readonly transport: TransportName;
  isClosed = false;
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #frames: ServerFrames | undefined;
  // Version 5 is strict about lengths, which the broker is in all versions.
  readonly #reader = new FrameReader(5);
  #head = Buffer.alloc(0);
  #isUpgraded: boolean;
  #pending: Uint8Array[] = [];
  #isScheduled = false;
  #isAbandoned = false;
  #isFinishing = false;

  constructor(number: number, transport: TransportName, ports: Ports, events: ConnectionEvents) {
    const { host = '127.0.0.1' } = ports;
    this.number = number;
    this.transport = transport;
    this.#events = events;
    this.#frames = transport === 'ws' ? new ServerFrames() : undefined;
    this.#isUpgraded = transport === 'tcp';
    const port = transport === 'tcp' ? ports.tcpPort : ports.port;
    this.#socket = connect({ host, port, noDelay: true });
    if (transport === 'ws') this.#socket.write(upgradeRequest(host, ports));
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', () => {}); // 'close' follows
    this.#socket.on('close', () => this.#closed(undefined));
  }

  /** Bytes that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  send(packet: Uint8Array): void {
    this.#pending.push(packet);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }

  /** Writes at once what was sent. Over WebSocket it waits for the upgrade. */
  flush(): void {
    if (this.#pending.length === 0 || !this.#isUpgraded || !this.#socket.writable) return;
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#socket.write(this.transport === 'ws' ? encodeFrame(opcode.binary, bytes) : bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Says in the way of the transport that nothing more comes, and reads on until the broker closes. */
  finish(): void {
    this.#isFinishing = true;
    if (!this.#isUpgraded || !this.#socket.writable) return;
    this.flush();
    if (this.transport === 'ws') this.#socket.write(encodeFrame(opcode.close, Uint8Array.of(0x03, 0xe8)));
    this.#socket.resume();
    this.#socket.end();
  }

  /** Is gone without a word. What was sent may or may not arrive; nothing more is handed on. */
  die(how: Death): void {
    this.flush();
    this.#isAbandoned = true;
    if (how === 'reset') this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** Handles what came; if it is not allowed, the connection ends with that. */
  guard(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#socket.destroy();
      this.#closed(error instanceof Error ? error.message : String(error));
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#isAbandoned) return;
    this.guard(() => {
      if (this.#frames === undefined) this.#receiveStream(chunk);
      else if (this.#isUpgraded) this.#receiveFrames(chunk);
      else this.#receiveHead(chunk);
    });
  }

  #receiveHead(chunk: Buffer): void {
    this.#head = Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const status = this.#head.subarray(0, this.#head.indexOf('\r\n')).toString('latin1');
    if (!status.startsWith('HTTP/1.1 101')) throw new Error(`the opening was answered with ${status}`);
    this.#isUpgraded = true;
    this.flush();
    if (this.#isFinishing) this.finish();
    this.#receiveFrames(this.#head.subarray(end + 4));
  }

  #receiveFrames(chunk: Buffer): void {
    for (const { code, payload } of this.#frames?.push(chunk) ?? []) {
      if (code === opcode.binary) this.#receiveStream(payload);
      else if (code === opcode.ping) this.#socket.write(encodeFrame(opcode.pong, payload));
      else if (code === opcode.close) {
        if (this.#socket.writable) this.#socket.end(encodeFrame(opcode.close, payload.subarray(0, 2)));
      } else throw new Error(`a WebSocket frame of type ${code}`);
    }
  }

  #receiveStream(bytes: Buffer): void {
    this.#reader.push(bytes);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      if (isProtocolError(frame)) throw new Error(`not MQTT: ${frame.why}`);
      this.#events.onPacket(frame.header, frame.body);
      if (this.#isAbandoned) return;
    }
  }

  #closed(why: string | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#events.onClosed(why);
  }
}

function upgradeRequest(host: string, { port, path = '/mqtt' }: Ports): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Protocol: mqtt',
    '\r\n',
  ].join('\r\n');
}
