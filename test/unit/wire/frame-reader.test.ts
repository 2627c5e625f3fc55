import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Frame, FrameReader, packetSizeMax } from '../../../core/wire/frame-reader.ts';
import { isProtocolError } from '../../../core/wire/protocol-error.ts';
import { frame } from '../../../core/wire/write.ts';
import { assertRefused, bytes, hex } from './frames.ts';

function frameOf(header: number, body: Uint8Array): Uint8Array {
  return frame(header, [body]);
}

function drain(reader: FrameReader, frames: Frame[]): void {
  for (let next = reader.next(); next !== undefined; next = reader.next()) {
    assert.ok(!isProtocolError(next), JSON.stringify(next));
    frames.push(next);
  }
}

const bodies = [0, 1, 2, 126, 127, 128, 129, 0, 300, 16383, 16384, 5].map((length, index) =>
  new Uint8Array(length).fill(index + 1),
);
const stream = Buffer.concat(bodies.map((body, index) => frameOf(0x30 | index, body)));
const expected = bodies.map((body, index) => ({ header: 0x30 | index, body: hex(body) }));

test('frames come out whole however the stream is cut', () => {
  const sizes = [...Array(300).keys()].map((size) => size + 1);
  for (const size of [...sizes, 1000, 16383, 16384, 16390, stream.length]) {
    const reader = new FrameReader(5);
    const frames: Frame[] = [];
    for (let start = 0; start < stream.length; start += size) {
      reader.push(new Uint8Array(stream.subarray(start, start + size)));
      drain(reader, frames);
    }
    // Compared only now: no later chunk may have overwritten an earlier body.
    assert.deepEqual(
      frames.map(({ header, body }) => ({ header, body: hex(body) })),
      expected,
      `chunks of ${size}`,
    );
  }
});

test('frames come out whole when all chunks are pushed before the first is taken', () => {
  const reader = new FrameReader(5);
  for (let start = 0; start < stream.length; start += 7) reader.push(stream.subarray(start, start + 7));
  const frames: Frame[] = [];
  drain(reader, frames);
  assert.deepEqual(
    frames.map(({ header, body }) => ({ header, body: hex(body) })),
    expected,
  );
});

test('arbitrary frames in arbitrary chunks, taken at arbitrary times', () => {
  const frames = fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 300 })), { maxLength: 20 });
  const cuts = fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.boolean()), { minLength: 1 });
  fc.assert(
    fc.property(frames, cuts, (frames, cuts) => {
      const whole = new Uint8Array(Buffer.concat(frames.map(([header, body]) => frameOf(header, body))));
      const reader = new FrameReader(4);
      const taken: Frame[] = [];
      let start = 0;
      for (const [size, take] of cuts) {
        reader.push(whole.slice(start, start + size));
        start = Math.min(start + size, whole.length);
        if (take) drain(reader, taken);
      }
      reader.push(whole.slice(start));
      drain(reader, taken);
      assert.deepEqual(
        taken.map(({ header, body }) => [header, hex(body)]),
        frames.map(([header, body]) => [header, hex(body)]),
      );
    }),
  );
});

test('a remaining length of more than four bytes is malformed, and the error stays', () => {
  for (const version of [3, 4, 5] as const) {
    const reader = new FrameReader(version);
    reader.push(bytes('30 80808080'));
    const error = reader.next();
    assertRefused(error, 0x81);
    reader.push(bytes('01 c000'));
    assert.deepEqual(reader.next(), error);
  }
});

test('a remaining length cut short waits for more', () => {
  const reader = new FrameReader(5);
  for (const chunk of ['30', '80', '80', '80']) {
    reader.push(bytes(chunk));
    assert.equal(reader.next(), undefined);
  }
});

test('[MQTT-1.5.5-1] a remaining length with more bytes than it needs is malformed in version 5 only', () => {
  for (const frame of ['c0 8000', 'c0 80808000']) {
    const reader5 = new FrameReader(5);
    reader5.push(bytes(frame));
    assertRefused(reader5.next(), 0x81);
    const reader4 = new FrameReader(4);
    reader4.push(bytes(frame));
    assert.deepEqual(reader4.next(), { header: 0xc0, body: new Uint8Array() });
  }
});

test('the largest packet has a body of 268435455 bytes behind five of its fixed header (section 2.1.4)', () => {
  assert.equal(packetSizeMax, 268435460);
  const reader = new FrameReader(5);
  reader.push(bytes('30 ffffff7f'));
  assert.equal(reader.next(), undefined);
});

test('a packet larger than the maximum packet size is refused with 0x95 before it has arrived', () => {
  const reader = new FrameReader(5, 10);
  reader.push(frameOf(0x30, new Uint8Array(8)));
  assert.equal((reader.next() as Frame).body.length, 8);
  reader.push(bytes('30 09'));
  assertRefused(reader.next(), 0x95);
});
