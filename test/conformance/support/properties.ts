/** The properties of MQTT 5 by hand (table 2-4), each with its identifier before its value. */
import { type Octets, octets, string, u8, u16, u32, varint } from './octets.ts';

/** The identifiers, for the properties of what a server sends. */
export const identifier = {
  payloadFormatIndicator: 0x01,
  messageExpiryInterval: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionIdentifier: 0x0b,
  sessionExpiryInterval: 0x11,
  assignedClientIdentifier: 0x12,
  serverKeepAlive: 0x13,
  authenticationMethod: 0x15,
  authenticationData: 0x16,
  requestProblemInformation: 0x17,
  willDelayInterval: 0x18,
  requestResponseInformation: 0x19,
  responseInformation: 0x1a,
  serverReference: 0x1c,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  maximumQoS: 0x24,
  retainAvailable: 0x25,
  userProperty: 0x26,
  maximumPacketSize: 0x27,
  wildcardSubscriptionAvailable: 0x28,
  subscriptionIdentifiersAvailable: 0x29,
  sharedSubscriptionAvailable: 0x2a,
} as const;

export type PropertyName = keyof typeof identifier;

/** A property with a number, two bytes for example as `property('receiveMaximum', u16(1))`. */
export function property(name: PropertyName, value: Octets): Octets {
  return octets(u8(identifier[name]), value);
}

export const payloadFormatIndicator = (value: number) => property('payloadFormatIndicator', u8(value));
export const messageExpiryInterval = (seconds: number) => property('messageExpiryInterval', u32(seconds));
export const contentType = (value: string) => property('contentType', string(value));
export const responseTopic = (value: string) => property('responseTopic', string(value));
export const correlationData = (value: string | Uint8Array) => property('correlationData', string(value));
export const subscriptionIdentifier = (value: number) => property('subscriptionIdentifier', varint(value));
export const sessionExpiryInterval = (seconds: number) => property('sessionExpiryInterval', u32(seconds));
export const willDelayInterval = (seconds: number) => property('willDelayInterval', u32(seconds));
export const requestProblemInformation = (value: number) => property('requestProblemInformation', u8(value));
export const requestResponseInformation = (value: number) =>
  property('requestResponseInformation', u8(value));
export const receiveMaximum = (value: number) => property('receiveMaximum', u16(value));
export const topicAliasMaximum = (value: number) => property('topicAliasMaximum', u16(value));
export const topicAlias = (value: number) => property('topicAlias', u16(value));
export const maximumPacketSize = (bytes: number) => property('maximumPacketSize', u32(bytes));
export const authenticationMethod = (value: string) => property('authenticationMethod', string(value));
export const authenticationData = (value: string) => property('authenticationData', string(value));

/** A value of each property as the specification wants it. */
export const exampleOf: Readonly<Record<PropertyName, Octets>> = {
  payloadFormatIndicator: payloadFormatIndicator(0),
  messageExpiryInterval: messageExpiryInterval(100),
  contentType: contentType('text/plain'),
  responseTopic: responseTopic('answers'),
  correlationData: correlationData('7'),
  subscriptionIdentifier: subscriptionIdentifier(7),
  sessionExpiryInterval: sessionExpiryInterval(0),
  assignedClientIdentifier: property('assignedClientIdentifier', string('c')),
  serverKeepAlive: property('serverKeepAlive', u16(60)),
  authenticationMethod: authenticationMethod('method'),
  authenticationData: authenticationData('data'),
  requestProblemInformation: requestProblemInformation(1),
  willDelayInterval: willDelayInterval(1),
  requestResponseInformation: requestResponseInformation(0),
  responseInformation: property('responseInformation', string('r')),
  serverReference: property('serverReference', string('s')),
  reasonString: property('reasonString', string('why')),
  receiveMaximum: receiveMaximum(10),
  topicAliasMaximum: topicAliasMaximum(10),
  topicAlias: topicAlias(1),
  maximumQoS: property('maximumQoS', u8(1)),
  retainAvailable: property('retainAvailable', u8(1)),
  userProperty: property('userProperty', octets(string('name'), string('value'))),
  maximumPacketSize: maximumPacketSize(100_000),
  wildcardSubscriptionAvailable: property('wildcardSubscriptionAvailable', u8(1)),
  subscriptionIdentifiersAvailable: property('subscriptionIdentifiersAvailable', u8(1)),
  sharedSubscriptionAvailable: property('sharedSubscriptionAvailable', u8(1)),
};

export const propertyNames = Object.keys(identifier) as readonly PropertyName[];
