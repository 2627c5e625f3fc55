import { test } from 'node:test';
import {
  decodeAuth,
  decodeDisconnect,
  decodeServerAuth,
  decodeServerDisconnect,
} from '../../../core/wire/decode-disconnect.ts';
import { assertAccepted, assertRefused, decodeFrame, frame } from './frames.ts';

const hexByte = (value: number) => value.toString(16).padStart(2, '0');

test('[MQTT-3.14.1-1] flags in the fixed header of DISCONNECT are malformed', () => {
  for (let flags = 1; flags < 16; flags++) {
    assertRefused(decodeFrame(decodeDisconnect, frame(0xe0 | flags, ''), 5), 0x81);
    assertRefused(decodeFrame(decodeDisconnect, frame(0xe0 | flags, ''), 4), 0x81);
    assertAccepted(decodeFrame(decodeDisconnect, frame(0xe0 | flags, ''), 3));
  }
});

test('[MQTT-3.14.2-1] a reason code that a client does not send with DISCONNECT is a protocol error', () => {
  const allowed = [0, 4, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
  for (let code = 0; code < 256; code++) {
    const result = decodeFrame(decodeDisconnect, frame(0xe0, hexByte(code)), 5);
    if (allowed.includes(code)) assertAccepted(result);
    else assertRefused(result, 0x82);
  }
});

test('[MQTT-3.14.2-2] a session expiry interval from the server is a protocol error', () => {
  const disconnect = frame(0xe0, '00 05 11 00000001');
  assertRefused(decodeFrame(decodeServerDisconnect, disconnect, 5), 0x82);
  assertAccepted(decodeFrame(decodeDisconnect, disconnect, 5));
});

test('a DISCONNECT with content before version 5, or with bytes after its end, is malformed', () => {
  assertRefused(decodeFrame(decodeDisconnect, frame(0xe0, '00'), 4), 0x81);
  assertRefused(decodeFrame(decodeDisconnect, frame(0xe0, '00'), 3), 0x81);
  assertRefused(decodeFrame(decodeDisconnect, frame(0xe0, '00 00 00'), 5), 0x81);
  assertAccepted(decodeFrame(decodeDisconnect, frame(0xe0, '00 00'), 5));
});

test('a DISCONNECT from the server before version 5 is a protocol error', () => {
  assertRefused(decodeFrame(decodeServerDisconnect, frame(0xe0, ''), 4), 0x82);
});

test('[MQTT-3.15.1-1] flags in the fixed header of AUTH are malformed', () => {
  for (let flags = 1; flags < 16; flags++) {
    assertRefused(decodeFrame(decodeAuth, frame(0xf0 | flags, `18 04 15 0001'm'`), 5), 0x81);
  }
});

test('[MQTT-3.15.2-1] a reason code that a client does not send with AUTH is a protocol error', () => {
  for (let code = 0; code < 256; code++) {
    const result = decodeFrame(decodeAuth, frame(0xf0, `${hexByte(code)} 04 15 0001'm'`), 5);
    if (code === 0x18 || code === 0x19) assertAccepted(result);
    else assertRefused(result, 0x82);
  }
  assertRefused(decodeFrame(decodeAuth, frame(0xf0, ''), 5), 0x82);
});

test('an AUTH without an authentication method is a protocol error (section 3.15.2.2.2)', () => {
  assertRefused(decodeFrame(decodeAuth, frame(0xf0, '18 00'), 5), 0x82);
  assertRefused(decodeFrame(decodeAuth, frame(0xf0, `18 04 16 0001'd'`), 5), 0x82);
  assertRefused(decodeFrame(decodeServerAuth, frame(0xf0, '18 00'), 5), 0x82);
});

test('an AUTH before version 5 is a protocol error', () => {
  assertRefused(decodeFrame(decodeAuth, frame(0xf0, `18 04 15 0001'm'`), 4), 0x82);
});

test('an AUTH cut short is malformed', () => {
  assertRefused(decodeFrame(decodeAuth, frame(0xf0, '18'), 5), 0x81);
  assertRefused(decodeFrame(decodeAuth, frame(0xf0, `18 04 15 0001`), 5), 0x81);
});
