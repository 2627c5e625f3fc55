/** What the configuration lets clients subscribe to (MQTT 5, 3.2.2.3.11 to 3.2.2.3.13). */
import type { BrokerConfig } from '../config/options.ts';
import type { ProtocolVersion, SubscribePacket } from '../wire/packets.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { hasWildcards, isSharedFilter, levelCount, unsharedFilter } from '../wire/topic.ts';

/**
 * What the CONNACK said is not available: to ask for it ends the connection. Before MQTT 5 there is no such
 * CONNACK, and the SUBACK says it for each filter.
 */
export function unavailableTo(
  { properties, subscriptions }: SubscribePacket,
  version: ProtocolVersion,
  config: BrokerConfig,
): number | undefined {
  if (version !== 5) return undefined;
  if (!config.subscriptionIdentifiersAvailable && properties.subscriptionIdentifiers !== undefined) {
    return ReasonCode.subscriptionIdentifiersNotSupported;
  }
  for (const { topicFilter } of subscriptions) {
    const refusal = kindRefusalOf(topicFilter, config);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** What clients are kept from is there for the host program. */
export function availableToHost(config: BrokerConfig): BrokerConfig {
  return {
    ...config,
    subscriptionIdentifiersAvailable: true,
    wildcardSubscriptionAvailable: true,
    limits: { ...config.limits, maximumQoS: 2 },
  };
}

/** Why nobody may subscribe to this filter, if nobody may. */
export function refusalOf(topicFilter: string, config: BrokerConfig): number | undefined {
  if (levelCount(unsharedFilter(topicFilter)) > config.limits.topicLevelsMax)
    return ReasonCode.topicFilterInvalid;
  return kindRefusalOf(topicFilter, config);
}

function kindRefusalOf(topicFilter: string, config: BrokerConfig): number | undefined {
  if (!config.sharedSubscriptionAvailable && isSharedFilter(topicFilter)) {
    return ReasonCode.sharedSubscriptionsNotSupported;
  }
  if (!config.wildcardSubscriptionAvailable && hasWildcards(topicFilter)) {
    return ReasonCode.wildcardSubscriptionsNotSupported;
  }
  return undefined;
}
