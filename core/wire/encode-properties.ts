import { type Properties, type PropertyCarrier, propertyTable } from './properties.ts';
import { Writer } from './writer.ts';

/**
 * Writes the property length and the properties (section 2.2.2); a single 0 if there are none.
 * Throws a RangeError for a property which this packet may not carry.
 */
export function encodeProperties(writer: Writer, carrier: PropertyCarrier, properties: Properties): void {
  const encoded = new Writer();
  for (const [identifier, name, encoding, carriers, repeatsIn] of propertyTable) {
    const value = properties[name];
    if (value === undefined) continue;
    if (!(carriers & (1 << carrier))) throw new RangeError(`${name} is not for this packet`);
    for (const single of repeatsIn ? (value as readonly unknown[]) : [value]) {
      encoded.variableByteInteger(identifier);
      encoded[encoding](single as never);
    }
  }
  // [MQTT-2.2.2-1]
  writer.variableByteInteger(encoded.body.length);
  writer.bytes(encoded.body);
}

export function hasProperties(properties: Properties): boolean {
  return Object.keys(properties).length > 0;
}
