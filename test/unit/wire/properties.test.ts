import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProperties } from '../../../core/wire/decode-properties.ts';
import { encodeProperties } from '../../../core/wire/encode-properties.ts';
import { PacketType } from '../../../core/wire/packet-type.ts';
import { type Properties, type PropertyCarrier, propertyTable } from '../../../core/wire/properties.ts';
import { isMisplaced } from '../../../core/wire/property-rules.ts';
import type { ProtocolError } from '../../../core/wire/protocol-error.ts';
import { Reader } from '../../../core/wire/reader.ts';
import { concat } from '../../../core/wire/write.ts';
import { assertRefused, bytes, hex } from './frames.ts';

const { connect, connack, publish, subscribe, disconnect, auth } = PacketType;

/** `content` without its property length, which is put in front. */
function decode(carrier: PropertyCarrier, content: string): Properties | ProtocolError {
  const body = bytes(content);
  const reader = new Reader(new Uint8Array([body.length, ...body]));
  return reader.finish(decodeProperties(reader, carrier));
}

/** The highest packet type that may carry it. */
function lastCarrierOf(name: keyof Properties): PropertyCarrier {
  let carrier = 15;
  while (isMisplaced(carrier as PropertyCarrier, name)) carrier--;
  return carrier as PropertyCarrier;
}

/** One value for each property, in hex and as read. */
const samples: { [Name in keyof Properties]-?: [string, Properties[Name]] } = {
  payloadFormatIndicator: ['01 01', 1],
  messageExpiryInterval: ['02 ffffffff', 0xffff_ffff],
  contentType: [`03 0001'c'`, 'c'],
  responseTopic: [`08 0001'r'`, 'r'],
  correlationData: ['09 0001 00', bytes('00')],
  subscriptionIdentifiers: ['0b 8001', [128]],
  sessionExpiryInterval: ['11 00000000', 0],
  assignedClientIdentifier: [`12 0001'a'`, 'a'],
  serverKeepAlive: ['13 0000', 0],
  authenticationMethod: [`15 0001'm'`, 'm'],
  authenticationData: ['16 0000', bytes('')],
  requestProblemInformation: ['17 00', 0],
  willDelayInterval: ['18 00000000', 0],
  requestResponseInformation: ['19 01', 1],
  responseInformation: ['1a 0000', ''],
  serverReference: [`1c 0001's'`, 's'],
  reasonString: [`1f 0001'r'`, 'r'],
  receiveMaximum: ['21 ffff', 65535],
  topicAliasMaximum: ['22 0000', 0],
  topicAlias: ['23 0001', 1],
  maximumQoS: ['24 00', 0],
  retainAvailable: ['25 01', 1],
  userProperties: ['26 0000 0000', [['', '']]],
  maximumPacketSize: ['27 00000001', 1],
  wildcardSubscriptionAvailable: ['28 01', 1],
  subscriptionIdentifiersAvailable: ['29 00', 0],
  sharedSubscriptionAvailable: ['2a 01', 1],
};

/** Table 2-4 of the specification, by carrier; 0 is the will. */
const table: Record<number, string> = {
  0: '01 02 03 08 09 18 26',
  1: '11 15 16 17 19 21 22 26 27',
  2: '11 12 13 15 16 1a 1c 1f 21 22 24 25 26 27 28 29 2a',
  3: '01 02 03 08 09 0b 23 26',
  4: '1f 26',
  5: '1f 26',
  6: '1f 26',
  7: '1f 26',
  8: '0b 26',
  9: '1f 26',
  10: '26',
  11: '1f 26',
  14: '11 1c 1f 26',
  15: '15 16 1f 26',
};

test('a property that does not belong into the packet, or does not exist, is malformed (section 2.2.2.2)', () => {
  for (const [carrier, identifiers] of Object.entries(table)) {
    for (const [vector] of Object.values(samples)) {
      const identifier = vector.slice(0, 2);
      // Authentication data needs the method; a second method would be a second property.
      const content = identifier === '16' ? `15 0001'm' ${vector}` : vector;
      const result = decode(Number(carrier) as PropertyCarrier, content);
      if (!identifiers.includes(identifier)) assertRefused(result, 0x81);
      else assert.ok(!('why' in result), `${carrier} ${vector}`);
    }
  }
  for (const unknown of ['00 00', '04 00', '2b 00', 'ff01 00', 'ffffff7f 00']) {
    assertRefused(decode(connect, unknown), 0x81);
  }
});

test('every property is read as it is written', () => {
  for (const [, name] of propertyTable) {
    const [vector, value] = samples[name];
    const carrier = lastCarrierOf(name);
    const properties = { [name]: value };
    const written = concat([encodeProperties(properties, carrier)]);
    assert.equal(hex(written.subarray(1)), hex(bytes(vector)));
    if (name !== 'authenticationData') assert.deepEqual(decode(carrier, vector), properties);
  }
});

test('a property that occurs twice is a protocol error, but user properties and, in PUBLISH, subscription identifiers', () => {
  for (const [, name] of propertyTable) {
    const [vector] = samples[name];
    for (let carrier = 0; carrier < 16; carrier++) {
      if (isMisplaced(carrier as PropertyCarrier, name)) continue;
      const method = name === 'authenticationData' ? `15 0001'm'` : '';
      const result = decode(carrier as PropertyCarrier, `${method} ${vector} ${vector}`);
      const mayRepeat =
        name === 'userProperties' || (name === 'subscriptionIdentifiers' && carrier === publish);
      if (mayRepeat) assert.equal((result as Properties)[name as 'userProperties']?.length, 2);
      else assertRefused(result, 0x82);
    }
  }
});

test('properties of one byte other than 0 and 1 are protocol errors', () => {
  for (const [identifier, name, encoding] of propertyTable) {
    if (encoding !== 'uint8') continue;
    const carrier = lastCarrierOf(name);
    const prefix = identifier.toString(16).padStart(2, '0');
    assertRefused(decode(carrier, `${prefix} 02`), 0x82);
    assertRefused(decode(carrier, `${prefix} ff`), 0x82);
  }
});

test('a receive maximum of 0 is a protocol error (section 3.1.2.11.3)', () => {
  assertRefused(decode(connect, '21 0000'), 0x82);
  assertRefused(decode(connack, '21 0000'), 0x82);
});

test('a maximum packet size of 0 is a protocol error (section 3.1.2.11.4)', () => {
  assertRefused(decode(connect, '27 00000000'), 0x82);
  assertRefused(decode(connack, '27 00000000'), 0x82);
});

test('a subscription identifier of 0 is a protocol error (section 3.8.2.1.2)', () => {
  assertRefused(decode(subscribe, '0b 00'), 0x82);
  assertRefused(decode(publish, '0b 01 0b 00'), 0x82);
});

test('[MQTT-3.3.2-8] a topic alias of 0 is refused with 0x94', () => {
  assertRefused(decode(publish, '23 0000'), 0x94);
});

test('[MQTT-3.3.2-13] a response topic that is not well-formed UTF-8 is malformed', () => {
  assertRefused(decode(publish, '08 0001 ff'), 0x81);
});

test('[MQTT-3.3.2-14] a response topic with wildcards, or an empty one, is malformed as such a topic name is', () => {
  for (const carrier of [publish, 0] as const) {
    assertRefused(decode(carrier, `08 0003'a/#'`), 0x81);
    assertRefused(decode(carrier, `08 0001'+'`), 0x81);
    assertRefused(decode(carrier, '08 0000'), 0x81);
  }
});

test('[MQTT-3.3.2-19] a content type that is not well-formed UTF-8 is malformed', () => {
  assertRefused(decode(publish, '03 0002 c328'), 0x81);
});

test('authentication data without a method is a protocol error (section 3.1.2.11.10)', () => {
  for (const carrier of [connect, connack, auth]) {
    assertRefused(decode(carrier, '16 0000'), 0x82);
    assert.ok(!('why' in decode(carrier, `16 0000 15 0001'm'`)));
  }
});

test('a property length that does not match the properties is malformed', () => {
  for (const body of ['05 11 000000', '04 11 00000000', '06 11 00000000', '', '80', '01']) {
    const reader = new Reader(bytes(body));
    assertRefused(reader.finish(decodeProperties(reader, disconnect)), 0x81);
  }
});

test('what lies behind the properties is no part of a value, so that a cut value is malformed, whatever it would be', () => {
  // Receive Maximum with one byte; the next byte would make it 0, which is a protocol error.
  assertRefused(readAll(connect, '02 21 00 00'), 0x81);
  assertRefused(readAll(subscribe, '01 0b 00'), 0x81);
  // A length beyond the packet, in which something occurs twice.
  assertRefused(readAll(connect, '20 17 01 17 01'), 0x81);
});

/** `content` has its property length. */
function readAll(carrier: PropertyCarrier, content: string): Properties | ProtocolError {
  const reader = new Reader(bytes(content));
  return reader.finish(decodeProperties(reader, carrier));
}

test('[MQTT-2.2.2-1] no properties are written as a property length of 0', () => {
  assert.equal(hex(concat([encodeProperties({}, connect)])), '00');
});

test('writing a property that the packet may not carry is a bug of the caller', () => {
  assert.throws(() => encodeProperties({ receiveMaximum: 1 }, publish), RangeError);
});

test('the order of user properties is kept', () => {
  const userProperties: [string, string][] = [
    ['b', '1'],
    ['a', '2'],
    ['b', '3'],
  ];
  const reader = new Reader(concat([encodeProperties({ userProperties }, publish)]));
  assert.deepEqual(decodeProperties(reader, publish), { userProperties });
});
