/** What a CONNECT asks for and what the broker makes of it (MQTT 5, 3.1 and 3.2; 3.1.1 likewise). */
import { randomUUID } from 'node:crypto';
import type { Limits } from '../config/limits.ts';
import type { ConnectPacket } from '../wire/packets.ts';
import type { Properties } from '../wire/properties.ts';

/** A client identifier for a client that has none [MQTT-3.1.3-6]. */
export function assignedClientId(): string {
  return `auto-${randomUUID()}`;
}

/** Seconds that the session outlives its connection: 0 not at all, 4,294,967,295 for ever. */
export function sessionExpirySeconds(connect: ConnectPacket, limits: Limits): number {
  const never = 4_294_967_295;
  const asked =
    connect.protocolVersion === 5
      ? (connect.properties.sessionExpiryInterval ?? 0)
      : connect.cleanStart // Clean Session of 3.1.1 is both a clean start and no expiry
        ? 0
        : never;
  return Math.min(asked, limits.sessionExpiryIntervalMax);
}

function keepAliveSeconds(connect: ConnectPacket, limits: Limits): number {
  return connect.protocolVersion === 5 && limits.serverKeepAliveSeconds !== 0
    ? limits.serverKeepAliveSeconds // [MQTT-3.1.2-21]
    : connect.keepAliveSeconds;
}

/** One and a half times the keep alive [MQTT-3.1.2-22]; 0 for none. */
export function keepAliveMs(connect: ConnectPacket, limits: Limits): number {
  return keepAliveSeconds(connect, limits) * 1_500;
}

/** The properties of a successful CONNACK: only what differs from the specification's defaults. */
export function connackProperties(
  connect: ConnectPacket,
  limits: Limits,
  assigned: string | undefined,
): Properties {
  const properties: Properties = {
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.maximumPacketSizeBytes,
    topicAliasMaximum: limits.topicAliasMaximum,
    sharedSubscriptionAvailable: 0,
  };
  const expiry = sessionExpirySeconds(connect, limits);
  if (expiry !== (connect.properties.sessionExpiryInterval ?? 0)) properties.sessionExpiryInterval = expiry;
  if (keepAliveSeconds(connect, limits) !== connect.keepAliveSeconds)
    properties.serverKeepAlive = limits.serverKeepAliveSeconds;
  if (assigned !== undefined) properties.assignedClientIdentifier = assigned;
  return properties;
}
