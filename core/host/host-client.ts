/**
 * The host program's own MQTT client: the engine of core/protocol and the same data plane as every other client, with
 * the message channel to worker 0 instead of a socket. Owns the listeners, and the requests that wait.
 *
 *     publish, subscribe --> waiting --> engine, while the window has room ----> link, while there is credit --> worker 0
 *     listeners <----------------------- engine <--------------------------------------------------------------- worker 0
 *
 * Waiting messages are not encoded yet. A promise resolves when the broker has the message; its
 * payload must not change before that. After a restart of the worker, unacknowledged packets are sent again.
 *
 * A message is acknowledged, and its bytes are returned to the worker as credit, when all its listeners have settled.
 * So a slow listener fills the session's bounded queue, and QoS 0 messages beyond it are dropped and counted, as with a slow
 * client.
 */
import { BrokerError } from '../broker-error.ts';
import type { Limits } from '../config/limits.ts';
import { type Answer, type Asker, ClientEngine } from '../protocol/client-engine.ts';
import { inOrder } from '../protocol/in-order.ts';
import { type Frame, FrameReader } from '../wire/frame-reader.ts';
import { PacketType } from '../wire/packet-type.ts';
import type { PublishPacket, QoS } from '../wire/packets.ts';
import { isProtocolError, type ProtocolError } from '../wire/protocol-error.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import { isSharedFilter, isValidTopicFilter } from '../wire/topic.ts';
import { type HostChannel, HostLink } from './host-link.ts';
import {
  assertQos,
  type HostMessage,
  hostMessageOf,
  type PublishOptions,
  publicationOf,
} from './host-message.ts';
import { Queue } from './queue.ts';

/** The message has been processed when a returned promise settles. */
export type MessageListener = (message: HostMessage) => void | Promise<void>;

/** A message in transit to the listeners. */
interface Arrival {
  readonly link: HostLink;
  readonly bytes: number;
}

/** A request that the engine does not have yet. */
interface Waiting {
  ask(): void;
  reject(error: unknown): void;
}

/** The errors of requests that the broker refuses. */
class Refusal extends Error {
  readonly reasonCode: number;

  constructor(reasonCode: number) {
    super(`refused: ${reasonCodeName(reasonCode)}`);
    this.reasonCode = reasonCode;
  }
}

interface HostSubscription {
  readonly filter: string;
  readonly qos: QoS;
  readonly listeners: Set<MessageListener>;
  /** One for each SUBSCRIBE, the newest last. */
  readonly ids: number[];
  ready: Promise<number>;
  /** The listener that has got its retained messages. */
  retainedFor: MessageListener | undefined;
  /** Each sends a SUBSCRIBE that is not answered yet. */
  readonly unanswered: Set<() => void>;
}

/** A SUBSCRIBE, by the subscription identifier of its messages. */
interface Asked {
  readonly subscription: HostSubscription;
  /** The listener that gets the retained messages: the one that asked. */
  readonly retainedFor: MessageListener | undefined;
}

/** Subscription identifiers of a filter that are remembered: messages with older ones have arrived long ago. */
const idsMax = 1_024;

/** Packets that may await an answer, if receiveMaximum is not smaller. */
const windowMax = 1_000;

export class HostClient {
  readonly #limits: Limits;
  readonly #channel: HostChannel;
  readonly #engine = new ClientEngine(5, {
    deliver: inOrder((message, acknowledge) => this.#deliver(message, acknowledge)),
    restore: () => this.#restore(),
    refusal: (reasonCode) => new Refusal(reasonCode),
  });
  readonly #waiting = new Queue<Waiting>();
  /** Of requests that await an answer. */
  readonly #window: number;
  #isAsking = false;
  readonly #byFilter = new Map<string, HostSubscription>();
  readonly #byId = new Map<number, Asked>();
  #reader = new FrameReader(5);
  /** Undefined while the worker does not run. */
  #link: HostLink | undefined;
  /** The message that the engine is about to deliver. */
  #arriving: Arrival | undefined;
  /** The error of every request from now on. */
  #closedBy: BrokerError | undefined;

  constructor(limits: Limits, channel: HostChannel) {
    this.#limits = limits;
    this.#window = Math.min(limits.receiveMaximum, windowMax);
    this.#channel = channel;
    this.resume();
  }

  /**
   * Resolves when the broker has the message, to the reason code of its answer: with QoS 1 and 2 it tells whether the
   * topic has subscribers. Errors: HOST_PUBLISH_INVALID, HOST_PUBLISH_REFUSED.
   */
  async publish(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): Promise<number> {
    const packet = publicationOf(topic, payload, options, this.#limits);
    try {
      const answer = await this.#ask((asker) => void this.#engine.publish(packet, asker));
      return answer?.reasonCode ?? ReasonCode.success;
    } catch (error) {
      throw this.#publishError(error);
    }
  }

  /**
   * Like publish(), but a QoS 0 message that need not wait is sent now, without a promise: over HTTP there may be tens of
   * thousands per second. Throws the errors of publish(), or rejects with them.
   */
  send(topic: string, payload: string | Uint8Array, options: PublishOptions): number | Promise<number> {
    const isFree = this.#closedBy === undefined && this.#waiting.size === 0;
    const hasRoom = isFree && this.#engine.requestCount < this.#window;
    if (options.qos !== 0 || !hasRoom) return this.publish(topic, payload, options);
    const packet = publicationOf(topic, payload, options, this.#limits);
    let outcome: Promise<number> | number | undefined;
    let settle: ((outcome: Promise<number> | number) => void) | undefined;
    const end = (reached: Promise<number> | number): void => {
      outcome = reached;
      settle?.(reached);
      this.#askWaiting();
    };
    this.#engine.publish(packet, {
      succeed: () => end(ReasonCode.success),
      fail: (error) => end(Promise.reject(this.#publishError(error))),
    });
    // The link may have no room: then the engine keeps it.
    return (
      outcome ??
      new Promise((resolve) => {
        settle = resolve;
      })
    );
  }

  #publishError(error: unknown): unknown {
    // A RangeError: it is longer than any packet, since all else was checked before.
    if (
      error instanceof RangeError ||
      (error instanceof Refusal && error.reasonCode === ReasonCode.packetTooLarge)
    )
      return new BrokerError(
        'HOST_PUBLISH_INVALID',
        `The packet has more bytes than maximumPacketSizeBytes, which is ${this.#limits.maximumPacketSizeBytes}.`,
      );
    if (!(error instanceof Refusal)) return error;
    return new BrokerError(
      'HOST_PUBLISH_REFUSED',
      `The broker refused the message: ${reasonCodeName(error.reasonCode)}.`,
    );
  }

  /**
   * Resolves when every message from now on will be delivered. The first listener of a filter gets the retained messages, unless
   * `isLiveOnly`, and its QoS also applies to later listeners. Errors: HOST_SUBSCRIBE_INVALID.
   */
  async subscribe(
    filter: string,
    listener: MessageListener,
    qos: QoS = 1,
    isLiveOnly = false,
  ): Promise<() => Promise<void>> {
    if (typeof filter !== 'string' || !isValidTopicFilter(filter) || isSharedFilter(filter)) {
      throw new BrokerError(
        'HOST_SUBSCRIBE_INVALID',
        `"${`${filter}`.slice(0, 80)}" is not a topic filter that the host program can use.`,
      );
    }
    if (typeof listener !== 'function')
      throw new BrokerError(
        'HOST_SUBSCRIBE_INVALID',
        'The second argument of subscribe() must be a function.',
      );
    assertQos(qos, 'HOST_SUBSCRIBE_INVALID');
    const known = this.#byFilter.get(filter);
    // One of its own for each subscription, even if the program gives the same function twice.
    const own: MessageListener = (message) => listener(message);
    const retainedFor = isLiveOnly ? undefined : own;
    const subscription = known ?? this.#addSubscription(filter, qos, retainedFor);
    subscription.listeners.add(own);
    await this.#granted(subscription, subscription.ready);
    if (!isLiveOnly && subscription.retainedFor === undefined) {
      subscription.retainedFor = own;
      await this.sendRetained(filter, own);
    }
    return async () => {
      subscription.listeners.delete(own);
      if (subscription.listeners.size > 0 || this.#byFilter.get(filter) !== subscription) return;
      this.#forget(subscription);
      if (this.#closedBy !== undefined) return; // the broker's end was its own
      await this.#unsubscribe(filter).catch((error: unknown) => {
        if (error !== this.#closedBy) throw error;
      });
    };
  }

  /**
   * Makes the broker send the retained messages again, in order with live ones, to `listener` only. The filter must have
   * a subscription. Resolves when the broker has been asked. Errors: HOST_SUBSCRIBE_INVALID.
   */
  async sendRetained(filter: string, listener: MessageListener): Promise<void> {
    const subscription = this.#byFilter.get(filter);
    if (subscription === undefined) return; // all listeners have left meanwhile
    await this.#granted(subscription, this.#subscribe(subscription, listener, 0));
  }

  /** Errors: HOST_SUBSCRIBE_INVALID, and then there is no subscription. */
  async #granted(subscription: HostSubscription, asked: Promise<number>): Promise<void> {
    const reasonCode = await asked.catch((error: unknown) => {
      this.#forget(subscription);
      throw error;
    });
    if (reasonCode < 0x80) return;
    this.#forget(subscription);
    throw new BrokerError(
      'HOST_SUBSCRIBE_INVALID',
      `The broker refused the filter "${subscription.filter}" with 0x${reasonCode.toString(16)}.`,
    );
  }

  /** Bytes from the broker. */
  receive(bytes: Uint8Array): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#reader.push(bytes);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      // The supervisor reports that the worker stops.
      if (!isProtocolError(frame) && frame.header >> 4 === PacketType.disconnect) continue;
      const error = isProtocolError(frame) ? frame : this.#take(frame, link);
      if (error !== undefined) throw badPacket(error);
    }
  }

  /** The worker has taken this many more bytes. */
  taken(bytes: number): void {
    this.#link?.taken(bytes);
  }

  /** The worker does not run. With `error`, unanswered requests fail; otherwise they are sent to the next worker. */
  lost(error?: BrokerError): void {
    this.#link?.close();
    this.#link = undefined;
    if (error === undefined) this.#engine.lost();
    else this.#engine.end(error);
  }

  /**
   * The worker runs again: unanswered packets are sent again. It has the session, unless its node has joined its cluster
   * anew: then the subscriptions are made again.
   */
  resume(isSessionPresent = true): void {
    this.lost();
    this.#reader = new FrameReader(5);
    const { maximumPacketSizeBytes: maximumPacketSize, hostWindowBytes } = this.#limits;
    const server = { receiveMaximum: this.#window, maximumPacketSize };
    this.#link = new HostLink(server, hostWindowBytes, this.#channel);
    this.#engine.connected(this.#link, isSessionPresent);
  }

  #restore(): void {
    for (const subscription of this.#byFilter.values()) {
      const { unanswered, listeners, retainedFor } = subscription;
      const isWanted = retainedFor !== undefined && listeners.has(retainedFor);
      for (const send of unanswered) send();
      if (unanswered.size > 0) continue;
      const ask = this.#subscribeOf(subscription, isWanted ? retainedFor : undefined, isWanted ? 0 : 2);
      ask({
        succeed: () => this.#askWaiting(),
        fail: () => {
          this.#forget(subscription);
          this.#askWaiting();
        },
      });
    }
  }

  #take(frame: Frame, link: HostLink): ProtocolError | undefined {
    const isMessage = frame.header >> 4 === PacketType.publish;
    if (isMessage) this.#arriving = { link, bytes: byteCountOf(frame) };
    const error = this.#engine.received(frame);
    this.#arrived(); // unless it was delivered: it is a repetition
    return error;
  }

  /** Returns the credit for the arriving message to the worker. */
  #arrived(arrival = this.#arriving): void {
    this.#arriving = undefined;
    arrival?.link.processed(arrival.bytes);
  }

  #addSubscription(filter: string, qos: QoS, retainedFor: MessageListener | undefined): HostSubscription {
    const subscription: HostSubscription = {
      filter,
      qos,
      listeners: new Set(),
      ids: [],
      ready: Promise.resolve(0),
      retainedFor,
      unanswered: new Set(),
    };
    this.#byFilter.set(filter, subscription);
    subscription.ready = this.#subscribe(subscription, retainedFor, retainedFor === undefined ? 2 : 0);
    return subscription;
  }

  /** Resolves with the reason code of the answer. */
  async #subscribe(
    subscription: HostSubscription,
    retainedFor: MessageListener | undefined,
    retainHandling: 0 | 2,
  ): Promise<number> {
    return await this.#reasonCodeOf(this.#subscribeOf(subscription, retainedFor, retainHandling));
  }

  /** What sends the SUBSCRIBE. */
  #subscribeOf(
    subscription: HostSubscription,
    retainedFor: MessageListener | undefined,
    retainHandling: 0 | 2,
  ): (asker: Asker) => void {
    const { filter: topicFilter, qos, ids, unanswered } = subscription;
    const id = this.#engine.newSubscriptionId();
    this.#byId.set(id, { subscription, retainedFor });
    ids.push(id);
    if (ids.length > idsMax) this.#byId.delete(ids.shift() ?? 0);
    const request = { topicFilter, qos, noLocal: false, retainAsPublished: false, retainHandling } as const;
    return (asker) => {
      const send = (): void =>
        this.#engine.subscribe(request, id, {
          succeed: (answer) => {
            unanswered.delete(send);
            asker.succeed(answer);
          },
          fail: (error) => {
            unanswered.delete(send);
            asker.fail(error);
          },
        });
      unanswered.add(send);
      send();
    };
  }

  async #unsubscribe(filter: string): Promise<number> {
    return await this.#reasonCodeOf((asker) => this.#engine.unsubscribe(filter, asker));
  }

  async #reasonCodeOf(ask: (asker: Asker) => void): Promise<number> {
    try {
      return (await this.#ask(ask))?.reasonCode ?? ReasonCode.success;
    } catch (error) {
      if (error instanceof Refusal) return error.reasonCode;
      throw error;
    }
  }

  #forget(subscription: HostSubscription): void {
    if (this.#byFilter.get(subscription.filter) === subscription) this.#byFilter.delete(subscription.filter);
    for (const id of subscription.ids) this.#byId.delete(id);
  }

  /** There will be no more answers: whatever is asked from now on fails. */
  close(): void {
    this.#link?.flush();
    const error = new BrokerError('NOT_RUNNING', 'The broker has stopped before it answered.');
    this.#closedBy = error;
    const waiting = this.#waiting.takeAll();
    this.#engine.end(error);
    for (const { reject } of waiting) reject(error);
  }

  /** Passes requests to the engine, in order, when the window has room. */
  #ask(ask: (asker: Asker) => void): Promise<Answer | undefined> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    return new Promise((resolve, reject) => {
      const asker: Asker = {
        succeed: (answer) => {
          resolve(answer);
          this.#askWaiting();
        },
        fail: (error) => {
          reject(error);
          this.#askWaiting();
        },
      };
      this.#waiting.add({ ask: () => ask(asker), reject });
      this.#askWaiting();
    });
  }

  #askWaiting(): void {
    // Requests that are answered at once, such as QoS 0, call this again.
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#engine.requestCount < this.#window) {
      const next = this.#waiting.take();
      if (next === undefined) break;
      next.ask();
    }
    this.#isAsking = false;
  }

  #deliver(packet: PublishPacket, acknowledge: () => void): void {
    const arrival = this.#arriving;
    this.#arriving = undefined;
    const message = hostMessageOf(packet);
    let unsettled = 1;
    const settle = (): void => {
      unsettled -= 1;
      if (unsettled > 0) return;
      acknowledge();
      this.#arrived(arrival);
    };
    for (const id of packet.properties.subscriptionIdentifiers ?? []) {
      for (const listener of this.#listenersOf(id, message)) {
        const settling = tell(listener, message);
        if (settling === undefined) continue;
        unsettled += 1;
        void settling.finally(settle); // a rejection stays unhandled: the host program has to handle it
      }
    }
    settle();
  }

  #listenersOf(id: number, { retain }: HostMessage): Iterable<MessageListener> {
    const asked = this.#byId.get(id);
    if (asked === undefined) return [];
    const { subscription, retainedFor } = asked;
    if (!retain) return subscription.listeners;
    return retainedFor === undefined ? [] : [retainedFor];
  }
}

/** Returns what to wait for. An error of the listener becomes an uncaught error of the host program; it must not end our own work. */
function tell(listener: MessageListener, message: HostMessage): Promise<void> | undefined {
  try {
    const settling = listener(message);
    return typeof settling?.then === 'function' ? Promise.resolve(settling) : undefined;
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return undefined;
  }
}

/** Bytes of a complete frame: a remaining length has seven bits in a byte, and as few bytes as possible. */
function byteCountOf({ body: { length } }: Frame): number {
  return 1 + (length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4) + length;
}

/** Packets from our own data plane are well-formed, or it has a bug. */
function badPacket({ why }: ProtocolError): Error {
  return new Error(`the data plane sent a bad packet: ${why}`);
}
