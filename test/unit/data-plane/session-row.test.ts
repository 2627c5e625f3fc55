/** The rows of sessions, as the addon writes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSessionRow, readSessionRows } from '../../../core/data-plane/session-row.ts';
import { bytes } from '../wire/frames.ts';

const hundredDaysMs = 100 * 86_400_000;
const away = '0000000100000002 01 ffffffff 01 0000003c 000202fbf000';
const absent = '0000000000000003 00 00000000 00 00000000 000000000000';

test('a session may have been away for longer than 32 bits of milliseconds', () => {
  const { session, expirySeconds, willDelaySeconds, awayMs } = readSessionRow(bytes(away));
  assert.equal(session, 2 ** 32 + 2);
  assert.deepEqual([expirySeconds, willDelaySeconds], [4_294_967_295, 60]);
  assert.equal(awayMs, hundredDaysMs);
});

test('rows follow each other', () => {
  const rows = [...readSessionRows(bytes(`${away} ${absent}`))];
  assert.deepEqual(
    rows.map(({ session, awayMs }) => [session, awayMs]),
    [
      [2 ** 32 + 2, hundredDaysMs],
      [3, 0],
    ],
  );
  assert.equal(rows[1]?.willDelaySeconds, undefined);
});
