/**
 * The host program's own MQTT client: the engine of core/protocol and the same data plane as any other client's, with
 * the message channel to worker 0 in place of a socket. Owns who listens to what, and what waits.
 *
 *     publish, subscribe --> waiting --> engine, as many as the window takes --> worker 0
 *     listeners <----------------------- engine <------------------------------ worker 0
 *
 * A promise says when the broker has the message; its payload must not change before that. After a restart of the
 * worker, what was not acknowledged is sent again.
 */
import { BrokerError } from '../broker-error.ts';
import type { Limits } from '../config/limits.ts';
import { type Answer, type Asker, ClientEngine, type Link } from '../protocol/client-engine.ts';
import { inOrder } from '../protocol/in-order.ts';
import { FrameReader } from '../wire/frame-reader.ts';
import { PacketType } from '../wire/packet-type.ts';
import type { PublishPacket, QoS } from '../wire/packets.ts';
import type { Properties } from '../wire/properties.ts';
import { isProtocolError, type ProtocolError } from '../wire/protocol-error.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import { isSharedFilter, isValidTopicFilter, isValidTopicName, levelCount } from '../wire/topic.ts';
import { Queue } from './queue.ts';

export interface PublishOptions {
  /** Default 1. */
  readonly qos?: QoS;
  /** Default false. */
  readonly retain?: boolean;
  /** MQTT 5 properties that go with the message. */
  readonly properties?: Properties;
}

export interface HostMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  /** True for a retained message that was there before the subscription. */
  readonly retain: boolean;
  readonly properties: Properties;
}

export type MessageListener = (message: HostMessage) => void;

/** What the engine has not got yet. */
interface Waiting {
  ask(): void;
  reject(error: unknown): void;
}

/** How a request fails that the broker refuses. */
class Refusal extends Error {
  readonly reasonCode: number;

  constructor(reasonCode: number) {
    super(`refused: ${reasonCodeName(reasonCode)}`);
    this.reasonCode = reasonCode;
  }
}

interface HostSubscription {
  readonly id: number;
  readonly filter: string;
  readonly qos: QoS;
  readonly listeners: Set<MessageListener>;
  readonly ready: Promise<number>;
}

/** Packets that may await an answer, if receiveMaximum is not smaller. */
const windowMax = 1_000;

export class HostClient {
  readonly #limits: Limits;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #engine = new ClientEngine(5, {
    deliver: inOrder((message, acknowledge) => {
      try {
        this.#deliver(message);
      } finally {
        acknowledge();
      }
    }),
    // The session is in the data plane for as long as the broker runs.
    restore() {},
    refusal: (reasonCode) => new Refusal(reasonCode),
  });
  readonly #waiting = new Queue<Waiting>();
  /** Of requests that await an answer. */
  readonly #window: number;
  #isAsking = false;
  readonly #byFilter = new Map<string, HostSubscription>();
  readonly #byId = new Map<number, HostSubscription>();
  /** Look-ups of retained messages that are under way, by topic. */
  readonly #lookUps = new Map<string, Promise<HostMessage | undefined>>();
  /** What they have found, by subscription. */
  readonly #lookedUp = new Map<number, MessageListener>();
  #reader = new FrameReader(5);

  constructor(limits: Limits, send: (bytes: Uint8Array) => void) {
    this.#limits = limits;
    this.#window = Math.min(limits.receiveMaximum, windowMax);
    this.#send = send;
    this.#engine.connected(this.#newLink(), true);
  }

  /** Resolves when the broker has the message. Errors: HOST_PUBLISH_INVALID. */
  async publish(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): Promise<void> {
    const { qos = 1, retain = false, properties = {} } = options;
    if (!isValidTopicName(topic) || levelCount(topic) > this.#limits.topicLevelsMax) {
      throw new BrokerError(
        'HOST_PUBLISH_INVALID',
        `"${topic.slice(0, 80)}" is not a topic name that can be published to.`,
      );
    }
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const packet: PublishPacket = { topic, payload: bytes, qos, retain, dup: false, properties };
    try {
      await this.#ask((asker) => void this.#engine.publish(packet, asker));
    } catch (error) {
      throw error instanceof Refusal ? this.#publishError(error) : error;
    }
  }

  #publishError({ reasonCode }: Refusal): BrokerError {
    return reasonCode === ReasonCode.packetTooLarge
      ? new BrokerError(
          'HOST_PUBLISH_INVALID',
          `The packet has more bytes than maximumPacketSizeBytes, which is ${this.#limits.maximumPacketSizeBytes}.`,
        )
      : new BrokerError(
          'HOST_PUBLISH_REFUSED',
          `The broker refused the message: ${reasonCodeName(reasonCode)}.`,
        );
  }

  /**
   * Resolves when every message from now on will come. Retained messages come to the first listener of a
   * filter, whose QoS also counts for those that follow. Errors: HOST_SUBSCRIBE_INVALID.
   */
  async subscribe(filter: string, listener: MessageListener, qos: QoS = 1): Promise<() => Promise<void>> {
    if (!isValidTopicFilter(filter) || isSharedFilter(filter)) {
      throw new BrokerError(
        'HOST_SUBSCRIBE_INVALID',
        `"${filter.slice(0, 80)}" is not a topic filter that the host can use.`,
      );
    }
    if (this.#lookUps.has(filter)) await this.#afterLookUp(filter);
    const subscription = this.#byFilter.get(filter) ?? this.#addSubscription(filter, qos);
    subscription.listeners.add(listener);
    const reasonCode = await subscription.ready;
    if (reasonCode >= 0x80) {
      this.#forget(subscription);
      throw new BrokerError(
        'HOST_SUBSCRIBE_INVALID',
        `The broker refused the filter "${filter}" with 0x${reasonCode.toString(16)}.`,
      );
    }
    return async () => {
      subscription.listeners.delete(listener);
      if (this.#lookUps.has(filter)) await this.#afterLookUp(filter);
      if (subscription.listeners.size > 0 || this.#byFilter.get(filter) !== subscription) return;
      this.#forget(subscription);
      await this.#unsubscribe(filter);
    };
  }

  /**
   * The message that is retained on `topic`, if there is one. Look-ups of one topic at the same time share one.
   */
  retained(topic: string): Promise<HostMessage | undefined> {
    const underWay = this.#lookUps.get(topic);
    if (underWay !== undefined) return underWay;
    const lookUp = this.#lookUp(topic).finally(() => this.#lookUps.delete(topic));
    this.#lookUps.set(topic, lookUp);
    return lookUp;
  }

  /** A subscription that ends at once: the retained message comes between SUBACK and UNSUBACK. */
  async #lookUp(topic: string): Promise<HostMessage | undefined> {
    const held = this.#byFilter.get(topic);
    await held?.ready;
    const id = held?.id ?? this.#engine.newSubscriptionId();
    let found: HostMessage | undefined;
    this.#lookedUp.set(id, (message) => {
      found = message;
    });
    try {
      await this.#subscribe(topic, held?.qos ?? 0, id);
      // If the host program keeps the subscription, it is not ended: nobody has a filter of this name.
      const ended = held === undefined ? topic : `${topic}/ ended look-up`;
      await this.#unsubscribe(ended);
    } finally {
      this.#lookedUp.delete(id);
    }
    return found;
  }

  async #afterLookUp(topic: string): Promise<void> {
    await this.#lookUps.get(topic)?.catch(() => undefined); // whoever asked is told
  }

  /** Bytes from the broker. */
  receive(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      // The supervisor says that the worker stops.
      if (!isProtocolError(frame) && frame.header >> 4 === PacketType.disconnect) continue;
      const error = isProtocolError(frame) ? frame : this.#engine.received(frame);
      if (error !== undefined) throw badPacket(error);
    }
  }

  /** The worker runs again and has the session as it was: unanswered packets are sent once more. */
  resume(): void {
    this.#reader = new FrameReader(5);
    this.#engine.lost();
    this.#engine.connected(this.#newLink(), true);
  }

  /** One for each run of the worker, so that what belongs to the last one is not sent to the next. */
  #newLink(): Link {
    const { maximumPacketSizeBytes: maximumPacketSize } = this.#limits;
    const server = { receiveMaximum: this.#window, maximumPacketSize };
    return { server, send: this.#send, hasRoom: () => true };
  }

  #addSubscription(filter: string, qos: QoS): HostSubscription {
    const id = this.#engine.newSubscriptionId();
    const ready = this.#subscribe(filter, qos, id);
    const subscription: HostSubscription = { id, filter, qos, listeners: new Set(), ready };
    this.#byFilter.set(filter, subscription);
    this.#byId.set(id, subscription);
    return subscription;
  }

  /** Resolves with the reason code of the answer. */
  async #subscribe(topicFilter: string, qos: QoS, id: number): Promise<number> {
    const request = {
      topicFilter,
      qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    return await this.#reasonCodeOf((asker) => this.#engine.subscribe(request, id, asker));
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
    this.#byFilter.delete(subscription.filter);
    this.#byId.delete(subscription.id);
  }

  /** Nothing will be answered any more. */
  close(): void {
    const error = new BrokerError('NOT_RUNNING', 'The broker has stopped before it answered.');
    const waiting = this.#waiting.takeAll();
    this.#engine.end(error);
    for (const { reject } of waiting) reject(error);
  }

  /** Asks the engine when the window has room, in order. */
  #ask(ask: (asker: Asker) => void): Promise<Answer | undefined> {
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
    // What is answered at once, as QoS 0 is, leads back here.
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#engine.requestCount < this.#window) {
      const next = this.#waiting.take();
      if (next === undefined) break;
      next.ask();
    }
    this.#isAsking = false;
  }

  #deliver({ topic, payload, qos, retain, properties }: PublishPacket): void {
    const { subscriptionIdentifiers = [], ...others } = properties;
    const message: HostMessage = { topic, payload, qos, retain, properties: others };
    for (const id of subscriptionIdentifiers) {
      const lookedUp = retain ? this.#lookedUp.get(id) : undefined;
      if (lookedUp !== undefined) {
        lookedUp(message);
        continue;
      }
      for (const listener of this.#byId.get(id)?.listeners ?? []) listener(message);
    }
  }
}

/** What comes from our own data plane is well-formed, or there is a bug in it. */
function badPacket({ why }: ProtocolError): Error {
  return new Error(`the data plane sent a bad packet: ${why}`);
}
