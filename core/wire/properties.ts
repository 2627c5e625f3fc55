/**
 * The properties of MQTT 5 (section 2.2.2): one table says how each is written, which packets may carry it
 * and where it may repeat. The decoder and the encoder are driven by it and know no property by themselves
 * but the few with a rule of their own.
 */
import type { PacketType } from './packet-type.ts';

/** Names as in the specification. Intervals are in seconds, sizes in bytes; 0 or 1 stands for no or yes. */
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

/** What carries properties: a packet, or the will inside a CONNECT, which takes the unused packet type 0. */
export type PropertyCarrier = PacketType | typeof willProperties;
export const willProperties = 0;

/** How a value is written; each is also the name of a method of Reader and of Writer. */
export type PropertyEncoding =
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'variableByteInteger'
  | 'string'
  | 'stringPair'
  | 'binary';

export type PropertyRow = readonly [
  identifier: number,
  name: keyof Properties,
  encoding: PropertyEncoding,
  /** Bit n is set if carrier n may have it. */
  carriers: number,
  /** Likewise for the carriers where it may repeat; if there are any, its value is an array. */
  repeatsIn: number,
];

const will = 1 << 0;
const connect = 1 << 1;
const connack = 1 << 2;
const publish = 1 << 3;
const subscribe = 1 << 8;
const disconnect = 1 << 14;
const auth = 1 << 15;
/** PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK. */
const acknowledgements = 0b1010_1111_0000;
/** All but PINGREQ and PINGRESP. */
const all = 0b1100_1111_1111_1111;

export const propertyTable: readonly PropertyRow[] = [
  [0x01, 'payloadFormatIndicator', 'uint8', publish | will, 0],
  [0x02, 'messageExpiryInterval', 'uint32', publish | will, 0],
  [0x03, 'contentType', 'string', publish | will, 0],
  [0x08, 'responseTopic', 'string', publish | will, 0],
  [0x09, 'correlationData', 'binary', publish | will, 0],
  [0x0b, 'subscriptionIdentifiers', 'variableByteInteger', publish | subscribe, publish],
  [0x11, 'sessionExpiryInterval', 'uint32', connect | connack | disconnect, 0],
  [0x12, 'assignedClientIdentifier', 'string', connack, 0],
  [0x13, 'serverKeepAlive', 'uint16', connack, 0],
  [0x15, 'authenticationMethod', 'string', connect | connack | auth, 0],
  [0x16, 'authenticationData', 'binary', connect | connack | auth, 0],
  [0x17, 'requestProblemInformation', 'uint8', connect, 0],
  [0x18, 'willDelayInterval', 'uint32', will, 0],
  [0x19, 'requestResponseInformation', 'uint8', connect, 0],
  [0x1a, 'responseInformation', 'string', connack, 0],
  [0x1c, 'serverReference', 'string', connack | disconnect, 0],
  [0x1f, 'reasonString', 'string', connack | acknowledgements | disconnect | auth, 0],
  [0x21, 'receiveMaximum', 'uint16', connect | connack, 0],
  [0x22, 'topicAliasMaximum', 'uint16', connect | connack, 0],
  [0x23, 'topicAlias', 'uint16', publish, 0],
  [0x24, 'maximumQoS', 'uint8', connack, 0],
  [0x25, 'retainAvailable', 'uint8', connack, 0],
  [0x26, 'userProperties', 'stringPair', all, all],
  [0x27, 'maximumPacketSize', 'uint32', connect | connack, 0],
  [0x28, 'wildcardSubscriptionAvailable', 'uint8', connack, 0],
  [0x29, 'subscriptionIdentifiersAvailable', 'uint8', connack, 0],
  [0x2a, 'sharedSubscriptionAvailable', 'uint8', connack, 0],
];
