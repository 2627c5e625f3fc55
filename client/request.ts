/** Request and response (section 4.10), with anything that can publish and subscribe. */
import { type Message, toBytes, type Value } from './message.ts';
import type { PublishOptions, PublishResult, SubscribeOptions } from './options.ts';
import { RallyError } from './rally-error.ts';
import type { Subscription } from './subscription.ts';

interface Messenger {
  publish(topic: string, value: Value, options: PublishOptions): Promise<PublishResult | undefined>;
  subscribe(topicFilter: string, options: SubscribeOptions): Subscription;
}

/** Resolves with the first response; rejects with the reason of `options.signal`, or when the client is closed. */
export async function request(
  messenger: Messenger,
  topic: string,
  value: Value,
  options: PublishOptions,
): Promise<Message> {
  const id = `${Math.random()}`;
  const properties = { ...options.properties, responseTopic: `reply/${id}`, correlationData: toBytes(id) };
  const { signal } = options;
  const replies = messenger.subscribe(properties.responseTopic, { signal });
  try {
    await messenger.publish(topic, value, { ...options, properties });
    for await (const reply of replies) return reply;
  } finally {
    replies.unsubscribe();
  }
  throw signal?.reason ?? new RallyError();
}
