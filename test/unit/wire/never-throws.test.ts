/** Whatever arrives, a decoder answers with a packet or a protocol error. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
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
import { FrameReader } from '../../../core/wire/frame-reader.ts';
import type { ProtocolVersion } from '../../../core/wire/packets.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import { bytes } from './frames.ts';

type Decoder = (header: number, body: Uint8Array, version: ProtocolVersion) => object | undefined;

const decoders: [string, number, Decoder, seeds: string[]][] = [
  [
    'decodeConnect',
    0x10,
    (header, body) => decodeConnect(header, body),
    [
      `0004'MQTT' 05 ee 000a 08 21 0001 11 00000001 0001'a' 02 01 01 0001't' 0001'w' 0001'u' 0001'p'`,
      `0004'MQTT' 04 c6 000a 0001'a' 0001't' 0001'w' 0001'u' 0001'p'`,
      `0006'MQIsdp' 03 02 003c 0001'a'`,
    ],
  ],
  ['decodeConnack', 0x20, decodeConnack, [`00 00 09 12 0001'c' 24 01 1f 0000`]],
  ['decodePublish', 0x32, decodePublish, [`0001't' 0001 06 23 0001 26 0001'k' 0001'v' 'payload'`]],
  ['decodeAcknowledgement', 0x40, decodeAcknowledgement, [`0001 00 04 1f 0001'r'`]],
  ['decodeSubscribe', 0x82, decodeSubscribe, [`0001 02 0b 01 0003'a/#' 2d 0001'+' 00`]],
  ['decodeSuback', 0x90, decodeSubscriptionAnswer, [`0001 04 1f 0001'r' 00 80`]],
  ['decodeUnsubscribe', 0xa2, decodeUnsubscribe, [`0001 00 0001'a' 0001'b'`]],
  ['decodeUnsuback', 0xb0, decodeSubscriptionAnswer, [`0001 00 00 11`]],
  ['decodeDisconnect', 0xe0, decodeDisconnect, [`00 09 11 00000001 1f 0001'r'`]],
  ['decodeServerDisconnect', 0xe0, decodeServerDisconnect, [`8e 04 1c 0001's'`]],
  ['decodeAuth', 0xf0, decodeAuth, [`18 08 15 0001'm' 16 0001'd'`]],
  ['decodeServerAuth', 0xf0, decodeServerAuth, [`18 08 15 0001'm' 16 0001'd'`]],
];

/** Frames that are valid but for a few bytes get deeper than arbitrary ones. */
function damaged(seeds: string[]): fc.Arbitrary<Uint8Array> {
  const damage = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 3 });
  return fc.tuple(fc.constantFrom(...seeds), damage, fc.nat(60)).map(([seed, damage, cut]) => {
    const body = bytes(seed);
    for (const [index, value] of damage) if (index < body.length) body[index] = value;
    return cut < 30 ? body.subarray(0, cut) : body;
  });
}

const versions = fc.constantFrom<ProtocolVersion>(3, 4, 5);

for (const [name, header, decode, seeds] of decoders) {
  test(`${name} never throws and leaves the bytes alone`, () => {
    const body = fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged(seeds));
    const headers = fc.oneof({ weight: 4, arbitrary: fc.constant(header) }, fc.nat(255));
    fc.assert(
      fc.property(headers, body, versions, (header, body, version) => {
        const before = body.slice();
        const result = decode(header, body, version);
        assert.deepEqual(body, before);
        if (result && isProtocolError(result)) assert.ok(result.reasonCode >= 0x80 && result.why !== '');
      }),
      { numRuns: 3000 },
    );
  });
}

test('FrameReader never throws', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), versions, fc.nat(1000), (chunks, version, maximumPacketSize) => {
      const reader = new FrameReader(version, maximumPacketSize);
      for (const chunk of chunks) {
        reader.push(chunk);
        for (let next = reader.next(); next && !isProtocolError(next); next = reader.next());
      }
    }),
    { numRuns: 2000 },
  );
});
