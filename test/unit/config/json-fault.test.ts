import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonFault } from '../../../core/config/json-fault.ts';

const cases: readonly (readonly [text: string, line: number, column: number, expected: string])[] = [
  ['', 1, 1, 'a value'],
  ['{', 1, 2, "a name in double quotes or '}'"],
  ['{"a":}', 1, 6, 'a value'],
  ['{"a":1,}', 1, 8, 'a name in double quotes'],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3, "',' or '}'"],
  ['{\r\n\t"a" 1}', 2, 6, "':'"],
  ['{port: 1}', 1, 2, "a name in double quotes or '}'"],
  ['[1 2]', 1, 4, "',' or ']'"],
  ['[', 1, 2, "a value or ']'"],
  ['[1}', 1, 3, "',' or ']'"],
  ['{} // comment', 1, 4, 'the end of the file'],
  ['{\n  /* comment */ "a": 1}', 2, 3, "a name in double quotes or '}'"],
  ['# comment\n{}', 1, 1, 'a value'],
  ['"abc', 1, 1, 'a value'],
  ['{"a": 01}', 1, 8, "',' or '}'"],
];

for (const [text, line, column, expected] of cases) {
  test(`the fault of ${JSON.stringify(text)} is found`, () => {
    const isComment = text.includes('comment');
    const isBehindComma = /, *[}\]]/.test(text);
    const isBehindEnd = expected === 'the end of the file';
    assert.deepEqual(jsonFault(text), { line, column, expected, isComment, isBehindEnd, isBehindComma });
  });
}

test('what JSON.parse takes has no fault', () => {
  fc.assert(fc.property(fc.json(), (text) => assert.equal(jsonFault(text), undefined)));
});

test('a text has a fault exactly when JSON.parse refuses it', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"a"',
    '"',
    '1',
    '-',
    '0',
    '.5',
    'e3',
    'true',
    ' ',
    '\n',
    '\\',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      assert.equal(jsonFault(text) === undefined, isJson(text), text);
    }),
    { numRuns: 2_000 },
  );
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
