/**
 * What outlives a connection: the engine, which has the messages on their way, and who listens to what. Owns the
 * bound of the queue.
 */
import { ClientEngine, type EngineUser } from '../core/protocol/client-engine.ts';
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
  /** Subscription identifiers under which messages may come: of the last SUBSCRIBE, and those on their way. */
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

  /** Resolves when the broker has it, and with QoS 0 when it was sent. */
  publish(packet: PublishPacket, signal?: AbortSignal): Promise<PublishResult | undefined> {
    return abortable<PublishResult | undefined>(signal, (resolve, reject) => {
      const { max = 1_000, policy } = this.#queue;
      if (this.engine.requestCount >= max) {
        const oldest = policy === 'dropOldest' && this.engine.withdraw();
        const error = new RallyError(0x97, 'queue full');
        if (!oldest) throw error;
        oldest.fail(error);
      }
      const request = this.engine.publish(packet, { succeed: resolve, fail: reject });
      // If it was aborted. What was sent once goes on.
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
    const { signal, qos = 2 } = options;
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
    // Asked for even if there is one, so that the new listener gets the retained messages as well.
    this.#subscribe(filter, [receiver]);
    signal?.addEventListener('abort', subscription.unsubscribe);
    if (signal?.aborted) subscription.unsubscribe();
    return subscription;
  }

  /** It is over. */
  closed(error?: Error): void {
    // Nobody is to be told that they unsubscribe.
    this.engine.lost();
    for (const { listeners } of this.#filters.values()) {
      for (const listener of listeners) listener.end(error);
    }
    this.engine.end(error ?? new RallyError());
  }

  /** Subscribes again to all that has listeners. */
  restore(): void {
    for (const filter of this.#filters.values()) this.#subscribe(filter, filter.listeners);
  }

  deliver(packet: PublishPacket, acknowledge: () => void): void {
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
    acknowledge();
  }

  /** Asks for messages, and for the retained ones on behalf of `newcomers`. */
  #subscribe({ topicFilter, options, listeners, ids }: Filter, newcomers: Iterable<Receiver>): void {
    // What the options leave out is false or 0, and the QoS is there.
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
