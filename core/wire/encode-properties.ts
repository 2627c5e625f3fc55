import { isStrict } from './profile.ts';
import { type Properties, type PropertyCarrier, propertyTable } from './properties.ts';
import { isMisplaced } from './property-rules.ts';
import { type Bytes, concat, write } from './write.ts';

/**
 * The property length and the properties (section 2.2.2); a single 0 if there are none.
 * Throws a RangeError for a property which this packet may not carry.
 */
export function encodeProperties(properties: Properties, carrier: PropertyCarrier): Bytes {
  const present = propertyTable.filter(([, name]) => properties[name] !== undefined);
  const parts = present.flatMap(([identifier, name, encoding]): Bytes[] => {
    if (isStrict && isMisplaced(carrier, name)) throw new RangeError(`${name} is not for this packet`);
    // A property that may occur more than once is a list.
    const values: unknown[] = [properties[name]].flat();
    return values.flatMap((value) => [[identifier], write[encoding](value as never)]);
  });
  // [MQTT-2.2.2-1]
  const encoded = concat(parts);
  return concat([write.variableByteInteger(encoded.length), encoded]);
}

/**
 * A reason code followed by properties, in the shortest form: success without properties
 * needs neither.
 */
export function encodeReason(
  { reasonCode, properties }: { reasonCode: number; properties: Properties },
  carrier: PropertyCarrier,
): Bytes[] {
  if (Object.keys(properties).length) return [[reasonCode], encodeProperties(properties, carrier)];
  return reasonCode ? [[reasonCode]] : [];
}
