/**
 * The properties of MQTT 5 (section 2.2.2): one table of their encodings. The decoder and the encoder
 * are driven by it and know no property by themselves; property-rules.ts has the rules.
 */
import type { PacketType } from './packet-type.ts';

/** A Session Expiry Interval: the session does not expire (3.1.2.11.2). */
export const neverExpires = 4_294_967_295;

/** Names as in the specification. Intervals are in seconds, sizes in bytes; 0 or 1 mean no or yes. */
export interface Properties {
  payloadFormatIndicator?: number;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  /** Several in a PUBLISH, at most one in a SUBSCRIBE. */
  subscriptionIdentifiers?: number[];
  sessionExpiryInterval?: number;
  assignedClientIdentifier?: string;
  serverKeepAlive?: number;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
  requestProblemInformation?: number;
  willDelayInterval?: number;
  requestResponseInformation?: number;
  responseInformation?: string;
  serverReference?: string;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumQoS?: number;
  retainAvailable?: number;
  /** Names and values in the order sent; a name may occur more than once. */
  userProperties?: [name: string, value: string][];
  maximumPacketSize?: number;
  wildcardSubscriptionAvailable?: number;
  subscriptionIdentifiersAvailable?: number;
  sharedSubscriptionAvailable?: number;
}

/** The carrier of properties: a packet, or the will inside a CONNECT, which takes the unused packet type 0. */
export type PropertyCarrier = PacketType | typeof willProperties;
export const willProperties = 0;

/**
 * How a value is written: the name of a method of Reader and of `write`. `@__KEY__` tells the minifier of the client
 * for pages that it is one, so that it gets the short name that the methods get.
 */
const uint8 = /* @__KEY__ */ 'uint8';
const uint16 = /* @__KEY__ */ 'uint16';
const uint32 = /* @__KEY__ */ 'uint32';
const variableByteInteger = /* @__KEY__ */ 'variableByteInteger';
const string = /* @__KEY__ */ 'string';
const stringPair = /* @__KEY__ */ 'stringPair';
const binary = /* @__KEY__ */ 'binary';

export type PropertyEncoding =
  | typeof uint8
  | typeof uint16
  | typeof uint32
  | typeof variableByteInteger
  | typeof string
  | typeof stringPair
  | typeof binary;

export type PropertyRow = readonly [
  identifier: number,
  name: keyof Properties,
  encoding: PropertyEncoding,
  /** Whether it may occur more than once; its value is an array then. */
  isList?: true,
];

export const propertyTable: readonly PropertyRow[] = [
  [0x01, 'payloadFormatIndicator', uint8],
  [0x02, 'messageExpiryInterval', uint32],
  [0x03, 'contentType', string],
  [0x08, 'responseTopic', string],
  [0x09, 'correlationData', binary],
  [0x0b, 'subscriptionIdentifiers', variableByteInteger, true],
  [0x11, 'sessionExpiryInterval', uint32],
  [0x12, 'assignedClientIdentifier', string],
  [0x13, 'serverKeepAlive', uint16],
  [0x15, 'authenticationMethod', string],
  [0x16, 'authenticationData', binary],
  [0x17, 'requestProblemInformation', uint8],
  [0x18, 'willDelayInterval', uint32],
  [0x19, 'requestResponseInformation', uint8],
  [0x1a, 'responseInformation', string],
  [0x1c, 'serverReference', string],
  [0x1f, 'reasonString', string],
  [0x21, 'receiveMaximum', uint16],
  [0x22, 'topicAliasMaximum', uint16],
  [0x23, 'topicAlias', uint16],
  [0x24, 'maximumQoS', uint8],
  [0x25, 'retainAvailable', uint8],
  [0x26, 'userProperties', stringPair, true],
  [0x27, 'maximumPacketSize', uint32],
  [0x28, 'wildcardSubscriptionAvailable', uint8],
  [0x29, 'subscriptionIdentifiersAvailable', uint8],
  [0x2a, 'sharedSubscriptionAvailable', uint8],
];
