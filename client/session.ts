/**
 * What outlives a connection: requests on their way to the broker, subscriptions, and what was delivered.
 * Section 4.1 calls it the session state.
 *
 * A request is a PUBLISH, SUBSCRIBE or UNSUBSCRIBE. It waits, then it is in flight until the broker has answered;
 * with QoS 0 it is done when it was sent. What was in flight when the connection was lost waits again, in front
 * of the rest and in the same order.
 *
 *     waiting -> in flight -> [QoS 2: PUBREC, released: in flight with PUBREL] -> resolved or rejected
 *        ^--------- lost ---------/
 */
import { encodeAcknowledgement } from '../core/wire/encode-acknowledgement.ts';
import { encodePublish } from '../core/wire/encode-publish.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../core/wire/encode-subscribe.ts';
import { type AcknowledgementType, PacketType } from '../core/wire/packet-type.ts';
import type {
  AcknowledgementPacket,
  PublishPacket,
  QoS,
  SubackPacket,
  SubscriptionRequest,
} from '../core/wire/packets.ts';
import type { Properties } from '../core/wire/properties.ts';
import { type ProtocolError, protocolViolation } from '../core/wire/protocol-error.ts';
import { topicMatchesFilter, unsharedFilter } from '../core/wire/topic.ts';
import { abortable } from './abortable.ts';
import type { Connection, ServerPacket } from './connection.ts';
import { toMessage } from './message.ts';
import type { PublishResult, QueueOptions, SubscribeOptions } from './options.ts';
import { RallyError, refusal } from './rally-error.ts';
import { createReceiver, type Listener, type Receiver, type Subscription } from './subscription.ts';

interface Request {
  /** Makes the frame for a broker that said this of itself; the packet identifier is 0 with QoS 0. */
  frame(packetId: number, dup: boolean, server: Properties): Uint8Array;
  succeed(result?: PublishResult): void;
  fail(error: unknown): void;
  /** Of a PUBLISH; others have none. */
  qos?: QoS;
  /** Since it was sent. */
  packetId?: number;
  /** QoS 2: the broker has it, and only the packet identifier is not free yet. */
  isReleased?: boolean;
}

interface Filter {
  readonly topicFilter: string;
  readonly listeners: Set<Receiver>;
  options: SubscribeOptions;
  /** Subscription identifiers under which messages may come: of the last SUBSCRIBE, and those on their way. */
  readonly ids: number[];
}

const packetIdMax = 0xffff;
/** What exceeds it in the WebSocket waits here, where it is counted. */
const bufferedBytesMax = 0x10_0000;
const bufferedPollMs = 50;

export class Session {
  readonly #queue: QueueOptions;
  #connection: Connection | undefined;
  #waiting: Request[] = [];
  /** By packet identifier, in the order of sending. */
  readonly #inFlight = new Map<number, Request>();
  /** By topic filter. */
  readonly #filters = new Map<string, Filter>();
  /** Packet identifiers of QoS 2 messages that were delivered and not released. */
  readonly #delivered = new Set<number>();
  /** Topic names by their alias, for one connection. */
  readonly #aliases = new Map<number, string>();
  #lastPacketId = 0;
  #lastSubscriptionId = 0;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(queue: QueueOptions = {}) {
    this.#queue = queue;
  }

  /** Resolves when the broker has it, and with QoS 0 when it was sent. */
  publish(packet: PublishPacket, signal?: AbortSignal): Promise<PublishResult | undefined> {
    const { qos, retain } = packet;
    let request: Request;
    return abortable<PublishResult | undefined>(signal, (resolve, reject) => {
      const toFrame = (packetId: number, dup: boolean, server: Properties): Uint8Array => {
        // Nothing is more than a bound that the broker has not named, which is undefined.
        const { maximumPacketSize, maximumQoS, retainAvailable } = server as Required<Properties>;
        const frame = encodePublish({ ...packet, packetId, dup }, 5);
        const reasonCode =
          (qos > maximumQoS && 0x9b) ||
          (+retain > retainAvailable && 0x9a) ||
          (frame.length > maximumPacketSize && 0x95);
        if (reasonCode) throw refusal(reasonCode);
        return frame;
      };
      request = { frame: toFrame, succeed: resolve, fail: reject, qos };
      const { max = 1_000, policy } = this.#queue;
      if (this.#waiting.length + this.#inFlight.size >= max) {
        const oldest = this.#waiting.findIndex((waiting) => waiting.qos !== undefined && !waiting.packetId);
        const isDropped = policy === 'dropOldest' && oldest >= 0;
        const [refused = request] = isDropped ? this.#waiting.splice(oldest, 1) : [];
        refused.fail(new RallyError(0x97, 'the queue is full'));
        if (!isDropped) return;
      }
      this.#add(request);
    }).finally(() => {
      // Aborted. What was sent once goes on, or the broker would keep its packet identifier.
      const index = this.#waiting.indexOf(request);
      if (index >= 0 && !request.packetId) this.#waiting.splice(index, 1);
    });
  }

  subscribe(topicFilter: string, listener: Listener | undefined, options: SubscribeOptions): Subscription {
    const filter = this.#filters.get(topicFilter) ?? {
      topicFilter,
      listeners: new Set(),
      options: { qos: 0 },
      ids: [],
    };
    this.#filters.set(topicFilter, filter);
    const { listeners } = filter;
    const { signal, qos = 2 } = options;
    const receiver = createReceiver(listener, options.bufferMax ?? 1_000, () => {
      signal?.removeEventListener('abort', subscription.unsubscribe);
      listeners.delete(receiver);
      if (listeners.size) return;
      this.#filters.delete(topicFilter);
      const packet = { properties: {}, topicFilters: [topicFilter] };
      this.#add({
        frame: (packetId) => encodeUnsubscribe({ ...packet, packetId }, 5),
        succeed() {},
        fail() {}, // the connection is closed, and the subscription with it
      });
    });
    const { subscription } = receiver;
    filter.options = { ...options, qos: Math.max(qos, filter.options.qos ?? 2) as QoS };
    listeners.add(receiver);
    // Asked for even if there is one, so that the new listener gets the retained messages as well.
    this.#subscribe(filter, [receiver]);
    signal?.addEventListener('abort', subscription.unsubscribe);
    if (signal?.aborted) subscription.unsubscribe();
    return subscription;
  }

  /** There is a connection, and the broker has the session or not. */
  connected(connection: Connection, isSessionPresent: boolean): void {
    this.#connection = connection;
    this.#aliases.clear();
    if (!isSessionPresent) {
      this.#delivered.clear();
      const requests = this.#waiting.splice(0);
      for (const filter of this.#filters.values()) this.#subscribe(filter, filter.listeners);
      for (const request of requests) {
        request.packetId = 0;
        if (request.isReleased) request.succeed();
        else if (request.qos !== undefined) this.#waiting.push(request);
      }
    }
    this.#pump();
  }

  /** The connection is gone, and with it the answers. */
  lost(): void {
    this.#connection = undefined;
    this.#waiting.unshift(...this.#inFlight.values());
    this.#inFlight.clear();
  }

  /** It is over. */
  closed(error?: Error): void {
    this.lost();
    for (const { listeners } of this.#filters.values()) {
      for (const listener of listeners) listener.end(error);
    }
    for (const request of this.#waiting.splice(0)) request.fail(error ?? new RallyError());
  }

  /** Takes a packet; returns what is wrong with it. */
  received(type: number, packet: ServerPacket): ProtocolError | undefined {
    if (type === PacketType.publish) return this.#published(packet as PublishPacket);
    const {
      packetId,
      reasonCode: ownCode,
      reasonCodes,
      properties,
    } = packet as AcknowledgementPacket & Partial<SubackPacket>;
    const [reasonCode = ownCode] = reasonCodes ?? [];
    const request = this.#inFlight.get(packetId);
    if (type === PacketType.pubrel) {
      this.#answer(PacketType.pubcomp, packetId, this.#delivered.delete(packetId));
    } else if (type === PacketType.pubrec && reasonCode < 0x80) {
      if (request) {
        request.isReleased = true;
        request.frame = (id) => encodeAnswer(PacketType.pubrel, id, true);
      }
      this.#answer(PacketType.pubrel, packetId, request);
    } else if (request) {
      this.#inFlight.delete(packetId);
      if (reasonCode < 0x80 || request.isReleased) request.succeed({ reasonCode, properties });
      else request.fail(refusal(reasonCode, properties));
      this.#pump();
    }
    return undefined;
  }

  #published(packet: PublishPacket): ProtocolError | undefined {
    const { qos, packetId } = packet as Required<PublishPacket>;
    const { topicAlias } = packet.properties;
    if (topicAlias) {
      packet.topic ||= this.#aliases.get(topicAlias) as string;
      if (!packet.topic) return protocolViolation('unknown topic alias');
      this.#aliases.set(topicAlias, packet.topic);
    }
    if (qos < 2 || !this.#delivered.has(packetId)) this.#deliver(packet);
    if (qos > 1) this.#delivered.add(packetId);
    if (qos) this.#answer(qos > 1 ? PacketType.pubrec : PacketType.puback, packetId, true);
    return undefined;
  }

  #answer(type: AcknowledgementType, packetId: number, isKnown: unknown): void {
    this.#connection?.send(encodeAnswer(type, packetId, isKnown));
  }

  #deliver(packet: PublishPacket): void {
    const message = toMessage(packet);
    const { topic, retain, properties } = packet;
    const { subscriptionIdentifiers = [] } = properties;
    const filters = [...this.#filters.values()];
    // A broker may send a message once for each filter it matches, and says then which one it is.
    const named = filters.filter(({ ids }) => ids.some((id) => subscriptionIdentifiers.includes(id)));
    const matching = named[0]
      ? named
      : filters.filter(({ topicFilter }) => topicMatchesFilter(topic, unsharedFilter(topicFilter)));
    for (const { listeners, options, ids } of matching) {
      // Retained messages are for those who came with the SUBSCRIBE that is answered so.
      const asked = named[0] ? subscriptionIdentifiers : ids.slice(-1);
      for (const listener of listeners) {
        if (!retain || options.retainAsPublished || asked.includes(listener.id)) listener.deliver(message);
      }
    }
  }

  /** Asks for messages, and for the retained ones on behalf of `newcomers`. */
  #subscribe({ topicFilter, options, listeners, ids }: Filter, newcomers: Iterable<Receiver>): void {
    // What the options leave out is false or 0, and the QoS is there.
    const subscriptions = [{ ...options, topicFilter } as SubscriptionRequest];
    const id = ++this.#lastSubscriptionId;
    ids.push(id);
    for (const listener of newcomers) listener.id = id;
    this.#add({
      frame: (packetId, _, { subscriptionIdentifiersAvailable }) => {
        const properties = subscriptionIdentifiersAvailable === 0 ? {} : { subscriptionIdentifiers: [id] };
        return encodeSubscribe({ packetId, properties, subscriptions }, 5);
      },
      succeed() {
        ids.splice(0, ids.indexOf(id));
        for (const listener of listeners) listener.granted();
      },
      fail(error) {
        for (const listener of listeners) listener.end(error);
      },
    });
  }

  #add(request: Request): void {
    this.#waiting.push(request);
    this.#pump();
  }

  /** Sends what waits, as far as the broker and the socket take it. */
  #pump(): void {
    for (;;) {
      const [request] = this.#waiting;
      const connection = this.#connection;
      if (!connection || !request) return;
      const server = connection.server as Properties;
      const inFlightMax = (request.qos && server.receiveMaximum) || packetIdMax;
      if (this.#inFlight.size >= inFlightMax) return;
      if (connection.bufferedAmount > bufferedBytesMax) {
        clearTimeout(this.#pollTimer);
        this.#pollTimer = setTimeout(() => this.#pump(), bufferedPollMs);
        return;
      }
      this.#waiting.shift();
      const dup = !!request.packetId;
      const packetId = request.qos === 0 ? 0 : request.packetId || this.#freePacketId();
      try {
        connection.send(request.frame(packetId, dup, server));
        request.packetId = packetId;
        if (packetId) this.#inFlight.set(packetId, request);
        else request.succeed();
      } catch (error) {
        request.fail(error);
      }
    }
  }

  #freePacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % packetIdMax) + 1;
    while (this.#inFlight.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}

function encodeAnswer(
  type: AcknowledgementType,
  packetId: number,
  isKnown: unknown,
): Uint8Array<ArrayBuffer> {
  // 0x92: packet identifier not found.
  return encodeAcknowledgement(type, { packetId, reasonCode: isKnown ? 0 : 0x92, properties: {} }, 5);
}
