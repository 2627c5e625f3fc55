import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergedLevels } from '../../../core/statistics/topic-levels.ts';

const row = {
  level: 'a',
  messages: 1,
  own: 1,
  messagesPerSecond: 2,
  bytesPerSecond: 4,
  silentMs: 50,
  hasBelow: false,
};

test('levels that several workers know are one, in the order of their bytes', () => {
  const merged = mergedLevels([
    [row, { ...row, level: '\u{1f3be}' }],
    [
      { ...row, level: '' },
      { ...row, messages: 5, own: 0, silentMs: 10, hasBelow: true },
    ],
    [{ ...row, level: '\uff01' }],
  ]);
  // UTF-16 has the tennis ball before the exclamation mark.
  assert.deepEqual(
    merged.map(({ level }) => level),
    ['', 'a', '\uff01', '\u{1f3be}'],
  );
  assert.deepEqual(merged[1], {
    level: 'a',
    messages: 6,
    own: 1,
    messagesPerSecond: 4,
    bytesPerSecond: 8,
    silentMs: 10,
    hasBelow: true,
  });
});
