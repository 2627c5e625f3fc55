/** Frames written by hand from the specification, byte for byte, read and written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeAcknowledgement,
  decodeSubscriptionAnswer,
} from '../../../core/wire/decode-acknowledgement.ts';
import { decodeConnack } from '../../../core/wire/decode-connack.ts';
import { decodeConnect } from '../../../core/wire/decode-connect.ts';
import {
  decodeAuth,
  decodeDisconnect,
  decodeServerAuth,
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
import { encodePingreq, encodePingresp } from '../../../core/wire/encode-ping.ts';
import { encodePublish } from '../../../core/wire/encode-publish.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../../../core/wire/encode-subscribe.ts';
import { PacketType } from '../../../core/wire/packet-type.ts';
import type { ConnectPacket, PublishPacket, SubscribePacket } from '../../../core/wire/packets.ts';
import { bytes, decodeFrame, hex } from './frames.ts';

function both<Packet extends object>(
  title: string,
  vector: string,
  packet: Packet,
  decode: (header: number, body: Uint8Array) => object,
  encode: (packet: Packet) => Uint8Array,
): void {
  test(`${title}: read`, () => assert.deepEqual(decodeFrame(decode, vector), packet));
  test(`${title}: written`, () => assert.equal(hex(encode(packet)), hex(bytes(vector))));
}

const connects: [string, string, ConnectPacket][] = [
  [
    'CONNECT 3.1',
    `10 0f 0006'MQIsdp' 03 02 003c 0001'a'`,
    { protocolVersion: 3, cleanStart: true, keepAliveSeconds: 60, clientId: 'a', properties: {} },
  ],
  [
    'CONNECT 3.1.1 with everything',
    `10 23 0004'MQTT' 04 f6 000a 0002'id' 0003'w/t' 0003 ff00fe 0004'user' 0003'p w'`,
    {
      protocolVersion: 4,
      cleanStart: true,
      keepAliveSeconds: 10,
      clientId: 'id',
      will: { topic: 'w/t', payload: bytes('ff00fe'), qos: 2, retain: true, properties: {} },
      username: 'user',
      password: bytes(`'p w'`),
      properties: {},
    },
  ],
  [
    'CONNECT 5 with every property',
    `10 64 0004'MQTT' 05 4c ffff
     24 11 00000e10 15 0001'm' 16 0002 0001 17 00 19 01 21 000a 22 0005 26 0001'k' 0001'v' 27 00010000
     0000
     26 01 01 02 0000003c 03 0001't' 08 0001'r' 09 0001 ff 18 0000001e 26 0001'a' 0001'1' 26 0001'a' 0001'2'
     0001'w' 0002'hi' 0003 70ff70`,
    {
      protocolVersion: 5,
      cleanStart: false,
      keepAliveSeconds: 65535,
      clientId: '',
      will: {
        topic: 'w',
        payload: bytes(`'hi'`),
        qos: 1,
        retain: false,
        properties: {
          payloadFormatIndicator: 1,
          messageExpiryInterval: 60,
          contentType: 't',
          responseTopic: 'r',
          correlationData: bytes('ff'),
          willDelayInterval: 30,
          userProperties: [
            ['a', '1'],
            ['a', '2'],
          ],
        },
      },
      password: bytes('70ff70'),
      properties: {
        sessionExpiryInterval: 3600,
        authenticationMethod: 'm',
        authenticationData: bytes('0001'),
        requestProblemInformation: 0,
        requestResponseInformation: 1,
        receiveMaximum: 10,
        topicAliasMaximum: 5,
        userProperties: [['k', 'v']],
        maximumPacketSize: 65536,
      },
    },
  ],
];
for (const [title, vector, packet] of connects) both(title, vector, packet, decodeConnect, encodeConnect);

both(
  'CONNACK 5 with every property',
  `20 3f 01 00 3c 11 00000001 12 0001'c' 13 003c 15 0001'm' 16 0001 aa 1a 0001'i' 1c 0001's' 1f 0001'r' 21 0002
   22 0003 24 01 25 00 26 0001'n' 0001'v' 27 00000400 28 00 29 00 2a 01`,
  {
    sessionPresent: true,
    reasonCode: 0,
    properties: {
      sessionExpiryInterval: 1,
      assignedClientIdentifier: 'c',
      serverKeepAlive: 60,
      authenticationMethod: 'm',
      authenticationData: bytes('aa'),
      responseInformation: 'i',
      serverReference: 's',
      reasonString: 'r',
      receiveMaximum: 2,
      topicAliasMaximum: 3,
      maximumQoS: 1,
      retainAvailable: 0,
      userProperties: [['n', 'v'] as [string, string]],
      maximumPacketSize: 1024,
      wildcardSubscriptionAvailable: 0,
      subscriptionIdentifiersAvailable: 0,
      sharedSubscriptionAvailable: 1,
    },
  },
  (header, body) => decodeConnack(header, body, 5),
  (packet) => encodeConnack(packet, 5),
);
for (const version of [3, 4] as const) {
  both(
    `CONNACK ${version}: bad user name or password`,
    '20 02 00 04',
    { sessionPresent: false, reasonCode: 0x86, properties: {} },
    (header, body) => decodeConnack(header, body, version),
    (packet) => encodeConnack(packet, version),
  );
}
both(
  'CONNACK 3.1.1 with a session',
  '20 02 01 00',
  { sessionPresent: true, reasonCode: 0, properties: {} },
  (header, body) => decodeConnack(header, body, 4),
  (packet) => encodeConnack(packet, 4),
);

const publishes: [string, string, 4 | 5, PublishPacket][] = [
  [
    'PUBLISH 3.1.1 QoS 0',
    `30 05 0003'a/b'`,
    4,
    { topic: 'a/b', payload: new Uint8Array(), qos: 0, retain: false, dup: false, properties: {} },
  ],
  [
    'PUBLISH 3.1.1 QoS 1, DUP, RETAIN',
    `3b 07 0001't' 0102 'xy'`,
    4,
    { topic: 't', payload: bytes(`'xy'`), qos: 1, retain: true, dup: true, packetId: 258, properties: {} },
  ],
  [
    'PUBLISH 5 QoS 2 with an alias in place of the topic',
    `34 12 0000 0001 0c 01 01 0b 01 0b ffffff7f 23 0007 '!'`,
    5,
    {
      topic: '',
      payload: bytes(`'!'`),
      qos: 2,
      retain: false,
      dup: false,
      packetId: 1,
      properties: { topicAlias: 7, subscriptionIdentifiers: [1, 268435455], payloadFormatIndicator: 1 },
    },
  ],
];
for (const [title, vector, version, packet] of publishes) {
  both(
    title,
    vector,
    packet,
    (header, body) => decodePublish(header, body, version),
    (packet) => encodePublish(packet, version),
  );
}

const acknowledgements = [
  ['PUBACK', PacketType.puback, '40'],
  ['PUBREC', PacketType.pubrec, '50'],
  ['PUBREL', PacketType.pubrel, '62'],
  ['PUBCOMP', PacketType.pubcomp, '70'],
] as const;
for (const [name, type, header] of acknowledgements) {
  for (const [form, rest, version, reasonCode, properties] of [
    ['3.1.1', '02 1234', 4, 0, {}],
    ['5 with remaining length 2', '02 1234', 5, 0, {}],
    ['5 with remaining length 3', '03 1234 92', 5, 0x92, {}],
    ['5 with a reason string', `08 1234 00 04 1f 0001'r'`, 5, 0, { reasonString: 'r' }],
  ] as const) {
    both(
      `${name} ${form}`,
      `${header} ${rest}`,
      { packetId: 0x1234, reasonCode, properties },
      (header, body) => decodeAcknowledgement(header, body, version),
      (packet) => encodeAcknowledgement(type, packet, version),
    );
  }
}

const subscribe: SubscribePacket = {
  packetId: 10,
  subscriptions: [
    { topicFilter: 'a/#', qos: 1, noLocal: true, retainAsPublished: false, retainHandling: 2 },
    { topicFilter: '+', qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 1 },
  ],
  properties: { subscriptionIdentifiers: [300], userProperties: [['k', 'v']] },
};
both(
  'SUBSCRIBE 5',
  `82 17 000a 0a 0b ac02 26 0001'k' 0001'v' 0003'a/#' 25 0001'+' 1a`,
  subscribe,
  (header, body) => decodeSubscribe(header, body, 5),
  (packet) => encodeSubscribe(packet, 5),
);
both(
  'SUBSCRIBE 3.1.1',
  `82 0c 000a 0003'a/b' 01 0001'c' 02`,
  {
    packetId: 10,
    subscriptions: [
      { topicFilter: 'a/b', qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 },
      { topicFilter: 'c', qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 },
    ],
    properties: {},
  } satisfies SubscribePacket as SubscribePacket,
  (header, body) => decodeSubscribe(header, body, 4),
  (packet) => encodeSubscribe(packet, 4),
);
both(
  'SUBACK 5',
  `90 09 000a 04 1f 0001'r' 01 8f`,
  { packetId: 10, reasonCodes: [1, 0x8f], properties: { reasonString: 'r' } },
  (header, body) => decodeSubscriptionAnswer(header, body, 5),
  (packet) => encodeSuback(packet, 5),
);
both(
  'SUBACK 3.1.1',
  `90 05 000a 00 02 80`,
  { packetId: 10, reasonCodes: [0, 2, 0x80], properties: {} },
  (header, body) => decodeSubscriptionAnswer(header, body, 4),
  (packet) => encodeSuback(packet, 4),
);
both(
  'UNSUBSCRIBE 3.1.1',
  `a2 08 000b 0001'a' 0001'b'`,
  { packetId: 11, topicFilters: ['a', 'b'], properties: {} },
  (header, body) => decodeUnsubscribe(header, body, 4),
  (packet) => encodeUnsubscribe(packet, 4),
);
both(
  'UNSUBSCRIBE 5',
  `a2 0d 000b 07 26 0001'k' 0001'v' 0001'a'`,
  { packetId: 11, topicFilters: ['a'], properties: { userProperties: [['k', 'v'] as [string, string]] } },
  (header, body) => decodeUnsubscribe(header, body, 5),
  (packet) => encodeUnsubscribe(packet, 5),
);
both(
  'UNSUBACK 5',
  `b0 05 000b 00 00 11`,
  { packetId: 11, reasonCodes: [0, 0x11], properties: {} },
  (header, body) => decodeSubscriptionAnswer(header, body, 5),
  (packet) => encodeUnsuback(packet, 5),
);
both(
  'UNSUBACK 3.1.1',
  `b0 02 000b`,
  { packetId: 11, reasonCodes: [], properties: {} },
  (header, body) => decodeSubscriptionAnswer(header, body, 4),
  (packet) => encodeUnsuback(packet, 4),
);

for (const [form, vector, version, reasonCode, properties] of [
  ['3.1.1', 'e0 00', 4, 0, {}],
  ['5 with remaining length 0', 'e0 00', 5, 0, {}],
  ['5 with remaining length 1', 'e0 01 04', 5, 4, {}],
  ['5 with a session expiry interval', 'e0 07 00 05 11 00000000', 5, 0, { sessionExpiryInterval: 0 }],
] as const) {
  both(
    `DISCONNECT ${form}`,
    vector,
    { reasonCode, properties },
    (header, body) => decodeDisconnect(header, body, version),
    (packet) => encodeDisconnect(packet, version),
  );
}
both(
  'DISCONNECT from the server',
  `e0 06 9d 04 1c 0001's'`,
  { reasonCode: 0x9d, properties: { serverReference: 's' } },
  (header, body) => decodeServerDisconnect(header, body, 5),
  (packet) => encodeDisconnect(packet, 5),
);
both(
  'AUTH',
  `f0 0a 18 08 15 0001'm' 16 0001 00`,
  { reasonCode: 0x18, properties: { authenticationMethod: 'm', authenticationData: bytes('00') } },
  (header, body) => decodeAuth(header, body, 5),
  encodeAuth,
);
both(
  'AUTH from the server in its shortest form',
  'f0 00',
  { reasonCode: 0, properties: {} },
  (header, body) => decodeServerAuth(header, body, 5),
  encodeAuth,
);

test('PINGREQ and PINGRESP', () => {
  assert.equal(hex(encodePingreq()), 'c000');
  assert.equal(hex(encodePingresp()), 'd000');
});
