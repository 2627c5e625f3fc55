/** An add-on: retained messages as a map that is always up to date. */
import type { Message, RallyClient, SubscribeOptions, Subscription, Value } from './rally.ts';

export interface State {
  /** The last message of each topic, by topic name: a new map after each change. */
  readonly topics: ReadonlyMap<string, Message>;
  readonly subscription: Subscription;
  /** Changes the state for everyone: publishes with QoS 1 and retain. Without a value it clears the topic. */
  set(topic: string, value?: Value): Promise<void>;
}

/**
 * Follows `topicFilter`. `onChange` is called for each message with a new map, so that a framework notices the change; an
 * empty message clears its topic. A late visitor gets the current state immediately, because the broker keeps it.
 *
 * When the broker has lost the session, what was cleared in the meantime is unknown: the map starts over, `onChange` is called
 * without a message, and the broker sends the current state again.
 */
export function followState(
  rally: RallyClient,
  topicFilter: string,
  onChange?: (topics: ReadonlyMap<string, Message>, message: Message | undefined) => void,
  options?: SubscribeOptions,
): State {
  let topics: ReadonlyMap<string, Message> = new Map();
  const subscription = rally.subscribe(
    topicFilter,
    (message) => {
      const next = new Map(topics);
      if (message.bytes.length > 0) next.set(message.topic, message);
      else next.delete(message.topic);
      topics = next;
      onChange?.(topics, message);
    },
    options,
  );
  const startOver = ({ sessionPresent }: { sessionPresent: boolean }): void => {
    if (sessionPresent || topics.size === 0) return;
    topics = new Map();
    onChange?.(topics, undefined);
  };
  const stop = rally.on('connected', startOver, options?.signal && { signal: options.signal });
  const unsubscribe = (): Promise<void> => {
    stop();
    return subscription.unsubscribe();
  };
  const set = async (topic: string, value?: Value): Promise<void> => {
    await rally.publish(topic, value, { qos: 1, retain: true });
  };
  return {
    get topics() {
      return topics;
    },
    subscription: { ...subscription, unsubscribe },
    set,
  };
}
