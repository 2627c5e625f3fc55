/**
 * The host program's own MQTT client: the same protocol and the same data plane as any other client's, with
 * the message channel to worker 0 in place of a socket. Wills go out this way too.
 *
 * A promise says when the broker has the message. Beyond the window, packets wait here; after a restart of
 * the worker, what was not acknowledged is sent again.
 */
import { BrokerError } from '../broker-error.ts';
import type { Limits } from '../config/limits.ts';
import { decodeAcknowledgement, decodeSubscriptionAnswer } from '../wire/decode-acknowledgement.ts';
import { decodePublish } from '../wire/decode-publish.ts';
import { encodeAcknowledgement } from '../wire/encode-acknowledgement.ts';
import { encodePublish } from '../wire/encode-publish.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../wire/encode-subscribe.ts';
import { type Frame, FrameReader } from '../wire/frame-reader.ts';
import { PacketType } from '../wire/packet-type.ts';
import type { AcknowledgementPacket, PublishPacket, QoS } from '../wire/packets.ts';
import type { Properties } from '../wire/properties.ts';
import { isProtocolError, type ProtocolError } from '../wire/protocol-error.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import { isSharedFilter, isValidTopicFilter, isValidTopicName, levelCount } from '../wire/topic.ts';

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

/** What awaits its answer; `bytes` are sent again if need be. */
interface Unanswered {
  bytes: Uint8Array;
  resolve(reasonCode: number): void;
  reject(error: unknown): void;
}

interface HostSubscription {
  readonly id: number;
  readonly filter: string;
  readonly qos: QoS;
  readonly listeners: Set<MessageListener>;
  readonly ready: Promise<number>;
}

export class HostClient {
  readonly #limits: Limits;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #unanswered = new Map<number, Unanswered>();
  /** What the window has no room for yet, in order. */
  readonly #waiting = new Set<{
    encode: (packetId: number) => Uint8Array;
    resolve: Unanswered['resolve'];
    reject: Unanswered['reject'];
  }>();
  /** QoS 2 messages that were delivered and not yet released. */
  readonly #received = new Set<number>();
  readonly #byFilter = new Map<string, HostSubscription>();
  readonly #byId = new Map<number, HostSubscription>();
  /** Look-ups of retained messages that are under way, by topic. */
  readonly #lookUps = new Map<string, Promise<HostMessage | undefined>>();
  /** What they have found, by subscription. */
  readonly #lookedUp = new Map<number, MessageListener>();
  readonly #window: number;
  #reader: FrameReader;
  #packetIds = 0;
  #subscriptionIds = 0;

  constructor(limits: Limits, send: (bytes: Uint8Array) => void) {
    this.#limits = limits;
    this.#send = send;
    this.#window = Math.min(limits.receiveMaximum, 1_000);
    this.#reader = new FrameReader(5);
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
    const encode = (packetId: number): Uint8Array => {
      const frame = encodePublish({ ...packet, packetId }, 5);
      const limit = this.#limits.maximumPacketSizeBytes;
      if (frame.length <= limit) return frame;
      throw new BrokerError(
        'HOST_PUBLISH_INVALID',
        `The packet has ${frame.length} bytes and maximumPacketSizeBytes is ${limit}.`,
      );
    };
    if (qos === 0) {
      this.#send(encode(0));
      return;
    }
    const reasonCode = await this.#exchange(encode);
    if (reasonCode >= 0x80) {
      throw new BrokerError(
        'HOST_PUBLISH_REFUSED',
        `The broker refused the message: ${reasonCodeName(reasonCode)}.`,
      );
    }
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
    const id = held?.id ?? ++this.#subscriptionIds;
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
      this.#onFrame(orThrow(frame));
    }
  }

  /** The worker runs again and has the session as it was: unanswered packets are sent once more. */
  resume(): void {
    this.#reader = new FrameReader(5);
    for (const { bytes } of this.#unanswered.values()) this.#send(bytes);
  }

  #addSubscription(filter: string, qos: QoS): HostSubscription {
    const id = ++this.#subscriptionIds;
    const ready = this.#subscribe(filter, qos, id);
    const subscription: HostSubscription = { id, filter, qos, listeners: new Set(), ready };
    this.#byFilter.set(filter, subscription);
    this.#byId.set(id, subscription);
    return subscription;
  }

  #subscribe(topicFilter: string, qos: QoS, id: number): Promise<number> {
    const request = {
      topicFilter,
      qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    const properties = { subscriptionIdentifiers: [id] };
    return this.#exchange((packetId) =>
      encodeSubscribe({ packetId, subscriptions: [request], properties }, 5),
    );
  }

  #unsubscribe(filter: string): Promise<number> {
    return this.#exchange((packetId) =>
      encodeUnsubscribe({ packetId, topicFilters: [filter], properties: {} }, 5),
    );
  }

  #forget(subscription: HostSubscription): void {
    this.#byFilter.delete(subscription.filter);
    this.#byId.delete(subscription.id);
  }

  /** Nothing will be answered any more. */
  close(): void {
    const error = new BrokerError('NOT_RUNNING', 'The broker has stopped before it answered.');
    for (const { reject } of [...this.#unanswered.values(), ...this.#waiting]) reject(error);
    this.#unanswered.clear();
    this.#waiting.clear();
  }

  /** Sends a packet that will be answered, when the window has room. Resolves with the reason code. */
  #exchange(encode: (packetId: number) => Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ encode, resolve, reject });
      this.#sendWaiting();
    });
  }

  #sendWaiting(): void {
    for (const next of this.#waiting) {
      if (this.#unanswered.size >= this.#window) return;
      this.#waiting.delete(next);
      const { encode, resolve, reject } = next;
      const packetId = this.#freePacketId();
      try {
        const bytes = encode(packetId);
        this.#unanswered.set(packetId, { bytes, resolve, reject });
        this.#send(bytes);
      } catch (error) {
        reject(error);
      }
    }
  }

  #freePacketId(): number {
    do this.#packetIds = (this.#packetIds % 65_535) + 1;
    while (this.#unanswered.has(this.#packetIds));
    return this.#packetIds;
  }

  #answered(packetId: number, reasonCode: number): void {
    const unanswered = this.#unanswered.get(packetId);
    this.#unanswered.delete(packetId);
    unanswered?.resolve(reasonCode);
    this.#sendWaiting();
  }

  #onFrame({ header, body }: Frame): void {
    const type = header >> 4;
    if (type === PacketType.publish) {
      this.#onPublish(orThrow(decodePublish(header, body, 5)));
    } else if (type === PacketType.suback || type === PacketType.unsuback) {
      const { packetId, reasonCodes } = orThrow(decodeSubscriptionAnswer(PacketType.suback << 4, body, 5));
      this.#answered(packetId, reasonCodes[0] ?? 0);
    } else if (type === PacketType.puback || type === PacketType.pubcomp) {
      const { packetId, reasonCode } = orThrow(decodeAcknowledgement(header, body, 5));
      this.#answered(packetId, reasonCode);
    } else if (type === PacketType.pubrec) {
      this.#onPubrec(orThrow(decodeAcknowledgement(header, body, 5)));
    } else if (type === PacketType.pubrel) {
      const { packetId } = orThrow(decodeAcknowledgement(header, body, 5));
      this.#received.delete(packetId);
      this.#send(encodeAcknowledgement(PacketType.pubcomp, { packetId, reasonCode: 0, properties: {} }, 5));
    }
  }

  #onPubrec({ packetId, reasonCode }: AcknowledgementPacket): void {
    const unanswered = this.#unanswered.get(packetId);
    if (unanswered === undefined) return;
    if (reasonCode >= 0x80) {
      this.#answered(packetId, reasonCode);
      return;
    }
    unanswered.bytes = encodeAcknowledgement(
      PacketType.pubrel,
      { packetId, reasonCode: 0, properties: {} },
      5,
    );
    this.#send(unanswered.bytes);
  }

  #onPublish({ topic, payload, qos, retain, packetId = 0, properties }: PublishPacket): void {
    const { subscriptionIdentifiers = [], ...others } = properties;
    const message: HostMessage = { topic, payload, qos, retain, properties: others };
    const answer = { packetId, reasonCode: 0, properties: {} };
    if (qos === 1) this.#send(encodeAcknowledgement(PacketType.puback, answer, 5));
    if (qos === 2) {
      this.#send(encodeAcknowledgement(PacketType.pubrec, answer, 5));
      if (this.#received.has(packetId)) return;
      this.#received.add(packetId);
    }
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
function orThrow<T extends object>(decoded: T | ProtocolError): T {
  if (isProtocolError(decoded)) throw new Error(`the data plane sent a bad packet: ${decoded.why}`);
  return decoded;
}
