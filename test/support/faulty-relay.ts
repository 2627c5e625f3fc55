/**
 * A very small broker over TCP that deliberately delivers incorrectly, to verify that the load generator notices:
 * QoS 0, MQTT 5, topics without wildcards; a filter that begins with `$share/` receives all topics, member by
 * member. It counts its actions.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { FrameReader } from '../../core/wire/frame-reader.ts';
import { PacketType } from '../../core/wire/packet-type.ts';
import { atEnd } from './at-end.ts';

export type Fault = 'drop' | 'double' | 'swap' | 'delay' | 'shorten' | 'stray';

/** Messages of the same topic that overtake a delayed one. */
const delayMessages = 300;

export interface RelayOptions {
  /** What it does to every hundredth message; absent: it relays correctly. */
  readonly fault?: Fault;
  /** The reason code of its CONNACK and of its SUBACK; default 0. */
  readonly connackCode?: number;
  readonly subackCode?: number;
  /** Accepts messages and delivers none. */
  readonly deliversNothing?: boolean;
  /** Closes every connection after this many messages. */
  readonly closesAfter?: number;
  /** Reads nothing for this long, once, after this many messages. */
  readonly pause?: { readonly after: number; readonly ms: number };
}

export class FaultyRelay {
  /** The number of faults so far. */
  faults = 0;
  /** Messages currently held back. */
  readonly held = new Map<string, { readonly body: Buffer; left: number }>();
  readonly #options: RelayOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #subscribers = new Map<string, Socket[]>();
  readonly #members: Socket[] = [];
  #messages = 0;

  static async start(test: TestContext, options: RelayOptions = {}): Promise<FaultyRelay> {
    const relay = new FaultyRelay(options);
    atEnd(test, () => relay.#stop());
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  private constructor(options: RelayOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    const reader = new FrameReader(5);
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {}); // the generator may leave at any time
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk) => {
      reader.push(chunk);
      const publishes: Buffer[] = [];
      for (let frame = reader.next(); frame !== undefined && 'body' in frame; frame = reader.next()) {
        const body = Buffer.from(frame.body);
        if (frame.header >> 4 === PacketType.publish) publishes.push(body);
        else this.#answer(socket, frame.header >> 4, body);
      }
      this.#relay(socket, publishes);
    });
  }

  #answer(socket: Socket, type: number, body: Buffer): void {
    const { connackCode = 0, subackCode = 0 } = this.#options;
    if (type === PacketType.connect) socket.write(Buffer.from([0x20, 3, 0, connackCode, 0]));
    if (type !== PacketType.subscribe) return;
    const filter = body.toString('latin1', 5, 5 + body.readUInt16BE(3));
    if (filter.startsWith('$share/')) this.#members.push(socket);
    else this.#subscribers.set(filter, [...(this.#subscribers.get(filter) ?? []), socket]);
    socket.write(Buffer.from([0x90, 4, body[0] ?? 0, body[1] ?? 0, 0, subackCode]));
  }

  #relay(from: Socket, bodies: readonly Buffer[]): void {
    const { pause, closesAfter, deliversNothing } = this.#options;
    if (deliversNothing) return;
    const before = this.#messages;
    for (const body of this.#spoiled(bodies)) {
      for (const receiver of this.#receiversOf(body)) receiver.write(publishFrame(body));
    }
    if (pause && before < pause.after && this.#messages >= pause.after) {
      from.pause();
      setTimeout(() => from.resume(), pause.ms).unref();
    }
    if (closesAfter !== undefined && this.#messages >= closesAfter) {
      for (const socket of this.#sockets) socket.destroy();
    }
  }

  #receiversOf(body: Buffer): readonly Socket[] {
    const topic = topicOf(body);
    const member = this.#members[this.#messages % Math.max(1, this.#members.length)];
    return [...(this.#subscribers.get(topic) ?? []), ...(member ? [member] : [])];
  }

  #spoiled(bodies: readonly Buffer[]): readonly Buffer[] {
    const out: Buffer[] = [];
    for (let index = 0; index < bodies.length; index++) {
      const body = bodies[index] ?? Buffer.alloc(0);
      const next = bodies[index + 1];
      this.#messages++;
      if (this.#options.fault === 'delay') {
        out.push(...this.#delayed(body));
      } else if (this.#messages % 100 !== 0 || this.#options.fault === undefined) {
        out.push(body);
      } else if (this.#options.fault !== 'swap') {
        this.faults++;
        out.push(...wrong[this.#options.fault](body));
      } else if (next === undefined) {
        out.push(body); // there is none to swap it with
      } else {
        this.faults++;
        this.#messages++;
        index++;
        out.push(next, body);
      }
    }
    return out;
  }

  /** For each topic one message at a time is held back until `delayMessages` others have passed. */
  #delayed(body: Buffer): readonly Buffer[] {
    const topic = topicOf(body);
    const held = this.held.get(topic);
    if (held === undefined) {
      this.held.set(topic, { body, left: delayMessages });
      return [];
    }
    if (--held.left > 0) return [body];
    this.held.delete(topic);
    this.faults++;
    return [body, held.body];
  }
}

/** The bodies delivered in place of one. */
const wrong: Readonly<Record<Exclude<Fault, 'swap' | 'delay'>, (body: Buffer) => readonly Buffer[]>> = {
  drop: () => [],
  double: (body) => [body, body],
  shorten: (body) => [body, body.subarray(0, -1)],
  // From a publisher unknown to the receiver: the stream is the third part of the payload.
  stray: (body) => {
    const other = Buffer.from(body);
    const payloadAt = 2 + other.readUInt16BE(0) + 1;
    other.writeUInt32LE(77, payloadAt + 8);
    return [body, other];
  },
};

function topicOf(body: Buffer): string {
  return body.toString('latin1', 2, 2 + body.readUInt16BE(0));
}

function publishFrame(body: Buffer): Buffer {
  const length: number[] = [];
  for (let left = body.length; left > 0 || length.length === 0; left >>= 7) {
    length.push(left > 127 ? (left & 127) | 128 : left);
  }
  return Buffer.concat([Buffer.from([PacketType.publish << 4, ...length]), body]);
}
