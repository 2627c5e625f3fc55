/**
 * What outlives a connection: the engine, which has the messages in flight, and the listeners by topic filter. Owns the
 * bound of the queue.
 */
import { ClientEngine, type EngineUser, type Publication } from '../core/protocol/client-engine.ts';
import type { PublishPacket, QoS, SubscriptionRequest } from '../core/wire/packets.ts';
import { topicMatchesFilter, unsharedFilter } from '../core/wire/topic.ts';
import { abortable } from './abortable.ts';
import { toMessage } from './message.ts';
import type { PublishResult, QueueOptions, SubscribeOptions } from './options.ts';
import { RallyError, refusal } from './rally-error.ts';
import { createReceiver, type Listener, type Receiver, type Subscription } from './subscription.ts';

interface Filter {
  readonly topicFilter: string;
  readonly listeners: Set<Receiver>;
  options: SubscribeOptions;
  /** Subscription identifiers that messages may have: of the last SUBSCRIBE, and of those that are not answered yet. */
  readonly ids: number[];
}

export class Session implements EngineUser {
  readonly #queue: QueueOptions;
  readonly refusal = refusal;
  readonly engine = new ClientEngine(5, this);
  /** By topic filter. */
  readonly #filters = new Map<string, Filter>();

  constructor(queue: QueueOptions = {}) {
    this.#queue = queue;
  }

  /** Resolves when the broker has the message, and with QoS 0 once it is sent. */
  publish(message: Publication, signal?: AbortSignal): Promise<PublishResult | undefined> {
    return abortable<PublishResult | undefined>(signal, (resolve, reject) => {
      const { max = 1_000, policy } = this.#queue;
      if (this.engine.requestCount >= max) {
        const oldest = policy === 'dropOldest' && this.engine.withdraw();
        const error = new RallyError(0x97, 'queue full');
        if (!oldest) throw error;
        oldest.fail(error);
      }
      const request = this.engine.publish(message, { succeed: resolve, fail: reject });
      // If it was aborted. A message that was sent stays in flight.
      return () => void this.engine.withdraw(request);
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
    const { qos = 2, signal } = options;
    const receiver = createReceiver(listener, options.bufferMax ?? 1_000, () => {
      signal?.removeEventListener('abort', subscription.unsubscribe);
      listeners.delete(receiver);
      if (listeners.size) return undefined;
      this.#filters.delete(topicFilter);
      return new Promise((resolve) =>
        this.engine.unsubscribe(topicFilter, { succeed: resolve, fail: resolve }),
      );
    });
    const { subscription } = receiver;
    filter.options = { ...options, qos: Math.max(qos, filter.options.qos ?? 2) as QoS };
    listeners.add(receiver);
    // Subscribes even if there is a subscription, so that the new listener gets the retained messages too.
    this.#subscribe(filter, [receiver]);
    signal?.addEventListener('abort', subscription.unsubscribe);
    if (signal?.aborted) subscription.unsubscribe();
    return subscription;
  }

  /** The client is closed. */
  closed(error?: Error): void {
    // The broker must not get an UNSUBSCRIBE for them.
    this.engine.lost();
    for (const { listeners } of this.#filters.values()) {
      for (const listener of listeners) listener.end(error);
    }
    this.engine.end(error ?? new RallyError());
  }

  /** Subscribes again to all filters that have listeners. */
  restore(): void {
    for (const filter of this.#filters.values()) this.#subscribe(filter, filter.listeners);
  }

  deliver(packet: PublishPacket, acknowledge: () => void): void {
    const message = toMessage(packet);
    const {
      topic,
      retain,
      properties: { subscriptionIdentifiers = [] },
    } = packet;
    const filters = [...this.#filters.values()];
    // A broker may send a message once for each matching filter, with the identifier of that subscription.
    const named = filters.filter(({ ids }) => ids.some((id) => subscriptionIdentifiers.includes(id)));
    const matching = named[0]
      ? named
      : filters.filter(({ topicFilter }) => topicMatchesFilter(topic, unsharedFilter(topicFilter)));
    for (const { listeners, options, ids } of matching) {
      // Retained messages are for the listeners of the SUBSCRIBE that they answer.
      const asked = named[0] ? subscriptionIdentifiers : ids.slice(-1);
      // A copy: a listener that another one adds gets later messages.
      for (const listener of [...listeners]) {
        if (!retain || options.retainAsPublished || asked.includes(listener.id)) listener.deliver(message);
      }
    }
    acknowledge();
  }

  /** Sends the SUBSCRIBE; the retained messages are for `newcomers`. */
  #subscribe({ topicFilter, options, listeners, ids }: Filter, newcomers: Iterable<Receiver>): void {
    // Options that are left out are false or 0; the QoS is always set.
    const subscription = { ...options, topicFilter } as SubscriptionRequest;
    const id = this.engine.newSubscriptionId();
    ids.push(id);
    for (const listener of newcomers) listener.id = id;
    this.engine.subscribe(subscription, id, {
      succeed() {
        ids.splice(0, ids.indexOf(id));
        for (const listener of listeners) listener.granted();
      },
      fail(error) {
        for (const listener of listeners) listener.end(error);
      },
    });
  }
}
