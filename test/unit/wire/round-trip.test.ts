/**
 * The codec against mqtt-packet: what that writes we read, what we write it reads, and what we write we
 * read; the packet is the same each time.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import {
  decodeAcknowledgement,
  decodeSubscriptionAnswer,
} from '../../../core/wire/decode-acknowledgement.ts';
import { decodeConnack } from '../../../core/wire/decode-connack.ts';
import { decodeConnect } from '../../../core/wire/decode-connect.ts';
import {
  decodeAuth,
  decodeDisconnect,
  decodeServerDisconnect,
} from '../../../core/wire/decode-disconnect.ts';
import { decodePublish } from '../../../core/wire/decode-publish.ts';
import { decodeSubscribe, decodeUnsubscribe } from '../../../core/wire/decode-subscribe.ts';
import {
  encodeAcknowledgement,
  encodeSuback,
  encodeUnsuback,
} from '../../../core/wire/encode-acknowledgement.ts';
import { encodeConnack } from '../../../core/wire/encode-connack.ts';
import { encodeConnect } from '../../../core/wire/encode-connect.ts';
import { encodeAuth, encodeDisconnect } from '../../../core/wire/encode-disconnect.ts';
import { encodePublish } from '../../../core/wire/encode-publish.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../../../core/wire/encode-subscribe.ts';
import type * as packets from '../../../core/wire/packets.ts';
import { type Properties, propertyTable } from '../../../core/wire/properties.ts';
import * as arbitrary from './arbitraries.ts';
import { decodeFrame } from './frames.ts';

/** A packet of mqtt-packet, which is compared and not programmed against. */
interface Theirs {
  cmd?: string;
  messageId?: number;
  reasonCode?: number;
  returnCode?: number;
  properties?: TheirProperties;
  protocolId?: string;
  protocolVersion?: packets.ProtocolVersion;
  clean?: boolean;
  keepalive?: number;
  clientId?: string;
  will?: Theirs;
  username?: string;
  password?: Buffer;
  sessionPresent?: boolean;
  topic?: string;
  payload?: Buffer;
  qos?: packets.QoS;
  retain?: boolean;
  dup?: boolean;
  granted?: number[];
  subscriptions?: { topic: string; qos: packets.QoS; nl?: boolean; rap?: boolean; rh?: 0 | 1 | 2 }[];
  unsubscriptions?: string[];
}

type TheirProperties = Record<string, unknown>;

interface Codec<Packet> {
  packets: fc.Arbitrary<Packet>;
  encode: (packet: Packet) => Uint8Array;
  decode: (header: number, body: Uint8Array) => object;
  toTheirs: (packet: Packet) => Theirs;
  fromTheirs: (theirs: Theirs) => Packet;
}

function roundTrip<Packet>(title: string, version: packets.ProtocolVersion, codec: Codec<Packet>): void {
  const { encode, decode, toTheirs, fromTheirs } = codec;
  // Records of fast-check have no prototype; ours do.
  const packets = codec.packets.map((packet) => structuredClone(packet));
  test(`${title}: mqtt-packet writes, we read`, () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const frame = mqttPacket.generate(toTheirs(packet) as never, { protocolVersion: version });
        assert.deepEqual(decodeFrame(decode, new Uint8Array(frame)), packet);
      }),
    );
  });
  test(`${title}: we write, mqtt-packet and we read`, () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const frame = encode(packet);
        assert.deepEqual(decodeFrame(decode, frame), packet);
        assert.deepEqual(fromTheirs(parse(frame, version)), packet);
      }),
    );
  });
}

function parse(frame: Uint8Array, version: packets.ProtocolVersion): Theirs {
  const parser = mqttPacket.parser({ protocolVersion: version });
  const parsed: Theirs[] = [];
  parser.on('packet', (packet) => parsed.push(packet as unknown as Theirs));
  parser.on('error', (error) => assert.fail(error as Error));
  parser.parse(Buffer.from(frame));
  assert.equal(parsed.length, 1);
  return parsed[0] as Theirs;
}

/** What must be there, or the test has found something. */
function there<Value>(value: Value | undefined): Value {
  assert.ok(value !== undefined);
  return value;
}

/**
 * Theirs has yes and no as booleans, but not maximumQoS; one name in the singular; and the user properties
 * as an object.
 */
function toTheirProperties(properties: Properties): { properties: TheirProperties } {
  const theirs: [string, unknown][] = [];
  for (const [, name, encoding] of propertyTable) {
    const value = properties[name];
    if (value === undefined) continue;
    if (name === 'subscriptionIdentifiers') {
      const identifiers = value as number[];
      theirs.push(['subscriptionIdentifier', identifiers.length === 1 ? identifiers[0] : identifiers]);
    } else if (name === 'userProperties') {
      theirs.push([name, grouped(value as [string, string][])]);
    } else if (encoding === 'uint8' && name !== 'maximumQoS') theirs.push([name, value === 1]);
    else theirs.push([name, encoding === 'binary' ? Buffer.from(value as Uint8Array) : value]);
  }
  return { properties: Object.fromEntries(theirs) };
}

function grouped(pairs: [string, string][]): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const [name, value] of pairs) groups[name] = [...(groups[name] ?? []), value];
  return groups;
}

function fromTheirProperties({ properties: theirs = {} }: Theirs): Properties {
  const ours = Object.entries(theirs).map(([name, value]) => {
    if (name === 'subscriptionIdentifier') return ['subscriptionIdentifiers', [value].flat()];
    if (name === 'userProperties') return [name, ungrouped(value as Record<string, string | string[]>)];
    if (typeof value === 'boolean') return [name, Number(value)];
    return [name, Buffer.isBuffer(value) ? new Uint8Array(value) : value];
  });
  return Object.fromEntries(ours);
}

function ungrouped(groups: Record<string, string | string[]>): [string, string][] {
  return Object.entries(groups).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  );
}

function willFromTheirs(theirs: Theirs): packets.Will {
  return {
    topic: there(theirs.topic),
    payload: new Uint8Array(there(theirs.payload)),
    qos: there(theirs.qos),
    retain: there(theirs.retain),
    properties: fromTheirProperties(theirs),
  };
}

function connectToTheirs({ will, password, username, ...packet }: packets.ConnectPacket): Theirs {
  return {
    cmd: 'connect',
    protocolId: packet.protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: packet.protocolVersion,
    clean: packet.cleanStart,
    keepalive: packet.keepAliveSeconds,
    clientId: packet.clientId,
    ...toTheirProperties(packet.properties),
    ...(username === undefined ? {} : { username }),
    ...(password && { password: Buffer.from(password) }),
    ...(will && {
      will: { ...will, payload: Buffer.from(will.payload), ...toTheirProperties(will.properties) },
    }),
  };
}

function connectFromTheirs(theirs: Theirs): packets.ConnectPacket {
  const { will, username, password } = theirs;
  return {
    protocolVersion: there(theirs.protocolVersion),
    cleanStart: there(theirs.clean),
    keepAliveSeconds: there(theirs.keepalive),
    clientId: there(theirs.clientId),
    properties: fromTheirProperties(theirs),
    ...(will && { will: willFromTheirs(will) }),
    ...(username === undefined ? {} : { username }),
    ...(password && { password: new Uint8Array(password) }),
  };
}

function publishFromTheirs(theirs: Theirs): packets.PublishPacket {
  const { messageId } = theirs;
  return {
    ...willFromTheirs(theirs),
    dup: there(theirs.dup),
    ...(messageId === undefined ? {} : { packetId: messageId }),
  };
}

const returnCodes = [0x00, 0x84, 0x85, 0x88, 0x86, 0x87];
const acknowledgementNames = { 4: 'puback', 5: 'pubrec', 6: 'pubrel', 7: 'pubcomp' } as const;

for (const version of [3, 4, 5] as const) {
  roundTrip<packets.ConnectPacket>(`CONNECT ${version}`, version, {
    packets: arbitrary.connect(version),
    encode: encodeConnect,
    decode: decodeConnect,
    toTheirs: connectToTheirs,
    fromTheirs: connectFromTheirs,
  });
}

for (const version of [4, 5] as const) {
  const is5 = version === 5;

  roundTrip<packets.ConnackPacket>(`CONNACK ${version}`, version, {
    packets: arbitrary.connack(version),
    encode: (packet) => encodeConnack(packet, version),
    decode: (header, body) => decodeConnack(header, body, version),
    toTheirs: ({ sessionPresent, reasonCode, properties }) => ({
      cmd: 'connack',
      sessionPresent,
      [is5 ? 'reasonCode' : 'returnCode']: is5 ? reasonCode : returnCodes.indexOf(reasonCode),
      ...toTheirProperties(properties),
    }),
    fromTheirs: (theirs) => ({
      sessionPresent: there(theirs.sessionPresent),
      reasonCode: is5 ? there(theirs.reasonCode) : there(returnCodes[there(theirs.returnCode)]),
      properties: fromTheirProperties(theirs),
    }),
  });

  roundTrip<packets.PublishPacket>(`PUBLISH ${version}`, version, {
    packets: arbitrary.publish(version),
    encode: (packet) => encodePublish(packet, version),
    decode: (header, body) => decodePublish(header, body, version),
    toTheirs: ({ packetId, properties, payload, ...rest }) => ({
      cmd: 'publish',
      ...rest,
      payload: Buffer.from(payload),
      ...(packetId === undefined ? {} : { messageId: packetId }),
      ...toTheirProperties(properties),
    }),
    fromTheirs: publishFromTheirs,
  });

  for (const type of [4, 5, 6, 7] as const) {
    roundTrip<packets.AcknowledgementPacket>(`${acknowledgementNames[type]} ${version}`, version, {
      packets: arbitrary.acknowledgement(version, type),
      encode: (packet) => encodeAcknowledgement(type, packet, version),
      decode: (header, body) => decodeAcknowledgement(header, body, version),
      toTheirs: ({ packetId, reasonCode, properties }) => ({
        cmd: acknowledgementNames[type],
        messageId: packetId,
        reasonCode,
        ...toTheirProperties(properties),
      }),
      fromTheirs: (theirs) => ({
        packetId: there(theirs.messageId),
        reasonCode: theirs.reasonCode ?? 0,
        properties: fromTheirProperties(theirs),
      }),
    });
  }

  roundTrip<packets.SubscribePacket>(`SUBSCRIBE ${version}`, version, {
    packets: arbitrary.subscribe(version),
    encode: (packet) => encodeSubscribe(packet, version),
    decode: (header, body) => decodeSubscribe(header, body, version),
    toTheirs: ({ packetId, subscriptions, properties }) => ({
      cmd: 'subscribe',
      messageId: packetId,
      subscriptions: subscriptions.map(
        ({ topicFilter, qos, noLocal, retainAsPublished, retainHandling }) => ({
          topic: topicFilter,
          qos,
          nl: noLocal,
          rap: retainAsPublished,
          rh: retainHandling,
        }),
      ),
      ...toTheirProperties(properties),
    }),
    fromTheirs: (theirs) => ({
      packetId: there(theirs.messageId),
      subscriptions: there(theirs.subscriptions).map(({ topic, qos, nl = false, rap = false, rh = 0 }) => ({
        topicFilter: topic,
        qos,
        noLocal: nl,
        retainAsPublished: rap,
        retainHandling: rh,
      })),
      properties: fromTheirProperties(theirs),
    }),
  });

  const granted = ({ packetId, reasonCodes, properties }: packets.SubackPacket) => ({
    messageId: packetId,
    granted: reasonCodes,
    ...toTheirProperties(properties),
  });
  const fromGranted = (theirs: Theirs): packets.SubackPacket => ({
    packetId: there(theirs.messageId),
    reasonCodes: theirs.granted ?? [],
    properties: fromTheirProperties(theirs),
  });
  roundTrip<packets.SubackPacket>(`SUBACK ${version}`, version, {
    packets: arbitrary.suback(version),
    encode: (packet) => encodeSuback(packet, version),
    decode: (header, body) => decodeSubscriptionAnswer(header, body, version),
    toTheirs: (packet) => ({ cmd: 'suback', ...granted(packet) }),
    fromTheirs: fromGranted,
  });
  roundTrip<packets.UnsubackPacket>(`UNSUBACK ${version}`, version, {
    packets: arbitrary.unsuback(version),
    encode: (packet) => encodeUnsuback(packet, version),
    decode: (header, body) => decodeSubscriptionAnswer(header, body, version),
    toTheirs: (packet) => ({ cmd: 'unsuback', ...granted(packet) }),
    fromTheirs: fromGranted,
  });

  roundTrip<packets.UnsubscribePacket>(`UNSUBSCRIBE ${version}`, version, {
    packets: arbitrary.unsubscribe(version),
    encode: (packet) => encodeUnsubscribe(packet, version),
    decode: (header, body) => decodeUnsubscribe(header, body, version),
    toTheirs: ({ packetId, topicFilters, properties }) => ({
      cmd: 'unsubscribe',
      messageId: packetId,
      unsubscriptions: topicFilters,
      ...toTheirProperties(properties),
    }),
    fromTheirs: (theirs) => ({
      packetId: there(theirs.messageId),
      topicFilters: there(theirs.unsubscriptions),
      properties: fromTheirProperties(theirs),
    }),
  });

  for (const sender of ['client', 'server'] as const) {
    if (!is5 && sender === 'server') continue;
    roundTrip<packets.DisconnectPacket>(`DISCONNECT ${version} from the ${sender}`, version, {
      packets: arbitrary.disconnect(version, sender),
      encode: (packet) => encodeDisconnect(packet, version),
      decode: (header, body) =>
        sender === 'client'
          ? decodeDisconnect(header, body, version)
          : decodeServerDisconnect(header, body, version),
      toTheirs: ({ reasonCode, properties }) => ({
        cmd: 'disconnect',
        reasonCode,
        ...toTheirProperties(properties),
      }),
      fromTheirs: (theirs) => ({
        reasonCode: theirs.reasonCode ?? 0,
        properties: fromTheirProperties(theirs),
      }),
    });
  }
}

roundTrip<packets.AuthPacket>('AUTH 5', 5, {
  packets: arbitrary.auth,
  encode: encodeAuth,
  decode: (header, body) => decodeAuth(header, body, 5),
  toTheirs: ({ reasonCode, properties }) => ({ cmd: 'auth', reasonCode, ...toTheirProperties(properties) }),
  fromTheirs: (theirs) => ({ reasonCode: there(theirs.reasonCode), properties: fromTheirProperties(theirs) }),
});
