import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack } from '../../../core/http/give-back.ts';

test('large bytes are gone at once, with all views of them', () => {
  const bytes = new Uint8Array(1_000_000);
  giveBack(bytes.subarray(10));
  assert.equal(bytes.buffer.byteLength, 0);
});

test('short ones, which others may share, stay', () => {
  const bytes = Buffer.from('short');
  giveBack(bytes);
  assert.equal(`${bytes}`, 'short');
});
