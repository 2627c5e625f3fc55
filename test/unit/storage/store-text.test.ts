import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressLine } from '../../../core/storage/progress-bar.ts';
import { shownBytes, textOfCheck } from '../../../core/storage/store-text.ts';

test('sizes are shown in the unit that fits', () => {
  assert.equal(shownBytes(0), '0 bytes');
  assert.equal(shownBytes(1_023), '1023 bytes');
  assert.equal(shownBytes(64 * 1_024 * 1_024), '64.0 MiB');
  assert.equal(shownBytes(5 * 1_024 ** 4 * 1_024), '5120.0 TiB');
});

test('a check names each place that is damaged, and what was not acknowledged', () => {
  const text = textOfCheck(
    'data',
    {
      fault: 'none',
      detail: '',
      segments: 1,
      bytes: 4_096,
      records: 2,
      recordBytes: 100,
      tornBytes: 300,
      damage: [
        { what: 'bytes', segment: 7, offset: 4_160, bytes: 28, setAside: '', isKnown: false },
        { what: 'foreign', segment: 3, offset: 0, bytes: 0, setAside: '0000000003.seg', isKnown: false },
      ],
    },
    false,
  );
  assert.deepEqual(text.split('\n'), [
    'data: 1 segment of 4.0 KiB, 2 records of 100 bytes',
    '  300 bytes were being written when the broker stopped; none of it had been acknowledged',
    '  segment 7: 28 bytes at 4160 cannot be read',
    '  0000000003.seg belongs to another store and is left alone',
    '2 places damaged; the broker starts with the rest.',
    '',
  ]);
});

test('the bar fills up', () => {
  assert.equal(progressLine('Reading', 0), `Reading [${'.'.repeat(40)}]   0 %`);
  assert.equal(progressLine('Reading', 50), `Reading [${'#'.repeat(20)}${'.'.repeat(20)}]  50 %`);
  assert.equal(progressLine('Reading', 100), `Reading [${'#'.repeat(40)}] 100 %`);
});
