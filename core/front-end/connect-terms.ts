/** The requests of a CONNECT, and the broker's terms (MQTT 5, 3.1 and 3.2; 3.1.1 likewise). */
import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { Limits } from '../config/limits.ts';
import type { BrokerConfig } from '../config/options.ts';
import type { ConnectPacket } from '../wire/packets.ts';
import { neverExpires, type Properties } from '../wire/properties.ts';
import type { ProtocolError } from '../wire/protocol-error.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { isReservedTopic, isTooLong, levelCount } from '../wire/topic.ts';

/** A client identifier for a client without one [MQTT-3.1.3-6]. */
export function assignedClientId(): string {
  return `auto-${randomUUID()}`;
}

/** Seconds that the session outlives its connection; 0: not at all; `neverExpires`: for ever. */
export function sessionExpirySeconds(connect: ConnectPacket, limits: Limits): number {
  const asked =
    connect.protocolVersion === 5
      ? (connect.properties.sessionExpiryInterval ?? 0)
      : connect.cleanStart // Clean Session of 3.1.1 is both a clean start and no expiry
        ? 0
        : neverExpires;
  return Math.min(asked, limits.sessionExpiryIntervalMax);
}

/**
 * Seconds between two packets of the client; 0 for no limit. An older client cannot be told of the maximum: its own keep
 * alive applies even if it is longer. A client without one may be disconnected at any time
 * (3.1.1, 3.1.2.10), so the maximum applies.
 */
export function keepAliveSeconds(connect: ConnectPacket, { serverKeepAliveSeconds }: Limits): number {
  const asked = connect.keepAliveSeconds;
  if (serverKeepAliveSeconds === 0) return asked;
  if (asked === 0) return serverKeepAliveSeconds;
  // [MQTT-3.1.2-21]
  return connect.protocolVersion === 5 ? Math.min(asked, serverKeepAliveSeconds) : asked;
}

/** One and a half times the keep alive [MQTT-3.1.2-22]; 0 for none. */
export function keepAliveMs(connect: ConnectPacket, limits: Limits): number {
  return keepAliveSeconds(connect, limits) * 1_500;
}

/** Why a CONNECT with this will is refused; undefined if it is not. */
export function willError({ will }: ConnectPacket, config: BrokerConfig): ProtocolError | undefined {
  if (will === undefined) return undefined;
  const { limits } = config;
  if (levelCount(will.topic) > limits.topicLevelsMax) {
    const why = `The will topic has more than ${limits.topicLevelsMax} levels.`;
    return { reasonCode: ReasonCode.topicNameInvalid, why };
  }
  if (isReservedTopic(will.topic)) {
    return { reasonCode: ReasonCode.notAuthorized, why: 'Clients may not publish to $SYS or $share.' };
  }
  // [MQTT-3.2.2-12]
  if (will.qos > limits.maximumQoS) {
    return { reasonCode: ReasonCode.qosNotSupported, why: `QoS ${limits.maximumQoS} is the highest here.` };
  }
  // [MQTT-3.2.2-13]
  if (will.retain && !config.retainAvailable) {
    return { reasonCode: ReasonCode.retainNotSupported, why: 'Retained messages are not available here.' };
  }
  const isText = will.properties.payloadFormatIndicator === 1;
  if (config.checksPayloadFormat && isText && !isUtf8(will.payload)) {
    return {
      reasonCode: ReasonCode.payloadFormatInvalid,
      why: 'The will is not UTF-8, although its Payload Format Indicator says so.',
    };
  }
  return undefined;
}

/** The properties of a successful CONNACK: only those that differ from the specification's defaults. */
export function connackProperties(
  connect: ConnectPacket,
  config: BrokerConfig,
  assigned: string | undefined,
): Properties {
  const { limits } = config;
  const properties: Properties = {
    maximumPacketSize: limits.maximumPacketSizeBytes,
  };
  if (limits.receiveMaximum < 65_535) properties.receiveMaximum = limits.receiveMaximum;
  if (limits.topicAliasMaximum > 0) properties.topicAliasMaximum = limits.topicAliasMaximum;
  const expiry = sessionExpirySeconds(connect, limits);
  if (expiry !== (connect.properties.sessionExpiryInterval ?? 0)) properties.sessionExpiryInterval = expiry;
  const keepAlive = keepAliveSeconds(connect, limits);
  if (keepAlive !== connect.keepAliveSeconds) properties.serverKeepAlive = keepAlive; // [MQTT-3.2.2-21]
  if (assigned !== undefined) properties.assignedClientIdentifier = assigned;
  if (config.responseTopicPrefix !== undefined && connect.properties.requestResponseInformation === 1) {
    // [MQTT-3.1.2-28]
    const clientId = encodeURIComponent(assigned ?? connect.clientId); // which may contain '/', '+' and '#'
    const topic = `${config.responseTopicPrefix}/${clientId}`;
    if (!isTooLong(topic)) properties.responseInformation = topic;
  }
  if (limits.maximumQoS < 2) properties.maximumQoS = limits.maximumQoS; // [MQTT-3.2.2-9]
  if (!config.retainAvailable) properties.retainAvailable = 0;
  if (!config.wildcardSubscriptionAvailable) properties.wildcardSubscriptionAvailable = 0;
  if (!config.sharedSubscriptionAvailable) properties.sharedSubscriptionAvailable = 0;
  if (!config.subscriptionIdentifiersAvailable) properties.subscriptionIdentifiersAvailable = 0;
  return properties;
}
