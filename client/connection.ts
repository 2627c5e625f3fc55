/**
 * One attempt to reach the broker, and the connection if it succeeds: credentials, WebSocket, CONNECT and
 * CONNACK, frames in and out, keep alive, DISCONNECT. It ends once, and reports why.
 */
import type { ClientEngine, Link } from '../core/protocol/client-engine.ts';
import { decodeConnack } from '../core/wire/decode-connack.ts';
import { decodeServerDisconnect } from '../core/wire/decode-disconnect.ts';
import { encodeConnect } from '../core/wire/encode-connect.ts';
import { encodeDisconnect } from '../core/wire/encode-disconnect.ts';
import { encodePingreq } from '../core/wire/encode-ping.ts';
import { type Frame, FrameReader } from '../core/wire/frame-reader.ts';
import { PacketType } from '../core/wire/packet-type.ts';
import type { ConnackPacket, ConnectPacket, DisconnectPacket } from '../core/wire/packets.ts';
import type { Properties } from '../core/wire/properties.ts';
import { isProtocolError, type ProtocolError, protocolViolation } from '../core/wire/protocol-error.ts';
import { concat } from '../core/wire/write.ts';
import { toBytes } from './message.ts';
import type { RallyOptions, WebSocketConstructor, WebSocketLike } from './options.ts';
import { RallyError, refusal } from './rally-error.ts';

/** Options that have a default are always set. */
export type ConnectionOptions = RallyOptions &
  Required<Pick<RallyOptions, 'clientId' | 'cleanStart' | 'keepAliveSeconds' | 'connectTimeoutMs'>> & {
    /** No broker has accepted this client yet. */
    isNew: boolean;
  };

export interface ConnectionOwner {
  accepted(connack: ConnackPacket): void;
  /** `isFinal`: another attempt would fail in the same way. */
  ended(error: Error | undefined, isFinal?: boolean, serverReference?: string): void;
}

/** Once the WebSocket buffers this much, further messages wait in the session, where they are counted. */
const bufferedBytesMax = 1_000_000;
const bufferedPollMs = 50;
/** Of a timer: with more it would fire at once. */
export const timerMsMax = 2e9;
/** How long the answer to a PINGREQ may take. */
const pingTimeoutMs = 10_000;
/**
 * Refusals that may pass: unspecified (0x80), implementation specific (0x83), unavailable (0x88),
 * busy (0x89), shutting down (0x8B), quota (0x97), another server (0x9C, 0x9D), rate (0x9F). Any other
 * refusal would only be repeated: bad credentials, not authorized, banned, and faults of the CONNECT or
 * its will.
 */
const passingRefusals = [0x80, 0x83, 0x88, 0x89, 0x8b, 0x97, 0x9c, 0x9d, 0x9f];
/** Banned (0x8A), and taken over (0x8E): two clients with the same identifier would take over from each other forever. */
const finalGoodbyes = [0x8a, 0x8e];

export class Connection implements Link {
  /** The broker's properties in the CONNACK; undefined before it arrives. */
  server: Properties | undefined;
  readonly #options: ConnectionOptions;
  readonly #engine: ClientEngine;
  readonly #owner: ConnectionOwner;
  readonly #frames = new FrameReader(5);
  #socket: WebSocketLike | undefined;
  /** Frames of this turn: a WebSocket message is far more expensive than a frame, and may contain many [MQTT-6.0.0-2]. */
  readonly #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #isEnded = false;
  #pingEveryMs = 0;
  #pingAtMs = 0;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  /** Runs while the socket has too much to send. */
  #roomTimer: ReturnType<typeof setTimeout> | undefined;
  /** Runs while an answer is awaited. */
  #answerTimer: ReturnType<typeof setInterval> | undefined;
  /** Tells an add-on that the connection has ended. */
  #over: (() => void) | undefined;

  constructor(options: ConnectionOptions, engine: ClientEngine, owner: ConnectionOwner) {
    this.#options = options;
    this.#engine = engine;
    this.#owner = owner;
  }

  /** If there is no room, `resume` is called later, to try again. */
  hasRoom(resume: () => void): boolean {
    clearTimeout(this.#roomTimer);
    const isFull = (this.#socket as WebSocketLike).bufferedAmount + this.#unsentBytes > bufferedBytesMax;
    if (isFull) this.#roomTimer = setTimeout(resume, bufferedPollMs);
    return !isFull;
  }

  /** Resolves when the WebSocket is closed, or could not be opened. */
  async open(url: string): Promise<void> {
    const options = this.#options;
    this.#awaitAnswer(options.connectTimeoutMs);
    let isFinal = false;
    try {
      const wanted = { ...options, ...(await options.credentials?.(url)) };
      const { will, password } = wanted;
      if (this.#isEnded) return;
      // From here on a failure is the caller's fault.
      isFinal = true;
      const hello = encodeConnect({
        ...wanted,
        protocolVersion: 5,
        properties: {
          sessionExpiryInterval: 300,
          topicAliasMaximum: 64,
          requestProblemInformation: 1,
          ...wanted.properties,
        },
        // What is left out is 0 or false.
        will: will && { properties: {}, ...will, payload: toBytes(will.value) },
        password: password && toBytes(password),
      } as ConnectPacket);
      const Socket = options.WebSocket ?? (globalThis.WebSocket as unknown as WebSocketConstructor);
      if (!Socket) throw new RallyError(0x83, 'no WebSocket');
      const socket = new Socket(url, 'mqtt');
      this.#socket = socket;
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => socket.send(hello);
      // A text message is not MQTT: wrapped as an object it becomes a few small numbers, which are not a packet.
      socket.onmessage = ({ data }: { data: ArrayBuffer }) => this.#receive(new Uint8Array(Object(data)));
      await new Promise((resolve) => {
        socket.onclose = socket.onerror = async () => {
          const error = new RallyError(0, this.server ? 'connection lost' : `no connection to ${url}`);
          if (options.isNew)
            await import('./explain.ts')
              .then((addOn) => addOn.explain(options, error, this.#isEnded ? '' : url))
              .catch(() => {});
          resolve(this.end(error));
        };
      });
    } catch (error) {
      this.end(error as Error, isFinal);
    }
  }

  /** Sends the frame together with all others of this turn. */
  send(frame: Uint8Array): void {
    if (!this.#unsentBytes) queueMicrotask(() => this.#flush());
    this.#unsent.push(frame);
    this.#unsentBytes += frame.length;
  }

  #flush(): void {
    if (this.#unsentBytes) this.#socket?.send(concat(this.#unsent.splice(0)));
    this.#unsentBytes = 0;
  }

  /** Sends a PINGREQ; without an answer the connection ends. */
  ping(): void {
    this.#pingAtMs = Date.now();
    this.send(encodePingreq());
    this.#awaitAnswer(pingTimeoutMs);
  }

  /** Sends DISCONNECT if the broker has accepted the connection, and ends. */
  disconnect(packet: DisconnectPacket, error?: Error, isFinal?: boolean): void {
    if (this.server && !this.#isEnded) this.send(encodeDisconnect(packet, 5));
    this.end(error, isFinal);
  }

  end(error?: Error, isFinal?: boolean, serverReference?: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#over?.();
    clearInterval(this.#pingTimer);
    this.#answered();
    this.#flush();
    this.#socket?.close();
    this.#owner.ended(error, isFinal, serverReference);
  }

  #awaitAnswer(timeoutMs: number): void {
    // Undefined without a socket, and so never less.
    let before = this.#socket?.bufferedAmount as number;
    this.#answerTimer ??= setInterval(
      () => {
        const left = this.#socket?.bufferedAmount as number;
        // The answer waits behind an upload, as long as that goes on.
        if (left < before) before = left;
        else this.end(new RallyError(0, 'no answer'));
      },
      Math.min(timeoutMs, timerMsMax),
    );
  }

  #answered(): void {
    clearInterval(this.#answerTimer);
    this.#answerTimer = undefined;
  }

  #receive(chunk: Uint8Array): void {
    if (this.#isEnded) return;
    if (this.server) {
      // Any packet proves that the connection is alive. Where timers are throttled, as in hidden tabs, it serves as a clock too.
      this.#answered();
      if (this.#pingEveryMs && Date.now() - this.#pingAtMs > this.#pingEveryMs) this.ping();
    }
    this.#frames.push(chunk);
    while (!this.#isEnded) {
      const frame = this.#frames.next();
      if (!frame) return;
      const error = isProtocolError(frame) ? frame : this.#take(frame);
      if (error) {
        const { reasonCode } = error;
        this.disconnect({ reasonCode, properties: {} }, new RallyError(reasonCode, 'protocol error'));
      }
    }
  }

  #take(frame: Frame): ProtocolError | undefined {
    const { header, body } = frame;
    const type = header >> 4;
    const isConnack = type === PacketType.connack;
    const isGoodbye = type === PacketType.disconnect;
    // Exactly one CONNACK, and nothing before it but a DISCONNECT.
    if (!isGoodbye && isConnack === !!this.server) return protocolViolation('out of turn');
    // An AUTH means that an add-on's renewal has succeeded; a failed one ends with a DISCONNECT.
    if (type === PacketType.pingresp || (type === PacketType.auth && this.#over)) return undefined;
    if (!isGoodbye && !isConnack) return this.#engine.received(frame);
    const packet = isGoodbye ? decodeServerDisconnect(header, body, 5) : decodeConnack(header, body, 5);
    if (isProtocolError(packet)) return packet;
    const { reasonCode, properties } = packet;
    if (isGoodbye || reasonCode) {
      const isFinal = this.server
        ? finalGoodbyes.includes(reasonCode)
        : !passingRefusals.includes(reasonCode);
      this.end(refusal(reasonCode, properties), isFinal, properties.serverReference);
      return undefined;
    }
    this.server = properties;
    this.#answered();
    const { serverKeepAlive = this.#options.keepAliveSeconds } = properties;
    this.#pingEveryMs = serverKeepAlive * 500;
    this.#pingAtMs = Date.now();
    if (serverKeepAlive) this.#pingTimer = setInterval(() => this.ping(), this.#pingEveryMs);
    this.#over = this.#options.whileConnected?.((sent) => this.send(sent));
    this.#owner.accepted(packet as ConnackPacket);
    return undefined;
  }
}
