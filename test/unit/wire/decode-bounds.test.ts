/** What a server takes of the names in one packet: exactly as much as its bound, with the reason code for what is more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DecodeBounds } from '../../../core/wire/decode-bounds.ts';
import { decodeConnect } from '../../../core/wire/decode-connect.ts';
import { decodeAuth, decodeDisconnect } from '../../../core/wire/decode-disconnect.ts';
import { decodeSubscribe, decodeUnsubscribe } from '../../../core/wire/decode-subscribe.ts';
import { encodeConnect } from '../../../core/wire/encode-connect.ts';
import { encodeAuth, encodeDisconnect } from '../../../core/wire/encode-disconnect.ts';
import { encodeSubscribe, encodeUnsubscribe } from '../../../core/wire/encode-subscribe.ts';
import type { ConnectPacket, ProtocolVersion } from '../../../core/wire/packets.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';

const bounds: DecodeBounds = {
  clientIdBytesMax: 30,
  usernameBytesMax: 20,
  passwordBytesMax: 10,
  userPropertiesPerPacketMax: 3,
  filtersPerPacketMax: 4,
};
const versions: readonly ProtocolVersion[] = [3, 4, 5];

const pairs = (count: number) => Array.from({ length: count }, (): [string, string] => ['k', 'v']);

/** The reason code, or 0, of a frame with a remaining length of one or two bytes. */
function codeOf(
  frame: Uint8Array,
  decode: (header: number, body: Uint8Array, version: ProtocolVersion, bounds?: DecodeBounds) => unknown,
  version: ProtocolVersion = 5,
): number {
  const header = frame[0] ?? 0;
  const body = frame.subarray((frame[1] ?? 0) < 128 ? 2 : 3);
  const packet = decode(header, body, version, bounds);
  return isProtocolError(packet as object) ? (packet as { reasonCode: number }).reasonCode : 0;
}

function connectCode(fields: Partial<ConnectPacket>): number {
  const packet: ConnectPacket = {
    protocolVersion: 5,
    cleanStart: true,
    keepAliveSeconds: 0,
    clientId: 'c',
    properties: {},
    ...fields,
  };
  return codeOf(encodeConnect(packet), (header, body) => decodeConnect(header, body, bounds));
}

test('the identifier, the user name and the password of a CONNECT have bounds in bytes, in all versions', () => {
  for (const protocolVersion of versions) {
    const username = 'u';
    const password = new Uint8Array(10);
    const code = (fields: Partial<ConnectPacket>) => connectCode({ protocolVersion, ...fields });
    assert.equal(code({ clientId: 'x'.repeat(30) }), 0);
    assert.equal(code({ clientId: 'x'.repeat(31) }), 0x85);
    assert.equal(code({ clientId: 'é'.repeat(15) }), 0);
    assert.equal(code({ clientId: 'é'.repeat(16) }), 0x85);
    assert.equal(code({ username: 'x'.repeat(20) }), 0);
    assert.equal(code({ username: 'x'.repeat(21) }), 0x86);
    assert.equal(code({ username, password }), 0);
    assert.equal(code({ username, password: new Uint8Array(11) }), 0x86);
  }
});

test('without bounds everything is taken that MQTT allows', () => {
  const long = 'x'.repeat(7_000);
  const packet: ConnectPacket = {
    protocolVersion: 5,
    cleanStart: true,
    keepAliveSeconds: 0,
    clientId: long,
    username: long,
    properties: { userProperties: pairs(500) },
  };
  assert.equal(isProtocolError(decodeConnect(0x10, encodeConnect(packet).subarray(4))), false); // of three length bytes
});

test('the user properties of a CONNECT and its will are counted together', () => {
  const code = (own: number, ofWill: number) =>
    connectCode({
      properties: { userProperties: pairs(own) },
      will: {
        topic: 't',
        payload: new Uint8Array(),
        qos: 0,
        retain: false,
        properties: { userProperties: pairs(ofWill) },
      },
    });
  assert.equal(code(3, 0), 0);
  assert.equal(code(1, 2), 0);
  assert.equal(code(2, 2), 0x97);
  assert.equal(code(0, 4), 0x97);
});

test('the user properties of the other packets are counted', () => {
  for (const count of [3, 4]) {
    const expected = count > 3 ? 0x97 : 0;
    const properties = { userProperties: pairs(count) };
    const subscriptions = [
      { topicFilter: 'a', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const,
    ];
    assert.equal(
      codeOf(encodeSubscribe({ packetId: 1, subscriptions, properties }, 5), decodeSubscribe),
      expected,
    );
    const unsubscribe = encodeUnsubscribe({ packetId: 1, topicFilters: ['a'], properties }, 5);
    assert.equal(codeOf(unsubscribe, decodeUnsubscribe), expected);
    assert.equal(codeOf(encodeDisconnect({ reasonCode: 4, properties }, 5), decodeDisconnect), expected);
    const auth = encodeAuth({ reasonCode: 0x18, properties: { ...properties, authenticationMethod: 'm' } });
    assert.equal(codeOf(auth, decodeAuth), expected);
  }
});

test('the topic filters of a packet are counted before they are read, in all versions', () => {
  for (const version of versions) {
    for (const count of [4, 5]) {
      const expected = count > 4 ? 0x97 : 0;
      const topicFilters = Array.from({ length: count }, (_, index) => 'x'.repeat(index * 7 + 1));
      const subscriptions = topicFilters.map(
        (topicFilter) =>
          ({ topicFilter, qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 }) as const,
      );
      const subscribe = encodeSubscribe({ packetId: 1, subscriptions, properties: {} }, version);
      assert.equal(codeOf(subscribe, decodeSubscribe, version), expected);
      const unsubscribe = encodeUnsubscribe({ packetId: 1, topicFilters, properties: {} }, version);
      assert.equal(codeOf(unsubscribe, decodeUnsubscribe, version), expected);
    }
  }
});

test('a packet that is cut off within its filters is malformed as ever', () => {
  const whole = '0001 00 0001 61 00 0005 61 00'.replaceAll(' ', '');
  assert.equal(codeOf(Buffer.from(`82${'0b'}${whole}`, 'hex'), decodeSubscribe), 0x81);
});
