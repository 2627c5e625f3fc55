import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeAcknowledgement,
  decodeSubscriptionAnswer,
} from '../../../core/wire/decode-acknowledgement.ts';
import { decodeConnack } from '../../../core/wire/decode-connack.ts';
import { decodePublish } from '../../../core/wire/decode-publish.ts';
import { encodePublish } from '../../../core/wire/encode-publish.ts';
import { assertAccepted, assertRefused, bytes, decodeFrame, frame, hex } from './frames.ts';

test('[MQTT-3.3.1-4] a PUBLISH with QoS 3 is malformed', () => {
  for (const version of [3, 4, 5] as const) {
    assertRefused(decodeFrame(decodePublish, frame(0x36, `0001't' 0001 00`), version), 0x81);
  }
});

test('[MQTT-3.3.1-2] DUP with QoS 0 is malformed', () => {
  assertRefused(decodeFrame(decodePublish, frame(0x38, `0001't' 00`), 5), 0x81);
  assertRefused(decodeFrame(decodePublish, frame(0x38, `0001't'`), 4), 0x81);
  assertAccepted(decodeFrame(decodePublish, frame(0x38, `0001't'`), 3));
});

test('[MQTT-3.3.2-1] a topic name that is not well-formed UTF-8 is malformed', () => {
  assertRefused(decodeFrame(decodePublish, frame(0x30, '0001 ff 00'), 5), 0x81);
  assertRefused(decodeFrame(decodePublish, frame(0x30, ''), 4), 0x81);
});

test('[MQTT-3.3.2-2] a topic name with wildcards is malformed', () => {
  assertRefused(decodeFrame(decodePublish, frame(0x30, `0003'a/#' 00`), 5), 0x81);
  assertRefused(decodeFrame(decodePublish, frame(0x30, `0001'+'`), 4), 0x81);
});

test('[MQTT-4.7.3-1] an empty topic name before version 5 is malformed', () => {
  assertRefused(decodeFrame(decodePublish, frame(0x30, '0000'), 4), 0x81);
});

test('an empty topic name without a topic alias is a protocol error (section 3.3.2.1)', () => {
  assertRefused(decodeFrame(decodePublish, frame(0x30, '0000 00'), 5), 0x82);
  assertAccepted(decodeFrame(decodePublish, frame(0x30, '0000 03 23 0001'), 5));
});

test('[MQTT-2.2.1-4] a PUBLISH with QoS 1 or 2 and packet identifier 0 is a protocol error', () => {
  assertRefused(decodeFrame(decodePublish, frame(0x32, `0001't' 0000 00`), 5), 0x82);
  assertRefused(decodeFrame(decodePublish, frame(0x34, `0001't' 0000`), 4), 0x82);
});

for (const statement of ['[MQTT-2.2.1-2]', '[v3 MQTT-2.3.1-5]']) {
  test(`${statement} with QoS 0 no packet identifier is written`, () => {
    const packet = {
      topic: 't',
      payload: bytes('ff'),
      retain: false,
      dup: false,
      packetId: 7,
      properties: {},
    };
    assert.equal(hex(encodePublish({ ...packet, qos: 0 }, 4)), '3004000174ff');
    assert.equal(hex(encodePublish({ ...packet, qos: 0 }, 5)), '300500017400ff');
  });
}

test('[MQTT-2.2.1-2] with QoS 0 there is no packet identifier: all that follows is payload', () => {
  const packet = assertAccepted(decodeFrame(decodePublish, frame(0x30, `0001't' 1234`), 4));
  assert.deepEqual(packet.payload, bytes('1234'));
  assert.equal('packetId' in packet, false);
});

test('[MQTT-3.2.2-1] a reserved CONNACK flag is malformed', () => {
  assertRefused(decodeFrame(decodeConnack, frame(0x20, '02 00 00'), 5), 0x81);
  assertRefused(decodeFrame(decodeConnack, frame(0x20, 'ff 00'), 4), 0x81);
  const packet = assertAccepted(decodeFrame(decodeConnack, frame(0x20, 'ff 00'), 3));
  assert.equal(packet.sessionPresent, false);
});

test('the return codes of 3.x become reason codes', () => {
  const codes = ['00', '01', '02', '03', '04', '05', '06'].map(
    (code) => assertAccepted(decodeFrame(decodeConnack, frame(0x20, `00 ${code}`), 4)).reasonCode,
  );
  assert.deepEqual(codes, [0x00, 0x84, 0x85, 0x88, 0x86, 0x87, 0x80]);
});

test('[MQTT-3.6.1-1] the fixed header of PUBREL has the flags 0010, the others none', () => {
  for (let header = 0x40; header < 0x80; header++) {
    const result = decodeFrame(decodeAcknowledgement, frame(header, '0001'), 5);
    if ([0x40, 0x50, 0x62, 0x70].includes(header)) assertAccepted(result);
    else assertRefused(result, 0x81);
  }
});

test('an acknowledgement with packet identifier 0, cut short or too long is refused', () => {
  assertRefused(decodeFrame(decodeAcknowledgement, frame(0x40, '0000'), 4), 0x82);
  assertRefused(decodeFrame(decodeAcknowledgement, frame(0x40, '01'), 4), 0x81);
  assertRefused(decodeFrame(decodeAcknowledgement, frame(0x40, '0001 00'), 4), 0x81);
  assertRefused(decodeFrame(decodeAcknowledgement, frame(0x40, '0001 00 01'), 5), 0x81);
  assertRefused(decodeFrame(decodeAcknowledgement, frame(0x40, '0001 00 00 00'), 5), 0x81);
});

test('SUBACK and UNSUBACK with wrong flags, or content before version 5, are malformed', () => {
  assertRefused(decodeFrame(decodeSubscriptionAnswer, frame(0x92, '0001 00 00'), 5), 0x81);
  assertRefused(decodeFrame(decodeSubscriptionAnswer, frame(0xb2, '0001 00 00'), 5), 0x81);
  assertRefused(decodeFrame(decodeSubscriptionAnswer, frame(0xb0, '0001 00'), 4), 0x81);
});
