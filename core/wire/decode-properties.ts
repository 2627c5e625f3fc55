import {
  type Properties,
  type PropertyCarrier,
  type PropertyEncoding,
  type PropertyRow,
  propertyTable,
} from './properties.ts';
import { malformedPacket, type ProtocolError, protocolViolation } from './protocol-error.ts';
import type { Reader } from './reader.ts';
import type { ReasonCode } from './reason-code.ts';
import { isValidTopicName } from './topic.ts';

type PropertyValue = ReturnType<Reader[PropertyEncoding]>;
type PropertyValues = Partial<Record<keyof Properties, unknown>>;

const neverZero: readonly (keyof Properties)[] = [
  'subscriptionIdentifiers',
  'receiveMaximum',
  'maximumPacketSize',
];

/** Reads the property length and the properties; errors are left with the reader (section 2.2.2). */
export function decodeProperties(reader: Reader, carrier: PropertyCarrier): Properties {
  const values: PropertyValues = {};
  const propertyLength = reader.variableByteInteger();
  if (propertyLength > reader.remaining) reader.fail(malformedPacket('the properties are cut off'));
  const end = reader.offset + propertyLength;
  while (reader.offset < end && !reader.error) {
    const error = decodeProperty(reader, end, carrier, values);
    if (error) reader.fail(error);
  }
  if (values.authenticationData !== undefined && values.authenticationMethod === undefined) {
    reader.fail(protocolViolation('authentication data without a method'));
  }
  return values as Properties;
}

function decodeProperty(
  reader: Reader,
  end: number,
  carrier: PropertyCarrier,
  values: PropertyValues,
): ProtocolError | undefined {
  const identifier = reader.variableByteInteger();
  const row = propertyTable.find((candidate) => candidate[0] === identifier);
  if (!row || !(row[3] & (1 << carrier))) {
    return malformedPacket(`property ${identifier} is not for this packet`);
  }
  const [, name, encoding, , repeatsIn] = row;
  const former = values[name];
  if (former !== undefined && !(repeatsIn & (1 << carrier))) return protocolViolation(`${name} occurs twice`);
  const value = reader[encoding]();
  // What lies behind the properties is no part of a value.
  if (reader.offset > end) return malformedPacket(`${name} is cut off`);
  if (!repeatsIn) values[name] = value;
  else if (Array.isArray(former)) former.push(value);
  else values[name] = [value];
  return valueError(row, value);
}

/** What the specification does not allow a property to be. */
function valueError([, name, encoding]: PropertyRow, value: PropertyValue): ProtocolError | undefined {
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
    return protocolViolation('responseTopic is not a topic name');
  }
  return undefined;
}
