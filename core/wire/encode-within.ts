import type { Properties } from './properties.ts';

/**
 * The frame that `encode` makes of `properties`, or of fewer if it would exceed the receiver's maximum: the
 * user properties are dropped first, then the reason string, then the server reference, which a
 * server need not send (section 4.11). The rest is always sent.
 * `maximumPacketSize` is in bytes; without one there is no limit.
 */
export function encodeWithin(
  maximumPacketSize: number | undefined,
  properties: Properties,
  encode: (properties: Properties) => Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const whole = encode(properties);
  const fits = (frame: Uint8Array) => frame.length <= (maximumPacketSize ?? Number.POSITIVE_INFINITY);
  if (fits(whole)) return whole;
  // [MQTT-3.2.2-20] [MQTT-3.9.2-2] [MQTT-3.11.2-2] [MQTT-3.14.2-4] [MQTT-3.15.2-3]
  const { userProperties, ...withoutUserProperties } = properties;
  const shorter = encode(withoutUserProperties);
  if (fits(shorter)) return shorter;
  // [MQTT-3.2.2-19] [MQTT-3.9.2-1] [MQTT-3.11.2-1] [MQTT-3.14.2-3] [MQTT-3.15.2-2]
  const { reasonString, ...withoutBoth } = withoutUserProperties;
  const shortest = encode(withoutBoth);
  if (fits(shortest) || withoutBoth.serverReference === undefined) return shortest;
  const { serverReference, ...withoutAll } = withoutBoth;
  return encode(withoutAll);
}
