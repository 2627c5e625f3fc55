import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saslPrep } from '../../../core/security/sasl-prep.ts';

// The examples of RFC 4013, section 3, but the last, which is about bidirectional text.
const examples: readonly (readonly [text: string, prepared: string | undefined])[] = [
  ['I\u00adX', 'IX'],
  ['user', 'user'],
  ['USER', 'USER'],
  ['\u00aa', 'a'],
  ['\u2168', 'IX'],
  ['\u0007', undefined],
  ['a\u00a0b\u3000c', 'a b c'],
  ['a\u202eb', undefined],
  ['\ue000', undefined],
  ['\ud800', undefined],
  ['\ufffe', undefined],
  ['\u200b', undefined], // nothing is left of it
];

for (const [text, prepared] of examples) {
  test(`${JSON.stringify(text)} becomes ${JSON.stringify(prepared)}`, () => {
    assert.equal(saslPrep(text), prepared);
  });
}
