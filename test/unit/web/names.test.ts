/** Names that clients have chosen, as the pages show them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberFormat, shownName, shownText } from '../../../web/shared/dom.ts';

test('what is not seen in a name is spelled out, so that no name looks like another', () => {
  for (const [name, shown] of [
    ['\u202egnp.exe', '\\u202egnp.exe'],
    ['a\u200bb', 'a\\u200bb'],
    ['a\u00adb\u3164', 'a\\u00adb\\u3164'],
    ['a\u00a0b\u3000', 'a\\u00a0b\\u3000'],
    ['a\nb\tc\0', 'a\\u000ab\\u0009c\\u0000'],
    [' ', '\\u0020'],
    [' a ', '\\u0020a\\u0020'],
    ['a  b', 'a\\u0020 b'],
  ])
    assert.equal(shownName(name as string), shown);
});

test('other names are shown as they are', () => {
  for (const name of ['', 'a b', 'court/1', '<b>&amp;"', 'العربية/עברית', '温度', '👩‍👩‍👧‍👦', 'e\u0301'])
    assert.equal(shownName(name), name);
});

test('of a text only what is not seen is spelled out', () => {
  assert.equal(shownText(' a  b\u202ec '), ' a  b\\u202ec ');
});

test('a name that would be the whole page is cut, not within a character', () => {
  assert.equal(shownName('x'.repeat(512)), 'x'.repeat(512));
  assert.equal(
    shownName('x'.repeat(65_000)),
    `${'x'.repeat(512)}… (${numberFormat.format(64_488)} more characters)`,
  );
  assert.equal(shownName(`${'x'.repeat(511)}👧${'y'.repeat(99)}`).slice(511, 513), '… ');
  assert.ok(shownName('\0'.repeat(65_000)).length < 4_000);
});
