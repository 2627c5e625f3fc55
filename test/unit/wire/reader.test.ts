import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Reader } from '../../../core/wire/reader.ts';
import { concat, frame, packetId, write } from '../../../core/wire/write.ts';
import { assertRefused, bytes, hex } from './frames.ts';

function string(content: string): string | object {
  const encoded = bytes(content);
  const reader = new Reader(new Uint8Array([0, encoded.length, ...encoded]));
  const text = reader.string();
  return reader.fault ?? text;
}

const illFormed = [
  ['80', 'a continuation byte alone'],
  ['c3', 'a sequence cut short'],
  ['c080', 'an overlong U+0000'],
  ['c1bf', 'an overlong U+007F'],
  ['e09fbf', 'an overlong U+07FF'],
  ['f08fbfbf', 'an overlong U+FFFF'],
  ['eda080', 'U+D800'],
  ['edbfbf', 'U+DFFF'],
  ['eda080edb080', 'a surrogate pair, each encoded alone'],
  ['f4908080', 'a code point above U+10FFFF'],
  ['fe', 'a byte that occurs in no sequence'],
];
for (const version of ['[MQTT-1.5.4-1]', '[v3 MQTT-1.5.3-1]']) {
  test(`${version} a string that is not well-formed UTF-8 is malformed`, () => {
    for (const [content = '', what] of illFormed) {
      const result = string(content);
      assert.equal(typeof result, 'object', what);
      assertRefused(result as object, 0x81);
      assertRefused(string(`'a' ${content}`) as object, 0x81);
    }
  });
}

for (const version of ['[MQTT-1.5.4-2]', '[v3 MQTT-1.5.3-2]']) {
  test(`${version} a string with U+0000 is malformed`, () => {
    assertRefused(string('00') as object, 0x81);
    assertRefused(string(`'a' 00 'b'`) as object, 0x81);
  });
}

for (const version of ['[MQTT-1.5.4-3]', '[v3 MQTT-1.5.3-3]']) {
  test(`${version} U+FEFF is kept wherever it stands`, () => {
    assert.equal(string('efbbbf'), '\ufeff');
    assert.equal(string(`efbbbf 'a' efbbbf`), '\ufeffa\ufeff');
  });
}

test('control characters and non-characters are allowed', () => {
  assert.equal(string('01 1f 7f c280 efbfbf f48fbfbf'), '\u0001\u001f\u007f\u0080\uffff\u{10ffff}');
});

test('[MQTT-1.5.5-1] a variable byte integer with more bytes than it needs is malformed', () => {
  for (const encoded of ['8000', '808000', 'ff00', '80808000', 'ffffff00']) {
    const reader = new Reader(bytes(encoded));
    reader.variableByteInteger();
    assertRefused(reader.fault, 0x81);
  }
});

test('a variable byte integer of five bytes, or cut short, is malformed (section 1.5.5)', () => {
  for (const encoded of ['ffffffff01', '8080808000', '80', 'ffffff', '']) {
    const reader = new Reader(bytes(encoded));
    reader.variableByteInteger();
    assertRefused(reader.fault, 0x81);
  }
});

test('variable byte integers at the borders of their lengths', () => {
  for (const [value, encoded] of [
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [16383, 'ff7f'],
    [16384, '808001'],
    [2097151, 'ffff7f'],
    [2097152, '80808001'],
    [268435455, 'ffffff7f'],
  ] as const) {
    const written = concat([write.variableByteInteger(value)]);
    assert.equal(hex(written), encoded);
    assert.equal(new Reader(written).variableByteInteger(), value);
  }
  assert.throws(() => write.variableByteInteger(268435456), RangeError);
});

test('[MQTT-1.5.7-1] both strings of a pair are checked', () => {
  for (const pair of [`0001 ff 0001'a'`, `0001'a' 0001 ff`, `0001 00 0001'a'`, `0001'a' 0001 00`]) {
    const reader = new Reader(bytes(pair));
    reader.stringPair();
    assertRefused(reader.fault, 0x81);
  }
});

test('the first error sticks and nothing remains', () => {
  const reader = new Reader(bytes('0000 01020304'));
  reader.packetId();
  assert.equal(reader.fault?.reasonCode, 0x82);
  assert.equal(reader.remaining, 0);
  assert.deepEqual(
    [reader.uint8(), reader.uint16(), reader.uint32(), reader.string(), reader.binary().length],
    [0, 0, 0, '', 0],
  );
  assertRefused(reader.finish({}), 0x82);
});

test('bytes after the end are malformed', () => {
  const reader = new Reader(bytes('01 02'));
  reader.uint8();
  assertRefused(reader.finish({}), 0x81);
});

test('binary data is a copy even of a Buffer', () => {
  const chunk = Buffer.from('0001ff', 'hex');
  const binary = new Reader(chunk).binary();
  chunk.fill(0);
  assert.deepEqual(binary, bytes('ff'));
});

test('what is written is read, whatever it is', () => {
  const text = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(
      fc.nat(0xff),
      fc.nat(0xffff),
      fc.nat(0xffff_ffff),
      text,
      fc.uint8Array(),
      fc.nat(0x0fff_ffff),
      (byte, short, word, text, binary, integer) => {
        const written = concat([
          write.uint8(byte),
          write.uint16(short),
          write.uint32(word),
          write.string(text),
          write.binary(binary),
          write.variableByteInteger(integer),
        ]);
        const reader = new Reader(written);
        assert.equal(reader.uint8(), byte);
        assert.equal(reader.uint16(), short);
        assert.equal(reader.uint32(), word);
        assert.equal(reader.string(), text);
        assert.deepEqual(reader.binary(), new Uint8Array(binary));
        assert.equal(reader.variableByteInteger(), integer);
        assert.equal(reader.finish(undefined), undefined);
      },
    ),
  );
});

test('values that do not fit their field are bugs of the caller', () => {
  for (const wrong of [
    () => write.uint8(256),
    () => write.uint8(-1),
    () => write.uint16(65536),
    () => write.uint16(1.5),
    () => write.uint32(2 ** 32),
    () => write.uint32(Number.NaN),
    () => packetId(0),
    () => packetId(undefined),
    () => write.string('a\0'),
    () => write.string('x'.repeat(65536)),
    () => write.binary(new Uint8Array(65536)),
  ]) {
    assert.throws(wrong, RangeError);
  }
});

test('a frame is whole at the borders of its remaining length', () => {
  for (const length of [0, 1, 127, 128, 16383, 16384, 2097151, 2097152]) {
    const reader = new Reader(frame(0x30, [new Uint8Array(length).fill(7)]));
    assert.equal(reader.uint8(), 0x30);
    assert.equal(reader.variableByteInteger(), length);
    assert.equal(reader.remaining, length);
    assert.ok(reader.take(length).every((byte) => byte === 7));
  }
});
