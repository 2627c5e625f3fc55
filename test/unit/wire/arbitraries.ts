/** Arbitrary packets: everything the specification allows of them. */
import fc from 'fast-check';
import { PacketType } from '../../../core/wire/packet-type.ts';
import type * as packets from '../../../core/wire/packets.ts';
import {
  type Properties,
  type PropertyCarrier,
  type PropertyEncoding,
  propertyTable,
  willProperties,
} from '../../../core/wire/properties.ts';
import { isMisplaced } from '../../../core/wire/property-rules.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'grapheme-ascii', minLength: 100, maxLength: 300 }),
  fc.constant('\ufeffx'),
);
const binary = fc.uint8Array({ maxLength: 200 }).map((bytes) => new Uint8Array(bytes));
const topic = text.map((text) => `t/${text.replaceAll(/[+#]/g, '/')}`);
const topicFilter = fc.tuple(topic, fc.constantFrom('', '/#', '/+/x')).map((parts) => parts.join(''));
const packetId = fc.integer({ min: 1, max: 0xffff });
const qos = fc.constantFrom<packets.QoS>(0, 1, 2);
const none = fc.constant<Properties>({});

/**
 * As mqtt-packet can tell them: it keeps them in an object, so they are grouped by name and no name looks
 * like a number; and it forgets an empty value when the name comes again.
 */
const userProperties = fc
  .uniqueArray(fc.tuple(text, fc.array(text, { minLength: 1, maxLength: 3 })), {
    selector: ([name]) => name,
    minLength: 1,
    maxLength: 3,
  })
  .map((groups) => groups.flatMap(([name, values]) => values.map((value) => [`n${name}`, `v${value}`])));

const values: Record<PropertyEncoding, fc.Arbitrary<unknown>> = {
  uint8: fc.nat(1),
  uint16: fc.integer({ min: 1, max: 0xffff }),
  uint32: fc.integer({ min: 1, max: 0xffff_ffff }),
  variableByteInteger: fc.integer({ min: 1, max: 0x0fff_ffff }),
  string: text,
  stringPair: userProperties,
  binary,
};

function arbitraryOf(name: keyof Properties, encoding: PropertyEncoding, carrier: PropertyCarrier) {
  if (name === 'responseTopic') return topic;
  if (name !== 'subscriptionIdentifiers') return values[encoding];
  const maxLength = carrier === PacketType.publish ? 3 : 1;
  return fc.array(values.variableByteInteger, { minLength: 1, maxLength });
}

/** `leftOut` names what this packet may carry but its sender may not send. */
export function properties(
  carrier: PropertyCarrier,
  leftOut: readonly (keyof Properties)[] = [],
): fc.Arbitrary<Properties> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [, name, encoding] of propertyTable) {
    if (!isMisplaced(carrier, name) && !leftOut.includes(name))
      model[name] = arbitraryOf(name, encoding, carrier);
  }
  const some = fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Properties>;
  return some.map((properties) => {
    const { authenticationData, ...rest } = properties;
    return rest.authenticationMethod === undefined ? rest : properties;
  });
}

/** A record without the keys whose value is undefined. */
function compact<Value>(record: Record<string, unknown>): Value {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Value;
}

export function connect(version: packets.ProtocolVersion): fc.Arbitrary<packets.ConnectPacket> {
  const will = fc.record({
    topic,
    payload: binary,
    qos,
    retain: fc.boolean(),
    properties: version === 5 ? properties(willProperties) : none,
  });
  const credentials = fc.constantFrom('none', 'user', 'both');
  return fc
    .record({
      protocolVersion: fc.constant(version),
      cleanStart: fc.boolean(),
      keepAliveSeconds: fc.nat(0xffff),
      clientId: text.map((text) => `c${text}`),
      will: fc.option(will, { nil: undefined }),
      username: text.map((text) => `u${text}`),
      password: binary.filter((bytes) => bytes.length > 0),
      properties: version === 5 ? properties(PacketType.connect) : none,
      credentials,
    })
    .map(({ credentials, username, password, ...rest }) =>
      compact({
        ...rest,
        username: credentials === 'none' ? undefined : username,
        password: credentials === 'both' ? password : undefined,
      }),
    );
}

export function connack(version: packets.ProtocolVersion): fc.Arbitrary<packets.ConnackPacket> {
  const codes = version === 5 ? [0, 0x80, 0x84, 0x87, 0x9f] : [0, 0x84, 0x85, 0x88, 0x86, 0x87];
  return fc
    .record({
      sessionPresent: fc.boolean(),
      reasonCode: fc.constantFrom(...codes),
      properties: version === 5 ? properties(PacketType.connack) : none,
    })
    .map((packet) => ({ ...packet, sessionPresent: packet.sessionPresent && packet.reasonCode === 0 }));
}

export function publish(version: packets.ProtocolVersion): fc.Arbitrary<packets.PublishPacket> {
  return fc
    .record({
      topic,
      payload: binary,
      qos,
      retain: fc.boolean(),
      dup: fc.boolean(),
      packetId,
      properties: version === 5 ? properties(PacketType.publish) : none,
    })
    .map((packet) =>
      compact({
        ...packet,
        dup: packet.dup && packet.qos > 0,
        packetId: packet.qos > 0 ? packet.packetId : undefined,
      }),
    );
}

export function acknowledgement(
  version: packets.ProtocolVersion,
  type: 4 | 5 | 6 | 7,
): fc.Arbitrary<packets.AcknowledgementPacket> {
  const codes = type < 6 ? [0, 0x10, 0x87, 0x99] : [0, 0x92];
  return fc.record({
    packetId,
    reasonCode: version === 5 ? fc.constantFrom(...codes) : fc.constant(0),
    properties: version === 5 ? properties(type) : none,
  });
}

export function subscribe(version: packets.ProtocolVersion): fc.Arbitrary<packets.SubscribePacket> {
  const option = version === 5 ? fc.boolean() : fc.constant(false);
  const retainHandling = version === 5 ? fc.constantFrom<0 | 1 | 2>(0, 1, 2) : fc.constant<0>(0);
  const subscription = fc.record({
    topicFilter,
    qos,
    noLocal: option,
    retainAsPublished: option,
    retainHandling,
  });
  return fc.record({
    packetId,
    subscriptions: fc.array(subscription, { minLength: 1, maxLength: 5 }),
    properties: version === 5 ? properties(PacketType.subscribe) : none,
  });
}

export function suback(version: packets.ProtocolVersion): fc.Arbitrary<packets.SubackPacket> {
  const codes = version === 5 ? [0, 1, 2, 0x80, 0x87, 0x8f, 0xa2] : [0, 1, 2, 0x80];
  return fc.record({
    packetId,
    reasonCodes: fc.array(fc.constantFrom(...codes), { minLength: 1, maxLength: 5 }),
    properties: version === 5 ? properties(PacketType.suback) : none,
  });
}

export function unsubscribe(version: packets.ProtocolVersion): fc.Arbitrary<packets.UnsubscribePacket> {
  return fc.record({
    packetId,
    topicFilters: fc.array(topicFilter, { minLength: 1, maxLength: 5 }),
    properties: version === 5 ? properties(PacketType.unsubscribe) : none,
  });
}

export function unsuback(version: packets.ProtocolVersion): fc.Arbitrary<packets.UnsubackPacket> {
  const codes = fc.array(fc.constantFrom(0, 0x11, 0x87), { minLength: 1, maxLength: 5 });
  return fc.record({
    packetId,
    reasonCodes: version === 5 ? codes : fc.constant<number[]>([]),
    properties: version === 5 ? properties(PacketType.unsuback) : none,
  });
}

export function disconnect(
  version: packets.ProtocolVersion,
  sender: 'client' | 'server',
): fc.Arbitrary<packets.DisconnectPacket> {
  const codes = sender === 'client' ? [0, 0x04, 0x81, 0x93] : [0, 0x8b, 0x8e, 0x9d];
  const leftOut: (keyof Properties)[] = sender === 'client' ? [] : ['sessionExpiryInterval'];
  return fc.record({
    reasonCode: version === 5 ? fc.constantFrom(...codes) : fc.constant(0),
    properties: version === 5 ? properties(PacketType.disconnect, leftOut) : none,
  });
}

export const auth: fc.Arbitrary<packets.AuthPacket> = fc
  .record({ reasonCode: fc.constantFrom(0x18, 0x19), properties: properties(PacketType.auth), method: text })
  .map(({ reasonCode, properties, method }) => ({
    reasonCode,
    properties: { authenticationMethod: method, ...properties },
  }));
