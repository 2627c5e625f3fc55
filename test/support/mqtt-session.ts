/**
 * The client side of one persistent session over many connections, as in a correct client: it answers QoS 1 and 2,
 * resends unanswered packets, and records the messages it received and their order.
 */

import assert from 'node:assert/strict';
import { decodeAcknowledgement } from '../../core/wire/decode-acknowledgement.ts';
import { PacketType } from '../../core/wire/packet-type.ts';
import type { AcknowledgementPacket, ConnectPacket, QoS } from '../../core/wire/packets.ts';
import { isProtocolError } from '../../core/wire/protocol-error.ts';
import type { Ends } from './at-end.ts';
import {
  disconnectFrame,
  frame,
  pingreqFrame,
  pubackFrame,
  pubcompFrame,
  publishFrame,
  publishOf,
  pubrecFrame,
  pubrelFrame,
  subscribeFrame,
  textOf,
} from './frames.ts';
import {
  openConnected,
  type Ports,
  type RawClient,
  type ReceivedPacket,
  type TransportName,
} from './raw-client.ts';
import { until } from './wait.ts';

export interface Handed {
  readonly topic: string;
  readonly text: string;
  readonly qos: QoS;
  readonly dup: boolean;
}

/** What the network does to a packet of a session: drops it, or delivers it once or several times. */
export interface Link {
  outgoing(frame: Uint8Array): readonly Uint8Array[];
  incoming(packet: ReceivedPacket): readonly ReceivedPacket[];
}

export interface SessionOptions {
  /** Default: a perfect one. */
  readonly link?: Link;
  /** The highest packet identifier before they wrap around. Default 60,000. */
  readonly packetIdMax?: number;
}

interface Unanswered {
  readonly topic: string;
  readonly text: string;
  readonly qos: QoS;
  readonly retain: boolean;
  /** QoS 2: the PUBREC has arrived, the PUBREL was sent. */
  isReleased: boolean;
}

export class MqttSession {
  readonly clientId: string;
  /** The messages handed to the application: QoS 2 once per packet identifier, QoS 1 as often as received. */
  readonly handed: Handed[] = [];
  readonly unanswered = new Map<number, Unanswered>();
  /** Messages refused by the broker: reason codes from 0x80 on. */
  readonly refused: { readonly topic: string; readonly text: string }[] = [];
  client: RawClient | undefined;
  isSessionPresent = false;
  /** The numbers of PINGRESPs and PUBRECs received. */
  pongs = 0;
  pubrecs = 0;
  /** Whether it sends PUBREL for messages published directly by a test. */
  answersUnknown = true;
  readonly #test: Ends;
  readonly #ports: Ports;
  readonly #packet: Partial<ConnectPacket>;
  readonly #link: Link | undefined;
  readonly #packetIdMax: number;
  // QoS 2 of the broker between PUBREC and PUBREL.
  readonly #received = new Set<number>();
  #packetIds = 0;
  #subacks = 0;
  #unsubacks = 0;

  constructor(
    test: Ends,
    ports: Ports,
    clientId: string,
    packet: Partial<ConnectPacket> = {},
    { link, packetIdMax = 60_000 }: SessionOptions = {},
  ) {
    this.#test = test;
    this.#ports = ports;
    this.clientId = clientId;
    this.#packet = packet;
    this.#link = link;
    this.#packetIdMax = packetIdMax;
  }

  /** Connects, replacing any existing connection, and continues the session. */
  async connect(transport: TransportName, packet: Partial<ConnectPacket> = {}): Promise<void> {
    const { client, connack } = await openConnected(this.#test, transport, this.#ports, {
      clientId: this.clientId,
      cleanStart: false,
      properties: { sessionExpiryInterval: 3_600 },
      ...this.#packet,
      ...packet,
    });
    assert.equal(connack.reasonCode, 0, this.clientId);
    this.client = client;
    this.isSessionPresent = connack.sessionPresent;
    if (!connack.sessionPresent) this.#received.clear();
    client.onPacket((packet) => {
      for (const each of this.#link?.incoming(packet) ?? [packet]) this.#onPacket(client, each);
    });
    for (const [packetId, { topic, text, qos, retain, isReleased }] of this.unanswered) {
      const again = publishFrame(topic, text, { qos, packetId, retain, dup: true });
      this.#send(client, isReleased ? pubrelFrame(packetId) : again);
    }
  }

  async subscribe(filter: string, qos: QoS): Promise<void> {
    const before = this.#subacks;
    this.client?.send(subscribeFrame(filter, qos, { packetId: 65_535 }));
    await until(`the SUBACK of ${this.clientId}`, () => this.#subacks > before);
  }

  publish(topic: string, text: string, qos: QoS, retain = false): void {
    if (qos === 0) {
      this.client?.send(publishFrame(topic, text, { retain }));
      return;
    }
    do this.#packetIds = (this.#packetIds % this.#packetIdMax) + 1;
    while (this.unanswered.has(this.#packetIds));
    const packetId = this.#packetIds;
    this.unanswered.set(packetId, { topic, text, qos, retain, isReleased: false });
    if (this.client !== undefined)
      this.#send(this.client, publishFrame(topic, text, { qos, packetId, retain }));
  }

  async unsubscribe(filter: string): Promise<void> {
    const before = this.#unsubacks;
    const body = [
      0xff,
      0xff,
      0,
      filter.length >> 8,
      filter.length & 0xff,
      ...new TextEncoder().encode(filter),
    ];
    this.client?.send(frame(0xa2, Uint8Array.from(body)));
    await until(`the UNSUBACK of ${this.clientId}`, () => this.#unsubacks > before);
  }

  /** Resolves when the broker has answered everything sent, or the connection is over. With or without a link. */
  async roundTrip(): Promise<void> {
    const { client, pongs } = this;
    client?.send(pingreqFrame);
    await until(`a PINGRESP for ${this.clientId}`, () => this.pongs > pongs || client?.isClosed !== false);
  }

  disconnect(): void {
    this.client?.send(disconnectFrame);
  }

  #send(client: RawClient, frame: Uint8Array): void {
    for (const each of this.#link?.outgoing(frame) ?? [frame]) client.send(each);
  }

  #onPacket(client: RawClient, packet: ReceivedPacket): void {
    if (client !== this.client) return; // from an abandoned connection
    if (packet.type === PacketType.publish) this.#onPublish(client, packet);
    else if (packet.type === PacketType.suback) this.#subacks++;
    else if (packet.type === PacketType.unsuback) this.#unsubacks++;
    else if (packet.type === PacketType.pingresp) this.pongs++;
    else if (packet.type === PacketType.pubrel) this.#onPubrel(client, packet);
    else if (packet.type === PacketType.puback || packet.type === PacketType.pubcomp) {
      this.#onComplete(packet);
    } else if (packet.type === PacketType.pubrec) this.#onPubrec(client, packet);
  }

  #onPublish(client: RawClient, packet: ReceivedPacket): void {
    const { topic, payload, qos, dup, packetId = 0 } = publishOf(packet);
    const isKnown = qos === 2 && this.#received.has(packetId);
    if (!isKnown) this.handed.push({ topic, text: textOf({ payload }), qos, dup });
    if (qos === 2) this.#received.add(packetId);
    if (qos > 0) this.#send(client, qos === 1 ? pubackFrame(packetId) : pubrecFrame(packetId));
  }

  #onPubrel(client: RawClient, packet: ReceivedPacket): void {
    this.#received.delete(packetIdOf(packet));
    this.#send(client, pubcompFrame(packetIdOf(packet)));
  }

  #onComplete(packet: ReceivedPacket): void {
    const { packetId, reasonCode } = acknowledgementOf(packet);
    const unanswered = this.unanswered.get(packetId);
    if (packet.type === PacketType.puback && reasonCode >= 0x80) this.#refuse(packetId);
    // A late PUBCOMP for a packet identifier that is in use again is not for its new message.
    const isAwaited =
      packet.type === PacketType.puback ? unanswered?.qos === 1 : unanswered?.isReleased === true;
    if (isAwaited) this.unanswered.delete(packetId);
  }

  #onPubrec(client: RawClient, packet: ReceivedPacket): void {
    const { packetId, reasonCode } = acknowledgementOf(packet);
    this.pubrecs++;
    if (reasonCode >= 0x80) {
      this.#refuse(packetId);
      return;
    }
    const unanswered = this.unanswered.get(packetId);
    if (unanswered === undefined && !this.answersUnknown) return;
    if (unanswered !== undefined) unanswered.isReleased = true;
    this.#send(client, pubrelFrame(packetId));
  }

  #refuse(packetId: number): void {
    const unanswered = this.unanswered.get(packetId);
    if (unanswered !== undefined) this.refused.push({ topic: unanswered.topic, text: unanswered.text });
    this.unanswered.delete(packetId);
  }
}

function packetIdOf(packet: ReceivedPacket): number {
  return acknowledgementOf(packet).packetId;
}

function acknowledgementOf({ header, body }: ReceivedPacket): AcknowledgementPacket {
  const packet = decodeAcknowledgement(header, body, 5);
  assert.ok(!isProtocolError(packet));
  return packet;
}

/**
 * Fails unless the texts are the numbers from 0 to below `count`, each first seen in order. Repeated ones must be
 * marked as such; with QoS 2 none may be repeated.
 */
export function assertAllInOrder(handed: readonly Handed[], count: number, what: string): void {
  let expected = 0;
  for (const { text, qos, dup } of handed) {
    const number = Number(text);
    if (number < expected) {
      assert.ok(qos < 2, `${what}: ${number} twice, with QoS 2`);
      assert.ok(dup, `${what}: ${number} again without DUP, after ${expected - 1}`);
    } else {
      assert.equal(number, expected, `${what}: ${number} where ${expected} was due`);
      expected++;
    }
  }
  assert.equal(expected, count, `${what}: ${expected} of ${count}`);
}
