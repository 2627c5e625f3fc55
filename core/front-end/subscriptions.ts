/** What becomes of each topic filter of a SUBSCRIBE or UNSUBSCRIBE: a reason code for its SUBACK or UNSUBACK. */
import type { BrokerConfig } from '../config/options.ts';
import { type Engine, Subscribed } from '../data-plane/addon.ts';
import type { SubscribePacket } from '../wire/packets.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { isSharedFilter } from '../wire/topic.ts';
import { refusalOf } from './availability.ts';

/**
 * A SUBSCRIBE of a bridge (see decode-connect.ts): nothing that it has published comes back to it, or two brokers
 * would send a message to and fro for ever, and a message stays retained on its way to the other broker.
 */
export function asBridge(packet: SubscribePacket): SubscribePacket {
  const subscriptions = packet.subscriptions.map((subscription) => ({
    ...subscription,
    noLocal: !isSharedFilter(subscription.topicFilter), // [MQTT-3.8.3-4]
    retainAsPublished: true,
  }));
  return { ...packet, subscriptions };
}

/**
 * Adds the subscriptions to the session: for each the granted QoS, or why it is refused. `token` names the
 * SUBSCRIBE to the data plane. `isAllowed`: what programs say about each; undefined: none was asked.
 */
export function subscribe(
  engine: Engine,
  config: BrokerConfig,
  session: number,
  { subscriptions, properties }: SubscribePacket,
  token: number,
  isAllowed: readonly boolean[] | undefined,
): number[] {
  const { maximumQoS } = config.limits;
  const subscriptionId = properties.subscriptionIdentifiers?.[0] ?? 0;
  return subscriptions.map(({ topicFilter, noLocal, retainAsPublished, retainHandling, ...asked }, index) => {
    if (isAllowed !== undefined && isAllowed[index] !== true) return ReasonCode.notAuthorized;
    const refusal = refusalOf(topicFilter, config);
    if (refusal !== undefined) return refusal;
    const qos = Math.min(asked.qos, maximumQoS); // [MQTT-3.2.2-10]
    const outcome = engine.subscribe(
      session,
      topicFilter,
      qos,
      noLocal,
      retainAsPublished,
      retainHandling,
      subscriptionId,
      token,
    );
    if (outcome === Subscribed.denied) return ReasonCode.notAuthorized;
    return outcome === Subscribed.refused ? ReasonCode.quotaExceeded : qos;
  });
}

/** Takes the subscriptions from the session. */
export function unsubscribe(engine: Engine, session: number, topicFilters: readonly string[]): number[] {
  return topicFilters.map((topicFilter) =>
    engine.unsubscribe(session, topicFilter) ? ReasonCode.success : ReasonCode.noSubscriptionExisted,
  );
}
