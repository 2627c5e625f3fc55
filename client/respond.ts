/** An add-on: the other side of `rally.request` (section 4.10). */
import type { Message, RallyClient, SubscribeOptions, Subscription, Value } from './rally.ts';

/**
 * Answers requests: calls `answer` for each message of `topicFilter` and publishes what it returns, or what
 * its promise resolves to, to the message's response topic. A message without a response topic gets no response. What
 * `answer` throws goes to `onError`, and the requester gets no response: pass a timeout signal to requests.
 */
export function respond(
  rally: RallyClient,
  topicFilter: string,
  answer: (request: Message) => Value | Promise<Value>,
  onError: (error: unknown) => void,
  options?: SubscribeOptions,
): Subscription {
  const respondTo = async (request: Message): Promise<void> => {
    const value = await answer(request);
    const { responseTopic, correlationData } = request.properties;
    if (responseTopic === undefined) return;
    const properties = correlationData ? { correlationData } : {};
    await rally.publish(responseTopic, value, { qos: request.qos, properties });
  };
  return rally.subscribe(topicFilter, (request) => void respondTo(request).catch(onError), options);
}
