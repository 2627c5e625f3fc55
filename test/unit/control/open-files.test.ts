import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openFilesMax, openFilesNotice } from '../../../core/control/open-files.ts';

test('the limit of open files of this process is read', () => {
  const max = openFilesMax();
  assert.ok(max !== undefined && max >= 64, `${max}`);
});

test('a limit that leaves room for few clients is named, with what to do', () => {
  assert.match(openFilesNotice(100, 1, 1_000_000) ?? '', /^only about 54 clients .*ulimit -n/);
  assert.equal(openFilesNotice(100, 1, 40), undefined, 'no more are let in anyway');
  assert.equal(openFilesNotice(1_000_000, 64, 1_000_000), undefined);
  assert.match(
    openFilesNotice(20_000, 1, 50_000) ?? '',
    /^only about 19954 clients .*connectionsMax \(50000\)/,
  );
  assert.equal(openFilesNotice(60_000, 1, 50_000), undefined);
  assert.equal(openFilesNotice(undefined, 64, 1_000_000), undefined);
});

test('a limit in which the broker itself does not fit is an error', () => {
  const expected = { code: 'TOO_FEW_FILES', message: /is 20, but the broker needs 46 .*LimitNOFILE/ };
  assert.throws(() => openFilesNotice(20, 1, 10), expected);
});
