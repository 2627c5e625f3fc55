import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeSubscribe, decodeUnsubscribe } from '../../../core/wire/decode-subscribe.ts';
import { assertAccepted, assertRefused, decodeFrame, frame } from './frames.ts';

const subscribe5 = (body: string) => decodeFrame(decodeSubscribe, frame(0x82, body), 5);
const subscribe4 = (body: string) => decodeFrame(decodeSubscribe, frame(0x82, body), 4);
const unsubscribe5 = (body: string) => decodeFrame(decodeUnsubscribe, frame(0xa2, body), 5);
const unsubscribe4 = (body: string) => decodeFrame(decodeUnsubscribe, frame(0xa2, body), 4);

test('[MQTT-2.2.1-3] packet identifier 0 is a protocol error', () => {
  assertRefused(subscribe5(`0000 00 0001'a' 00`), 0x82);
  assertRefused(unsubscribe5(`0000 00 0001'a'`), 0x82);
});

test('[v3 MQTT-2.3.1-1] packet identifier 0 is a protocol error', () => {
  assertRefused(subscribe4(`0000 0001'a' 00`), 0x82);
  assertRefused(unsubscribe4(`0000 0001'a'`), 0x82);
});

test('[MQTT-3.8.1-1] the fixed header of SUBSCRIBE has the flags 0010', () => {
  for (let flags = 0; flags < 16; flags++) {
    if (flags === 2) continue;
    assertRefused(decodeFrame(decodeSubscribe, frame(0x80 | flags, `0001 00 0001'a' 00`), 5), 0x81);
    assertRefused(decodeFrame(decodeSubscribe, frame(0x80 | flags, `0001 0001'a' 00`), 4), 0x81);
    assertAccepted(decodeFrame(decodeSubscribe, frame(0x80 | flags, `0001 0001'a' 00`), 3));
  }
});

test('[MQTT-3.8.3-1] a topic filter that is not well-formed UTF-8 is malformed', () => {
  for (const text of ['0001 ff', '0003 eda080', '0001 00', '0002 c080']) {
    assertRefused(subscribe5(`0001 00 0001'a' 00 ${text} 00`), 0x81);
    assertRefused(subscribe4(`0001 ${text} 00`), 0x81);
  }
});

test('[MQTT-3.8.3-2] a SUBSCRIBE without a topic filter is a protocol error', () => {
  assertRefused(subscribe5('0001 00'), 0x82);
  assertRefused(subscribe5('0001 02 0b 01'), 0x82);
});

test('[v3 MQTT-3.8.3-3] a SUBSCRIBE without a topic filter is a protocol error', () => {
  assertRefused(subscribe4('0001'), 0x82);
});

test('[MQTT-3.8.3-4] no local on a shared subscription is a protocol error', () => {
  assertRefused(subscribe5(`0001 00 000a'$share/g/t' 04`), 0x82);
  assertRefused(subscribe5(`0001 00 000a'$share/g/t' 2e`), 0x82);
  for (const options of ['00', '01', '2a']) assertAccepted(subscribe5(`0001 00 000a'$share/g/t' ${options}`));
  assertAccepted(subscribe5(`0001 00 0007'$shared' 04`));
});

test('[v3 MQTT-3.8.3-4] a reserved bit or QoS 3 in 3.1.1 is malformed', () => {
  for (let options = 3; options < 256; options++) {
    assertRefused(subscribe4(`0001 0001'a' ${options.toString(16).padStart(2, '0')}`), 0x81);
  }
  for (const qos of [0, 1, 2]) {
    assert.equal(assertAccepted(subscribe4(`0001 0001'a' 0${qos}`)).subscriptions[0]?.qos, qos);
  }
});

test('[MQTT-3.8.3-5] a reserved bit of the subscription options is malformed', () => {
  for (const options of ['40', '80', 'c0', '41', '81']) {
    assertRefused(subscribe5(`0001 00 0001'a' ${options}`), 0x81);
  }
});

test('a subscription with QoS 3 is a protocol error (section 3.8.3.1)', () => {
  for (const options of ['03', '07', '2f']) assertRefused(subscribe5(`0001 00 0001'a' ${options}`), 0x82);
});

test('a subscription with retain handling 3 is a protocol error (section 3.8.3.1)', () => {
  for (const options of ['30', '31', '32', '3e']) {
    assertRefused(subscribe5(`0001 00 0001'a' ${options}`), 0x82);
  }
});

test('every allowed combination of subscription options is read', () => {
  for (const qos of [0, 1, 2] as const) {
    for (const noLocal of [false, true]) {
      for (const retainAsPublished of [false, true]) {
        for (const retainHandling of [0, 1, 2] as const) {
          const options = qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | (retainHandling << 4);
          const packet = subscribe5(`0001 00 0001'a' ${options.toString(16).padStart(2, '0')}`);
          const expected = { topicFilter: 'a', qos, noLocal, retainAsPublished, retainHandling };
          assert.deepEqual(assertAccepted(packet).subscriptions, [expected]);
        }
      }
    }
  }
});

test('[MQTT-4.7.1-1] [MQTT-4.8.2-1] a topic filter that is not formed as it must be makes the packet a protocol error', () => {
  for (const topicFilter of ["0003'a#b'", '0000', "0002'a+'", "0009'$share//x'", "0008'$share/g'"]) {
    assertRefused(subscribe5(`0001 00 0001'a' 00 ${topicFilter} 00`), 0x81);
    assertRefused(subscribe4(`0001 0001'a' 00 ${topicFilter} 00`), 0x81);
    assertRefused(decodeFrame(decodeUnsubscribe, frame(0xa2, `0001 00 0001'a' ${topicFilter}`), 5), 0x81);
  }
});

test('a SUBSCRIBE that ends within a subscription is malformed', () => {
  for (const rest of ['00', '0001', `0001'a'`, `0002'a' `, `0001'a' 00 00`]) {
    assertRefused(subscribe5(`0001 00 ${rest}`), 0x81);
    assertRefused(subscribe4(`0001 ${rest}`), 0x81);
  }
});

test('[MQTT-3.10.1-1] the fixed header of UNSUBSCRIBE has the flags 0010', () => {
  for (let flags = 0; flags < 16; flags++) {
    if (flags === 2) continue;
    assertRefused(decodeFrame(decodeUnsubscribe, frame(0xa0 | flags, `0001 00 0001'a'`), 5), 0x81);
    assertRefused(decodeFrame(decodeUnsubscribe, frame(0xa0 | flags, `0001 0001'a'`), 4), 0x81);
    assertAccepted(decodeFrame(decodeUnsubscribe, frame(0xa0 | flags, `0001 0001'a'`), 3));
  }
});

test('[MQTT-3.10.3-1] a topic filter that is not well-formed UTF-8 is malformed', () => {
  assertRefused(unsubscribe5('0001 00 0001 fe'), 0x81);
  assertRefused(unsubscribe4('0001 0001 fe'), 0x81);
});

test('[MQTT-3.10.3-2] an UNSUBSCRIBE without a topic filter is a protocol error', () => {
  assertRefused(unsubscribe5('0001 00'), 0x82);
  assertRefused(unsubscribe4('0001'), 0x82);
});

test('an UNSUBSCRIBE that ends within a topic filter is malformed', () => {
  for (const rest of ['00', '0001', `0001'a' 00`]) {
    assertRefused(unsubscribe5(`0001 00 ${rest}`), 0x81);
    assertRefused(unsubscribe4(`0001 ${rest}`), 0x81);
  }
});
