/** A TCP client that logs in, and receives and sends packets, which bench/load/generator does not do. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { decodeConnack } from '../../core/wire/decode-connack.ts';
import { encodeConnect } from '../../core/wire/encode-connect.ts';
import { encodeSubscribe } from '../../core/wire/encode-subscribe.ts';
import { type Frame, FrameReader } from '../../core/wire/frame-reader.ts';
import { PacketType } from '../../core/wire/packet-type.ts';
import type { ConnectPacket, QoS } from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import { BenchError } from '../bench-error.ts';
import type { Endpoint } from '../peers/peer.ts';

export class LoginClient {
  /** Called for each packet but CONNACK and SUBACK. */
  onFrame: (type: number, frame: Frame) => void = () => {};
  /** The connection has ended, but not by end(). */
  onLost: () => void = () => {};
  readonly #socket: Socket;
  readonly #frames = new FrameReader(5);
  #answered: ((frame: Frame | undefined) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => {
      this.#answered?.(undefined);
      this.onLost();
    });
  }

  static async open({ host, port }: Endpoint): Promise<LoginClient> {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    return new LoginClient(socket);
  }

  /** Returns the reason code of the CONNACK. Errors: BenchError if there is none. */
  async logIn(packet: Partial<ConnectPacket>): Promise<number> {
    const hello = { protocolVersion: 5, cleanStart: true, keepAliveSeconds: 0, clientId: '' } as const;
    const { header, body } = await this.#ask(encodeConnect({ ...hello, properties: {}, ...packet }));
    const connack = decodeConnack(header, body, 5);
    if (isProtocolError(connack)) throw new BenchError(`The broker answered a CONNECT: ${connack.why}.`);
    return connack.reasonCode;
  }

  async subscribe(topicFilter: string, qos: QoS): Promise<void> {
    const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = [{ topicFilter, qos, ...options }];
    const { body } = await this.#ask(encodeSubscribe({ packetId: 1, properties: {}, subscriptions }, 5));
    if (body.at(-1) !== qos) throw new BenchError(`The broker does not grant ${topicFilter}.`);
  }

  /** With QoS 0, in one packet. */
  async subscribeAll(topicFilters: readonly string[]): Promise<void> {
    const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = topicFilters.map((topicFilter) => ({ topicFilter, ...options }));
    const { body } = await this.#ask(encodeSubscribe({ packetId: 1, properties: {}, subscriptions }, 5));
    if (body.subarray(-topicFilters.length).some((reasonCode) => reasonCode !== 0))
      throw new BenchError('The broker does not grant a subscription.');
  }

  send(packet: Uint8Array): void {
    this.#socket.write(packet);
  }

  /** Ends the connection at once, so that its port is not in use for another minute. */
  end(): void {
    this.onLost = () => {};
    this.#socket.resetAndDestroy();
  }

  async #ask(packet: Uint8Array): Promise<Frame> {
    const answer = new Promise<Frame | undefined>((resolve) => {
      this.#answered = resolve;
    });
    this.send(packet);
    const frame = await answer;
    this.#answered = undefined;
    if (frame === undefined) throw new BenchError('The broker has closed the connection without an answer.');
    return frame;
  }

  #receive(chunk: Buffer): void {
    this.#frames.push(chunk);
    for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
      if (isProtocolError(frame)) throw new BenchError(`The broker sent a malformed packet: ${frame.why}.`);
      const type = frame.header >> 4;
      if (type === PacketType.connack || type === PacketType.suback) this.#answered?.(frame);
      else this.onFrame(type, frame);
    }
  }
}

/** Calls `next` repeatedly, in `count` loops, until the time is over. */
export async function inLoops(count: number, seconds: number, next: () => Promise<void>): Promise<void> {
  const endMs = performance.now() + seconds * 1_000;
  const loop = async (): Promise<void> => {
    while (performance.now() < endMs) await next();
  };
  await Promise.all(Array.from({ length: count }, loop));
}
