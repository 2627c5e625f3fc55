/**
 * A connection of a soak's client from CONNECT to its end: what it asked for, whether it was let in, and its will.
 *
 *   CONNECT --CONNACK--> let in --the client's former connection is closed--> released: packets are handled
 *
 * Until the former connection has closed, what comes is held: the model wants things in the order of the session.
 */
import { decodeConnack } from '../../../core/wire/decode-connack.ts';
import { encodeConnect } from '../../../core/wire/encode-connect.ts';
import { PacketType } from '../../../core/wire/packet-type.ts';
import type { ConnackPacket, ConnectPacket } from '../../../core/wire/packets.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import type { Ports, TransportName } from '../../support/raw-client.ts';
import { never } from '../model/fault.ts';
import type { Attachment } from '../model/lives.ts';
import type { WillStory } from '../model/model.ts';
import { Connection } from './connection.ts';

export interface LinkEvents {
  /** A packet behind the CONNACK. */
  onPacket(link: Link, header: number, body: Uint8Array): void;
  /** The CONNACK came and accepts. */
  onLetIn(link: Link): void;
  onClosed(link: Link, why: string | undefined): void;
}

export interface LinkTerms {
  readonly number: number;
  readonly transport: TransportName;
  readonly ports: Ports;
  readonly packet: ConnectPacket;
  readonly will: WillStory | undefined;
}

export class Link {
  readonly connection: Connection;
  readonly packet: ConnectPacket;
  readonly will: WillStory | undefined;
  /** In real time. */
  readonly connectMs = performance.now();
  connack: ConnackPacket | undefined;
  letInAt = never;
  attachment: Attachment | undefined;
  /** When another connection of the same client was opened, or the client ended it itself. */
  givenUpAt = never;
  /** Its end has been dealt with. */
  isDead = false;
  /** When the next connection of the same client was let in. */
  successorAt = never;
  /** Topic aliases that the broker has set. */
  readonly aliases = new Map<number, string>();
  /** QoS 1 and 2 messages that came here and are not answered to the end. */
  readonly unacknowledged = new Set<number>();
  /** The reason code of a DISCONNECT from the broker. */
  disconnectReason: number | undefined;
  /** Resolves when it was let in, refused or closed. */
  readonly settled: Promise<void>;
  /** Resolves when it was released, refused or closed. */
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  readonly #events: LinkEvents;
  #held: [number, Uint8Array][] | undefined = [];
  #settle: () => void = () => {};
  #beReady: () => void = () => {};
  #close: () => void = () => {};

  constructor({ number, transport, ports, packet, will }: LinkTerms, events: LinkEvents) {
    this.packet = packet;
    this.will = will;
    this.#events = events;
    this.settled = new Promise((resolve) => (this.#settle = resolve));
    this.ready = new Promise((resolve) => {
      this.#beReady = resolve;
    });
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
    this.connection = new Connection(number, transport, ports, {
      onPacket: (header, body) => this.#onPacket(header, body),
      onClosed: (why) => this.#onClosed(why),
    });
    this.connection.send(encodeConnect(packet));
  }

  get number(): number {
    return this.connection.number;
  }

  get isGivenUp(): boolean {
    return this.givenUpAt !== never;
  }

  giveUp(at: number): void {
    this.givenUpAt = Math.min(this.givenUpAt, at);
  }

  get isLetIn(): boolean {
    return this.letInAt !== never;
  }

  get receiveMaximum(): number {
    return this.connack?.properties.receiveMaximum ?? 65_535;
  }

  send(packet: Uint8Array): void {
    this.connection.send(packet);
  }

  /** From now on packets are handled as they come. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#beReady();
    this.connection.guard(() => {
      for (const [header, body] of held) this.#events.onPacket(this, header, body);
    });
  }

  #onPacket(header: number, body: Uint8Array): void {
    if (this.connack === undefined) this.#onConnack(header, body);
    else if (this.#held !== undefined) this.#held.push([header, body]);
    else this.#events.onPacket(this, header, body);
  }

  #onConnack(header: number, body: Uint8Array): void {
    const connack = decodeConnack(header, body, this.packet.protocolVersion);
    if (header >> 4 !== PacketType.connack || isProtocolError(connack)) throw new Error('no CONNACK');
    this.connack = connack;
    if (connack.reasonCode === 0) this.#events.onLetIn(this);
    else this.#beReady();
    this.#settle();
  }

  #onClosed(why: string | undefined): void {
    this.#held = []; // what nobody has looked at is as good as lost on the way
    this.#events.onClosed(this, why);
    this.#settle();
    this.#beReady();
    this.#close();
  }
}
