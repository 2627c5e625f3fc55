/**
 * The packets as values. `properties` is empty in MQTT 3.1 and 3.1.1; reason codes are those of MQTT 5
 * whatever the version (connack-return-code.ts translates).
 */
import type { Properties } from './properties.ts';

/** 3 is MQTT 3.1 (MQIsdp), 4 is 3.1.1, 5 is 5.0. */
export type ProtocolVersion = 3 | 4 | 5;
export type QoS = 0 | 1 | 2;

export interface Will {
  topic: string;
  payload: Uint8Array;
  qos: QoS;
  retain: boolean;
  properties: Properties;
}

export interface ConnectPacket {
  protocolVersion: ProtocolVersion;
  /** Clean session in 3.1 and 3.1.1. */
  cleanStart: boolean;
  keepAliveSeconds: number;
  /** Another broker, which sets the highest bit of its protocol level. Only a server reads it. */
  isBridge?: true;
  clientId: string;
  will?: Will;
  username?: string;
  password?: Uint8Array;
  properties: Properties;
}

export interface ConnackPacket {
  sessionPresent: boolean;
  reasonCode: number;
  properties: Properties;
}

export interface PublishPacket {
  /** Empty if there is a topic alias for it. */
  topic: string;
  payload: Uint8Array;
  qos: QoS;
  retain: boolean;
  dup: boolean;
  /** With QoS 1 and 2 only. */
  packetId?: number;
  properties: Properties;
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export interface AcknowledgementPacket {
  packetId: number;
  reasonCode: number;
  properties: Properties;
}

export interface SubscriptionOptions {
  qos: QoS;
  noLocal: boolean;
  retainAsPublished: boolean;
  retainHandling: 0 | 1 | 2;
}

export interface SubscriptionRequest extends SubscriptionOptions {
  topicFilter: string;
}

export interface SubscribePacket {
  packetId: number;
  subscriptions: SubscriptionRequest[];
  properties: Properties;
}

export interface SubackPacket {
  packetId: number;
  /** One for each subscription, in order: the granted QoS or a failure. */
  reasonCodes: number[];
  properties: Properties;
}

export interface UnsubscribePacket {
  packetId: number;
  topicFilters: string[];
  properties: Properties;
}

export interface UnsubackPacket {
  packetId: number;
  /** One for each topic filter, in order; empty when received in 3.1 and 3.1.1. */
  reasonCodes: number[];
  properties: Properties;
}

export interface DisconnectPacket {
  reasonCode: number;
  properties: Properties;
}

export interface AuthPacket {
  reasonCode: number;
  properties: Properties;
}
