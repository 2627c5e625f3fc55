import { userPropertiesFault } from './decode-bounds.ts';
import type { ProtocolVersion } from './packets.ts';
import { isAtLeast, isStrict } from './profile.ts';
import { type Properties, type PropertyCarrier, propertyTable } from './properties.ts';
import { propertiesFault, propertyFault } from './property-rules.ts';
import { malformedPacket } from './protocol-error.ts';
import type { Reader } from './reader.ts';

/** Reads the property length and the properties; errors are left with the reader (section 2.2.2). */
export function decodeProperties(reader: Reader, carrier: PropertyCarrier): Properties {
  const values: Partial<Record<keyof Properties, unknown>> = {};
  const propertyLength = reader.variableByteInteger();
  if (isStrict && propertyLength > reader.remaining)
    reader.fail(malformedPacket('the properties are cut off'));
  const behind = reader.remaining - propertyLength;
  while (reader.remaining > behind && !reader.fault) {
    const identifier = reader.variableByteInteger();
    const row = propertyTable.find((candidate) => candidate[0] === identifier);
    if (row) {
      const [, name, encoding, isList] = row;
      if (isStrict && name === 'userProperties') reader.fail(userPropertiesFault(reader));
      const value = reader[encoding]();
      // A value must not extend beyond the properties.
      if (reader.remaining < behind) reader.fail(malformedPacket(`${name} is cut off`));
      if (isStrict) reader.fail(propertyFault(carrier, row, value, values[name]));
      if (isList) values[name] ??= [];
      else values[name] = value;
      if (isList) (values[name] as unknown[]).push(value);
    } else reader.fail(malformedPacket(`there is no property ${identifier}`));
  }
  if (isStrict) reader.fail(propertiesFault(values as Properties));
  return values as Properties;
}

/** A reason code followed by properties, both of which may be left out (sections 3.4.2 and 3.14.2). */
export function decodeReason(
  reader: Reader,
  carrier: PropertyCarrier,
  version: ProtocolVersion,
): { reasonCode: number; properties: Properties } {
  return {
    reasonCode: isAtLeast(version, 5) && reader.remaining > 0 ? reader.uint8() : 0,
    properties: isAtLeast(version, 5) && reader.remaining > 0 ? decodeProperties(reader, carrier) : {},
  };
}
