import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnackReturnCode, returnCodeOf } from '../../../core/wire/connack-return-code.ts';
import { encodeSuback, encodeUnsuback } from '../../../core/wire/encode-acknowledgement.ts';
import { encodeConnack } from '../../../core/wire/encode-connack.ts';
import { encodeConnect } from '../../../core/wire/encode-connect.ts';
import { encodeAuth, encodeDisconnect } from '../../../core/wire/encode-disconnect.ts';
import { encodePublish } from '../../../core/wire/encode-publish.ts';
import { encodeWithin } from '../../../core/wire/encode-within.ts';
import type { Properties } from '../../../core/wire/properties.ts';
import { ReasonCode } from '../../../core/wire/reason-code.ts';
import { reasonCodeName } from '../../../core/wire/reason-code-name.ts';
import { bytes, hex } from './frames.ts';

test('[v3 MQTT-3.2.2-6] a reason that no return code expresses leaves nothing to send', () => {
  const malformed = { sessionPresent: false, reasonCode: 0x81, properties: {} };
  assert.equal(encodeConnack(malformed, 4).length, 0);
  assert.equal(encodeConnack(malformed, 3).length, 0);
  assert.equal(hex(encodeConnack(malformed, 5)), '2003008100');
});

test('[MQTT-3.2.2-6] session present is 0 in a refusal', () => {
  const refusal = { sessionPresent: true, reasonCode: 0x87, properties: {} };
  assert.equal(hex(encodeConnack(refusal, 5)), '2003008700');
});

test('[v3 MQTT-3.2.2-4] session present is 0 in a refusal, and always in 3.1', () => {
  const refusal = { sessionPresent: true, reasonCode: 0x87, properties: {} };
  assert.equal(hex(encodeConnack(refusal, 4)), '20020005');
  const success = { sessionPresent: true, reasonCode: 0, properties: {} };
  assert.equal(hex(encodeConnack(success, 4)), '20020100');
  assert.equal(hex(encodeConnack(success, 3)), '20020000');
});

test('reason codes of a refusal as return codes of 3.x', () => {
  for (const [name, returnCode] of [
    ['success', ConnackReturnCode.accepted],
    ['unsupportedProtocolVersion', ConnackReturnCode.unacceptableProtocolVersion],
    ['clientIdentifierNotValid', ConnackReturnCode.identifierRejected],
    ['serverBusy', ConnackReturnCode.serverUnavailable],
    ['serverUnavailable', ConnackReturnCode.serverUnavailable],
    ['quotaExceeded', ConnackReturnCode.serverUnavailable],
    ['badUserNameOrPassword', ConnackReturnCode.badUserNameOrPassword],
    ['notAuthorized', ConnackReturnCode.notAuthorized],
    ['banned', ConnackReturnCode.notAuthorized],
    ['malformedPacket', undefined],
    ['protocolError', undefined],
    ['topicNameInvalid', undefined],
  ] as const) {
    assert.equal(returnCodeOf(ReasonCode[name]), returnCode, name);
  }
});

test('[v3 MQTT-3.9.3-2] every failure of a subscription is 0x80 before version 5', () => {
  const suback = { packetId: 1, reasonCodes: [0, 1, 2, 0x80, 0x87, 0x8f, 0xa2], properties: {} };
  for (const version of [3, 4] as const) {
    assert.equal(hex(encodeSuback(suback, version)), '9009000100010280808080');
  }
});

test('before version 5 properties and reason codes are left out', () => {
  const properties: Properties = { reasonString: 'r' };
  assert.equal(hex(encodeDisconnect({ reasonCode: 0x8e, properties }, 4)), 'e000');
  const publish = { topic: 't', payload: bytes(`'p'`), qos: 0, retain: true, dup: true } as const;
  const properties5: Properties = { contentType: 'c' };
  assert.equal(hex(encodePublish({ ...publish, properties: properties5 }, 4)), '310400017470');
});

test('[v3 MQTT-3.1.2-22] a password without a user name is a bug of the caller before version 5', () => {
  const packet = {
    cleanStart: true,
    keepAliveSeconds: 0,
    clientId: 'a',
    password: bytes('00'),
    properties: {},
  };
  assert.throws(() => encodeConnect({ ...packet, protocolVersion: 4 }), RangeError);
  assert.equal(encodeConnect({ ...packet, protocolVersion: 5 })[0], 0x10);
});

test('[MQTT-2.2.1-3] a PUBLISH with QoS 1 and no packet identifier is a bug of the caller', () => {
  const publish = {
    topic: 't',
    payload: bytes(''),
    qos: 1,
    retain: false,
    dup: false,
    properties: {},
  } as const;
  assert.throws(() => encodePublish(publish, 5), RangeError);
  assert.throws(() => encodePublish({ ...publish, packetId: 0 }, 5), RangeError);
});

const tooLarge = [
  ['CONNACK', '[MQTT-3.2.2-20]', '[MQTT-3.2.2-19]', encodeConnackWith],
  ['SUBACK', '[MQTT-3.9.2-2]', '[MQTT-3.9.2-1]', encodeSubackWith],
  ['UNSUBACK', '[MQTT-3.11.2-2]', '[MQTT-3.11.2-1]', encodeUnsubackWith],
  ['DISCONNECT', '[MQTT-3.14.2-4]', '[MQTT-3.14.2-3]', encodeDisconnectWith],
  ['AUTH', '[MQTT-3.15.2-3]', '[MQTT-3.15.2-2]', encodeAuthWith],
] as const;

const explanation: Properties = { reasonString: 'because', userProperties: [['k', 'a long value']] };

function encodeConnackWith(properties: Properties) {
  return encodeConnack({ sessionPresent: false, reasonCode: 0x87, properties }, 5);
}
function encodeSubackWith(properties: Properties) {
  return encodeSuback({ packetId: 1, reasonCodes: [0x87], properties }, 5);
}
function encodeUnsubackWith(properties: Properties) {
  return encodeUnsuback({ packetId: 1, reasonCodes: [0x87], properties }, 5);
}
function encodeDisconnectWith(properties: Properties) {
  return encodeDisconnect({ reasonCode: 0x8b, properties }, 5);
}
function encodeAuthWith(properties: Properties) {
  return encodeAuth({ reasonCode: 0x18, properties: { authenticationMethod: 'm', ...properties } });
}

for (const [packet, userPropertyStatement, reasonStringStatement, encode] of tooLarge) {
  test(`${userPropertyStatement} user properties that would make a ${packet} too large are left out`, () => {
    const frame = encodeWithin(encode(explanation).length - 1, explanation, encode);
    assert.deepEqual(frame, encode({ reasonString: 'because' }));
  });
  test(`${reasonStringStatement} a reason string that would make a ${packet} too large is left out`, () => {
    const frame = encodeWithin(encode({ reasonString: 'because' }).length - 1, explanation, encode);
    assert.deepEqual(frame, encode({}));
  });
}

test('what fits the maximum packet size goes whole, and the other properties always', () => {
  const properties: Properties = {
    serverKeepAlive: 1,
    reasonString: 'because',
    userProperties: [['k', 'a long value']],
  };
  const encode = (some: Properties) =>
    encodeConnack({ sessionPresent: false, reasonCode: 0, properties: some }, 5);
  const { userProperties, ...two } = properties;
  const whole = encode(properties);
  assert.deepEqual(encodeWithin(undefined, properties, encode), whole);
  assert.deepEqual(encodeWithin(whole.length, properties, encode), whole);
  assert.deepEqual(encodeWithin(whole.length - 1, properties, encode), encode(two));
  assert.deepEqual(encodeWithin(encode(two).length - 1, properties, encode), encode({ serverKeepAlive: 1 }));
});

test('the server reference goes last, where nothing else is left to leave out', () => {
  const encode = (properties: Properties): Uint8Array<ArrayBuffer> =>
    encodeConnack({ sessionPresent: false, reasonCode: 0x9d, properties }, 5);
  const reference = { serverReference: 'other.example' };
  const properties = { ...reference, reasonString: 'because' };
  assert.deepEqual(encodeWithin(encode(properties).length - 1, properties, encode), encode(reference));
  assert.deepEqual(encodeWithin(encode(reference).length, properties, encode), encode(reference));
  assert.deepEqual(encodeWithin(encode(reference).length - 1, properties, encode), encode({}));
});

test('reason codes have the names of the specification', () => {
  assert.equal(reasonCodeName(0), 'success');
  assert.equal(reasonCodeName(0x9b), 'qosNotSupported');
  assert.equal(reasonCodeName(0x7f), '0x7f');
});
