/**
 * The specification's rules for properties: which packets may carry them (section 2.2.2.2), which may
 * repeat, and their valid values. Only strict builds check it: profile.ts.
 */
import { PacketType } from './packet-type.ts';
import type { Properties, PropertyCarrier, PropertyRow } from './properties.ts';
import { malformedPacket, type ProtocolError, protocolViolation } from './protocol-error.ts';
import type { ReasonCode } from './reason-code.ts';
import { isValidTopicName } from './topic.ts';

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

/** Bit n is set if carrier n may have it. */
const carriers: Readonly<Record<keyof Properties, number>> = {
  payloadFormatIndicator: publish | will,
  messageExpiryInterval: publish | will,
  contentType: publish | will,
  responseTopic: publish | will,
  correlationData: publish | will,
  subscriptionIdentifiers: publish | subscribe,
  sessionExpiryInterval: connect | connack | disconnect,
  assignedClientIdentifier: connack,
  serverKeepAlive: connack,
  authenticationMethod: connect | connack | auth,
  authenticationData: connect | connack | auth,
  requestProblemInformation: connect,
  willDelayInterval: will,
  requestResponseInformation: connect,
  responseInformation: connack,
  serverReference: connack | disconnect,
  reasonString: connack | acknowledgements | disconnect | auth,
  receiveMaximum: connect | connack,
  topicAliasMaximum: connect | connack,
  topicAlias: publish,
  maximumQoS: connack,
  retainAvailable: connack,
  userProperties: all,
  maximumPacketSize: connect | connack,
  wildcardSubscriptionAvailable: connack,
  subscriptionIdentifiersAvailable: connack,
  sharedSubscriptionAvailable: connack,
};

const neverZero: readonly (keyof Properties)[] = [
  'subscriptionIdentifiers',
  'receiveMaximum',
  'maximumPacketSize',
];

export function isMisplaced(carrier: PropertyCarrier, name: keyof Properties): boolean {
  return (carriers[name] & (1 << carrier)) === 0;
}

/** The error in a property of `carrier`, if any; `former` is its value so far. */
export function propertyFault(
  carrier: PropertyCarrier,
  [identifier, name, encoding, isList]: PropertyRow,
  value: unknown,
  former: unknown,
): ProtocolError | undefined {
  if (isMisplaced(carrier, name)) return malformedPacket(`property ${identifier} is not for this packet`);
  // A PUBLISH may have the identifiers of several subscriptions; a SUBSCRIBE has one.
  const mayRepeat = isList && !(name === 'subscriptionIdentifiers' && carrier === PacketType.subscribe);
  if (former !== undefined && !mayRepeat) return protocolViolation(`${name} occurs twice`);
  // Every property of one byte is a no or a yes.
  if (encoding === 'uint8' && value !== 0 && value !== 1) {
    return protocolViolation(`${name} is neither 0 nor 1`);
  }
  // [MQTT-3.3.2-8]: a topic alias of 0 has a reason code of its own.
  if (value === 0 && name === 'topicAlias') {
    return { reasonCode: 0x94 satisfies typeof ReasonCode.topicAliasInvalid, why: `${name} is 0` };
  }
  if (value === 0 && neverZero.includes(name)) return protocolViolation(`${name} is 0`);
  // [MQTT-3.3.2-13] [MQTT-3.3.2-14]
  if (name === 'responseTopic' && !isValidTopicName(value as string)) {
    return malformedPacket('responseTopic is not a topic name');
  }
  return undefined;
}

/** The error in the combination of a packet's properties, if any. */
export function propertiesFault(properties: Properties): ProtocolError | undefined {
  return properties.authenticationData !== undefined && properties.authenticationMethod === undefined
    ? protocolViolation('authentication data without a method')
    : undefined;
}
