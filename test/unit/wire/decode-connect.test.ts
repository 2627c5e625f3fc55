import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeConnect } from '../../../core/wire/decode-connect.ts';
import { assertAccepted, assertRefused, bytes, decodeFrame, frame } from './frames.ts';

const connect = (body: string) => decodeFrame(decodeConnect, frame(0x10, body));

/** Version 5 without properties: flags, payload. */
const connect5 = (flags: string, payload: string) => connect(`0004'MQTT' 05 ${flags} 000a 00 ${payload}`);
const connect4 = (flags: string, payload: string) => connect(`0004'MQTT' 04 ${flags} 000a ${payload}`);
const connect3 = (flags: string, payload: string) => connect(`0006'MQIsdp' 03 ${flags} 000a ${payload}`);

test('[MQTT-2.1.3-1] flags in the fixed header of CONNECT are malformed', () => {
  for (const header of [0x11, 0x12, 0x14, 0x18, 0x1f]) {
    const error = decodeFrame(decodeConnect, frame(header, `0004'MQTT' 05 02 000a 00 0001'a'`));
    assertRefused(error, 0x81);
    assert.equal(error.protocolVersion, 5);
  }
});

for (const statement of ['[v3 MQTT-2.2.2-1]', '[v3 MQTT-2.2.2-2]']) {
  test(`${statement} flags in the fixed header of CONNECT are malformed, but not in 3.1`, () => {
    for (const header of [0x11, 0x12, 0x14, 0x18, 0x1f]) {
      assertRefused(decodeFrame(decodeConnect, frame(header, `0004'MQTT' 04 02 000a 0001'a'`)), 0x81);
      assertAccepted(decodeFrame(decodeConnect, frame(header, `0006'MQIsdp' 03 02 000a 0001'a'`)));
    }
  });
}

test('[MQTT-3.1.2-1] another protocol name is refused with 0x84, and in no version', () => {
  for (const name of [`0004'mqtt'`, `0004'MQTX'`, `0000`, `0005'MQTT '`, `0006'MQISDP'`]) {
    const error = assertRefused(connect(`${name} 04 02 000a 0001'a'`), 0x84);
    assert.equal('protocolVersion' in error, false);
  }
});

test('[MQTT-3.1.2-2] a version we do not speak is refused with 0x84, to be said as 3.x', () => {
  for (const level of ['00', '03', '06', '80', '83', '85', '86', 'ff']) {
    const error = connect(`0004'MQTT' ${level} 02 000a 0001'a'`);
    assertRefused(error, 0x84);
    assert.equal(error.protocolVersion, 4);
  }
  for (const level of ['02', '04', '05', '80', '84', '85']) {
    const error = connect(`0006'MQIsdp' ${level} 02 000a 0001'a'`);
    assertRefused(error, 0x84);
    assert.equal(error.protocolVersion, 3);
  }
});

test('the levels 0x83 and 0x84 are 3.1 and 3.1.1 of a bridge', () => {
  for (const [version, bytes] of [
    [3, `0006'MQIsdp' 83 02 000a 0001'a'`],
    [4, `0004'MQTT' 84 02 000a 0001'a'`],
  ] as const) {
    const packet = assertAccepted(connect(bytes));
    assert.deepEqual([packet.protocolVersion, packet.isBridge], [version, true]);
  }
  for (const packet of [connect3('02', `0001'a'`), connect4('02', `0001'a'`), connect5('02', `0001'a'`)]) {
    assert.equal(assertAccepted(packet).isBridge, undefined);
  }
  // What is wrong is wrong with the bit too, and is answered in its version.
  const reserved = connect(`0004'MQTT' 84 03 000a 0001'a'`);
  assertRefused(reserved, 0x81);
  assert.equal(reserved.protocolVersion, 4);
  const nameless = connect(`0006'MQIsdp' 83 02 000a 0000`);
  assertRefused(nameless, 0x85);
  assert.equal(nameless.protocolVersion, 3);
});

test('[MQTT-3.1.2-3] the reserved connect flag is malformed', () => {
  assertRefused(connect5('03', `0001'a'`), 0x81);
  assertRefused(connect4('03', `0001'a'`), 0x81);
  assertAccepted(connect3('03', `0001'a'`));
});

test('[MQTT-3.1.2-9] a will without its topic or payload is malformed', () => {
  assertRefused(connect5('06', `0001'a'`), 0x81);
  assertRefused(connect5('06', `0001'a' 00`), 0x81);
  assertRefused(connect5('06', `0001'a' 00 0001't'`), 0x81);
  assertAccepted(connect5('06', `0001'a' 00 0001't' 0000`));
  assertRefused(connect4('06', `0001'a'`), 0x81);
  assertRefused(connect4('06', `0001'a' 0001't'`), 0x81);
  assertRefused(connect4('06', `0001'a' 0001't' 0002 00`), 0x81);
});

test('[MQTT-3.1.2-11] a will QoS without a will is malformed', () => {
  for (const flags of ['0a', '12']) {
    assertRefused(connect5(flags, `0001'a'`), 0x81);
    assertAccepted(connect3(flags, `0001'a'`));
  }
});

test('[v3 MQTT-3.1.2-11] without a will there is neither will QoS nor will retain', () => {
  for (const flags of ['0a', '12', '22', '2a', '32']) assertRefused(connect4(flags, `0001'a'`), 0x81);
});

test('[v3 MQTT-3.1.2-13] a will QoS without a will is malformed', () => {
  for (const flags of ['0a', '12']) assertRefused(connect4(flags, `0001'a'`), 0x81);
});

test('[MQTT-3.1.2-12] will QoS 3 is malformed', () => {
  assertRefused(connect5('1e', `0001'a' 00 0001't' 0000`), 0x81);
  assertRefused(connect5('1a', `0001'a'`), 0x81);
  assertRefused(connect3('1e', `0001'a' 0001't' 0000`), 0x81);
});

test('[v3 MQTT-3.1.2-14] will QoS 3 is malformed', () => {
  assertRefused(connect4('1e', `0001'a' 0001't' 0000`), 0x81);
});

test('[MQTT-3.1.2-13] will retain without a will is malformed', () => {
  assertRefused(connect5('22', `0001'a'`), 0x81);
  assertAccepted(connect3('22', `0001'a'`));
});

test('[v3 MQTT-3.1.2-15] will retain without a will is malformed', () => {
  assertRefused(connect4('22', `0001'a'`), 0x81);
});

test('[MQTT-3.1.2-16] a user name without its flag is malformed', () => {
  assertRefused(connect5('02', `0001'a' 0001'u'`), 0x81);
});

test('[v3 MQTT-3.1.2-18] a user name without its flag is malformed', () => {
  assertRefused(connect4('02', `0001'a' 0001'u'`), 0x81);
  assertRefused(connect3('02', `0001'a' 0001'u'`), 0x81);
});

test('[MQTT-3.1.2-17] the user name flag without a user name is malformed', () => {
  assertRefused(connect5('82', `0001'a'`), 0x81);
});

test('[v3 MQTT-3.1.2-19] the user name flag without a user name is malformed', () => {
  assertRefused(connect4('82', `0001'a'`), 0x81);
});

test('[MQTT-3.1.2-18] a password without its flag is malformed', () => {
  assertRefused(connect5('82', `0001'a' 0001'u' 0001'p'`), 0x81);
});

test('[v3 MQTT-3.1.2-20] a password without its flag is malformed', () => {
  assertRefused(connect4('82', `0001'a' 0001'u' 0001'p'`), 0x81);
});

test('[MQTT-3.1.2-19] the password flag without a password is malformed', () => {
  assertRefused(connect5('c2', `0001'a' 0001'u'`), 0x81);
  assertRefused(connect5('42', `0001'a'`), 0x81);
});

test('[v3 MQTT-3.1.2-21] the password flag without a password is malformed', () => {
  assertRefused(connect4('c2', `0001'a' 0001'u'`), 0x81);
});

test('[v3 MQTT-3.1.2-22] a password needs a user name before version 5', () => {
  assertRefused(connect4('42', `0001'a' 0001'p'`), 0x82);
  assertRefused(connect3('42', `0001'a' 0001'p'`), 0x82);
  const packet = assertAccepted(connect5('42', `0001'a' 0001'p'`));
  assert.equal(packet.username, undefined);
  assert.deepEqual(packet.password, bytes(`'p'`));
});

test('in MQTT 3.1 the end of the packet overrules the flags of user name and password', () => {
  assert.equal(assertAccepted(connect3('c2', `0001'a'`)).username, undefined);
  const packet = assertAccepted(connect3('c2', `0001'a' 0001'u'`));
  assert.equal(packet.username, 'u');
  assert.equal(packet.password, undefined);
  assertRefused(connect3('c2', `0001'a' 00`), 0x81);
});

test('[MQTT-3.1.3-1] the fields come in their order, each as long as it says', () => {
  const packet = assertAccepted(connect5('ee', `0001'a' 00 0001't' 0001'w' 0001'u' 0001'p'`));
  assert.deepEqual(
    [packet.clientId, packet.will?.topic, packet.username, packet.password],
    ['a', 't', 'u', bytes(`'p'`)],
  );
  assert.equal(packet.will?.qos, 1);
  assert.equal(packet.will?.retain, true);
});

test('[MQTT-3.1.3-3] a CONNECT that ends before the client identifier is malformed', () => {
  assertRefused(connect5('02', ''), 0x81);
  assertRefused(connect4('02', '00'), 0x81);
  assertRefused(connect4('02', `0002'a'`), 0x81);
});

test('[MQTT-3.1.3-4] a client identifier that is not well-formed UTF-8 is malformed', () => {
  for (const text of ['c080', 'eda080', 'edbfbf', 'f4908080', 'ff', 'e282', 'c3']) {
    const length = (text.length / 2).toString(16).padStart(4, '0');
    assertRefused(connect5('02', `${length} ${text}`), 0x81);
    assertRefused(connect4('02', `${length} ${text}`), 0x81);
  }
});

test('[MQTT-3.1.3-6] version 5 takes an empty client identifier, with or without clean start', () => {
  assert.equal(assertAccepted(connect5('02', '0000')).clientId, '');
  assert.equal(assertAccepted(connect5('00', '0000')).clientId, '');
});

test('[v3 MQTT-3.1.3-6] 3.1.1 takes an empty client identifier with a clean session', () => {
  assert.equal(assertAccepted(connect4('02', '0000')).clientId, '');
});

test('[v3 MQTT-3.1.3-8] an empty client identifier without a clean session is refused with 0x85', () => {
  const error = connect4('00', '0000');
  assertRefused(error, 0x85);
  assert.equal(error.protocolVersion, 4);
});

test('MQTT 3.1 refuses an empty client identifier with 0x85 and takes one of more than 23 bytes', () => {
  assertRefused(connect3('02', '0000'), 0x85);
  assertRefused(connect3('00', '0000'), 0x85);
  assertAccepted(connect3('02', `0018 '123456789012345678901234'`));
});

test('[MQTT-3.1.3-11] a will topic that is not well-formed UTF-8 is malformed', () => {
  assertRefused(connect5('06', `0001'a' 00 0001 ff 0000`), 0x81);
  assertRefused(connect5('06', `0001'a' 00 0001 00 0000`), 0x81);
});

test('[v3 MQTT-3.1.3-10] a will topic that is not well-formed UTF-8 is malformed', () => {
  assertRefused(connect4('06', `0001'a' 0001 ff 0000`), 0x81);
});

test('[MQTT-4.7.0-1] a will topic with wildcards, or none at all, is malformed: 0x90 is for one that is formed correctly', () => {
  for (const topic of [`0001'#'`, `0001'+'`, `0003'a+b'`, '0000']) {
    assertRefused(connect5('06', `0001'a' 00 ${topic} 0000`), 0x81);
    assertRefused(connect4('06', `0001'a' ${topic} 0000`), 0x81);
    assertRefused(connect3('06', `0001'a' ${topic} 0000`), 0x81);
  }
});

test('[MQTT-3.1.3-12] a user name that is not well-formed UTF-8 is malformed', () => {
  assertRefused(connect5('82', `0001'a' 0001 80`), 0x81);
});

test('[v3 MQTT-3.1.3-11] a user name that is not well-formed UTF-8 is malformed', () => {
  assertRefused(connect4('82', `0001'a' 0001 80`), 0x81);
});

test('[MQTT-3.1.4-1] bytes after the last field are malformed', () => {
  for (const error of [connect5('02', `0001'a' 00`), connect4('02', `0001'a' 00`)]) {
    assertRefused(error, 0x81);
  }
  assert.equal(connect3('02', `0001'a' 00`).protocolVersion, 3);
});

test('every CONNECT cut short is an error, which knows the version once that is read', () => {
  const whole = bytes(`0004'MQTT' 05 ee 000a 03 21 0001 0001'a' 00 0001't' 0001'w' 0001'u' 0001'p'`);
  for (let length = 0; length < whole.length; length++) {
    const error = decodeConnect(0x10, whole.subarray(0, length));
    assertRefused(error, 0x81);
    assert.equal(error.protocolVersion, length < 7 ? undefined : 5);
  }
});

test('what a CONNECT carries does not change with the chunk it came in', () => {
  const body = bytes(`0004'MQTT' 04 c6 000a 0001'a' 0001't' 0001'w' 0001'u' 0001'p'`);
  const packet = assertAccepted(decodeConnect(0x10, Buffer.from(body.buffer)));
  body.fill(0);
  assert.deepEqual(packet.will?.payload, bytes(`'w'`));
  assert.deepEqual(packet.password, bytes(`'p'`));
});
