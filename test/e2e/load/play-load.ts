/**
 * Sends messages through a broker on raw connections, as fast as the window allows, and counts lost, duplicated and
 * out-of-order messages.
 *
 *   payload:  | publisher | sequence number | filling |      4 bytes each, big endian
 *
 * A publisher writes as many PUBLISH packets at once as its window has room for. The window contains messages that have
 * not reached all their subscribers, or are not acknowledged, so none may be dropped, not even with QoS 0.
 */
import { PacketType } from '../../../core/wire/packet-type.ts';
import type { ProtocolVersion, QoS } from '../../../core/wire/packets.ts';
import {
  connectFrame,
  disconnectFrame,
  pubackFrame,
  pubcompFrame,
  publishFrame,
  pubrecFrame,
  pubrelFrame,
  subscribeFrame,
} from '../../support/frames.ts';
import { type Ports, RawClient, type ReceivedPacket, type TransportName } from '../../support/raw-client.ts';
import { until } from '../../support/wait.ts';

export interface Load {
  readonly scenario: keyof typeof shapes;
  readonly qos: QoS;
  readonly transport: TransportName;
  readonly version: ProtocolVersion;
  readonly messagesPerPublisher: number;
}

export interface Outcome {
  readonly delivered: number;
  readonly undelivered: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  readonly unacknowledged: number;
}

interface Shape {
  readonly publishers: number;
  readonly subscribers: number;
  /** What the subscriber with this number asks for. */
  readonly filter: (subscriber: number) => string;
  /** How many subscribers a message of this publisher has. */
  readonly copies: number;
}

const shapes = {
  'point to point': {
    publishers: 3,
    subscribers: 3,
    filter: (number: number) => `load/${number}/x`,
    copies: 1,
  },
  'fan-out': { publishers: 1, subscribers: 10, filter: () => 'load/0/x', copies: 10 },
  'fan-in': { publishers: 6, subscribers: 1, filter: () => 'load/+/x', copies: 1 },
} satisfies Record<string, Shape>;

export const scenarioNames = Object.keys(shapes) as (keyof typeof shapes)[];

/** 6 publishers at once stay below outboxMessagesMax of one subscriber. */
const window = 100;
const payloadBytes = 64;

export async function playLoad(ports: Ports, load: Load): Promise<Outcome> {
  const shape: Shape = shapes[load.scenario];
  const publishers: Publisher[] = [];
  const subscribers: Subscriber[] = [];
  try {
    for (let number = 0; number < shape.subscribers; number++) {
      const client = await connectedClient(ports, load);
      client.send(subscribeFrame(shape.filter(number), load.qos, {}, load.version));
      await client.nextPacket();
      subscribers.push(new Subscriber(client, load, shape.publishers, publishers));
    }
    for (let number = 0; number < shape.publishers; number++) {
      publishers.push(new Publisher(await connectedClient(ports, load), load, number, shape.copies));
    }
    for (const publisher of publishers) publisher.publish();
    const isDone = (): boolean => publishers.every((publisher) => publisher.isDone);
    await until('the last message', isDone).catch(() => {}); // the outcome says what is missing
    return outcomeOf(publishers, subscribers);
  } finally {
    for (const { client } of [...publishers, ...subscribers]) {
      client.send(disconnectFrame);
      client.destroy();
    }
  }
}

function outcomeOf(publishers: readonly Publisher[], subscribers: readonly Subscriber[]): Outcome {
  const sum = <Item>(items: readonly Item[], count: (item: Item) => number): number =>
    items.reduce((total, item) => total + count(item), 0);
  return {
    delivered: sum(subscribers, ({ delivered }) => delivered),
    undelivered: sum(publishers, ({ undelivered }) => undelivered),
    duplicates: sum(subscribers, ({ duplicates }) => duplicates),
    outOfOrder: sum(subscribers, ({ outOfOrder }) => outOfOrder),
    unacknowledged: sum(publishers, ({ unacknowledged }) => unacknowledged),
  };
}

async function connectedClient(ports: Ports, { transport, version }: Load): Promise<RawClient> {
  const client = await RawClient.open(transport, ports);
  client.send(connectFrame({ protocolVersion: version }));
  await client.nextPacket();
  return client;
}

class Publisher {
  readonly client: RawClient;
  readonly #load: Load;
  readonly #copies: number;
  /** A message of this publisher; the packet identifier and the sequence number are put in. */
  readonly #template: Buffer;
  readonly #packetIdAt: number;
  #sent = 0;
  #copiesDelivered = 0;
  #acknowledged = 0;

  constructor(client: RawClient, load: Load, number: number, copies: number) {
    this.client = client;
    this.#load = load;
    this.#copies = copies;
    const topic = `load/${number}/x`;
    const payload = Buffer.alloc(payloadBytes);
    payload.writeUInt32BE(number, 0);
    this.#template = Buffer.from(publishFrame(topic, payload, { qos: load.qos }, load.version));
    this.#packetIdAt = this.#template.indexOf(topic) + topic.length;
    client.onPacket((packet) => this.#onPacket(packet));
  }

  get undelivered(): number {
    return this.#load.messagesPerPublisher * this.#copies - this.#copiesDelivered;
  }

  get unacknowledged(): number {
    return this.#load.qos === 0 ? 0 : this.#sent - this.#acknowledged;
  }

  get isDone(): boolean {
    return this.undelivered <= 0 && this.unacknowledged === 0;
  }

  /** Fills the window. */
  publish(): void {
    const reached = Math.floor(this.#copiesDelivered / this.#copies);
    const waiting = Math.max(this.#sent - reached, this.unacknowledged);
    const count = Math.min(window - waiting, this.#load.messagesPerPublisher - this.#sent);
    // Not for every message that arrives, so that many packets share a write.
    if (count < window / 2 && this.#sent + count < this.#load.messagesPerPublisher) return;
    if (count <= 0) return;
    const { length } = this.#template;
    const packets = Buffer.alloc(count * length);
    for (let at = 0; at < packets.length; at += length) {
      this.#sent++;
      packets.set(this.#template, at);
      if (this.#load.qos > 0) packets.writeUInt16BE((this.#sent % 65_535) + 1, at + this.#packetIdAt);
      packets.writeUInt32BE(this.#sent, at + length - payloadBytes + 4);
    }
    this.client.send(packets);
  }

  onDelivered(): void {
    this.#copiesDelivered++;
    this.publish();
  }

  #onPacket({ type, body }: ReceivedPacket): void {
    const packetId = ((body[0] ?? 0) << 8) | (body[1] ?? 0);
    if (type === PacketType.pubrec) this.client.send(pubrelFrame(packetId));
    else if (type === PacketType.puback || type === PacketType.pubcomp) {
      this.#acknowledged++;
      this.publish();
    }
  }
}

class Subscriber {
  readonly client: RawClient;
  delivered = 0;
  duplicates = 0;
  outOfOrder = 0;
  readonly #publishers: readonly Publisher[];
  readonly #qos: QoS;
  /** The last sequence number of each publisher. */
  readonly #last: number[];
  #answers: Uint8Array[] = [];

  constructor(client: RawClient, { qos }: Load, publisherCount: number, publishers: readonly Publisher[]) {
    this.client = client;
    this.#qos = qos;
    this.#publishers = publishers;
    this.#last = Array.from({ length: publisherCount }, () => 0);
    client.onPacket((packet) => this.#onPacket(packet));
  }

  #onPacket({ header, type, body }: ReceivedPacket): void {
    const view = Buffer.from(body.buffer, body.byteOffset, body.length);
    if (type === PacketType.publish) this.#onPublish(header, view);
    else if (type === PacketType.pubrel) this.#answer(pubcompFrame(view.readUInt16BE(0)));
  }

  #onPublish(header: number, body: Buffer): void {
    const qos = (header >> 1) & 3;
    if (qos !== this.#qos) throw new Error(`QoS ${qos} in place of ${this.#qos}`);
    const packetIdAt = 2 + body.readUInt16BE(0);
    if (qos === 1) this.#answer(pubackFrame(body.readUInt16BE(packetIdAt)));
    if (qos === 2) this.#answer(pubrecFrame(body.readUInt16BE(packetIdAt)));
    const payloadAt = body.length - payloadBytes;
    const publisher = body.readUInt32BE(payloadAt);
    const sequence = body.readUInt32BE(payloadAt + 4);
    const last = this.#last[publisher] ?? 0;
    if (sequence === last) this.duplicates++;
    else if (sequence !== last + 1) this.outOfOrder++;
    this.#last[publisher] = sequence;
    this.delivered++;
    this.#publishers[publisher]?.onDelivered();
  }

  /** All answers of one turn of the event loop leave in one write. */
  #answer(packet: Uint8Array): void {
    if (this.#answers.length === 0) {
      setImmediate(() => this.client.send(...this.#answers.splice(0)));
    }
    this.#answers.push(packet);
  }
}
