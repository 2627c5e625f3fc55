import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  JsonError,
  type JsonNode,
  parseAnnotatedJson,
  placeOf,
} from '../../../core/config/annotated-json.ts';

/** What JSON.parse would give. */
function plain({ value }: JsonNode): unknown {
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([name, { node }]) => [name, plain(node)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

function faultOf(text: string): { line: number; column: number; message: string } {
  try {
    parseAnnotatedJson(text);
  } catch (error) {
    assert.ok(error instanceof JsonError);
    return { ...placeOf(text, error.offset), message: error.message };
  }
  return assert.fail(`it was taken: ${text}`);
}

test('all JSON is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat({ max: 3 }), (value, spaces) => {
      const text = JSON.stringify(value, null, spaces);
      const expected: unknown = JSON.parse(text);
      assert.deepEqual(plain(parseAnnotatedJson(text)), expected);
    }),
  );
});

test('comments of both kinds may stand wherever white space may', () => {
  const text = `// first
    { /* a */ "a" /* b */ : // c
      [ /**/ 1, // "]"
        "// no comment" /* } */ ] } // last`;
  assert.deepEqual(plain(parseAnnotatedJson(text)), { a: [1, '// no comment'] });
});

test('a fault is named by line and column', () => {
  const expected: [string, number, number, RegExp][] = [
    ['', 1, 1, /a value/],
    ['{"a": 1,}', 1, 9, /a name in double quotes/],
    ['{\n  "a" 1}', 2, 7, /':'/],
    ['[1\n 2]', 2, 2, /',' or '\]'/],
    ['{"a":1 "b":2}', 1, 8, /',' or '}'/],
    ['{} x', 1, 4, /the end of the file/],
    ['{"a":1,\n "a":2}', 2, 2, /second time/],
    ['[01]', 1, 2, /a value/],
    ['["\n"]', 1, 2, /a value/],
    ['/* open', 1, 1, /a value/],
    [`${'['.repeat(65)}`, 1, 65, /more than 64 levels/],
  ];
  for (const [text, line, column, message] of expected) {
    const fault = faultOf(text);
    assert.deepEqual([fault.line, fault.column], [line, column], text);
    assert.match(fault.message, message);
  }
});

test('no text makes it throw anything but a fault', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]{}:,"/*\\ntrue0-9\s]*$/)), (text) => {
      try {
        parseAnnotatedJson(text);
      } catch (error) {
        assert.ok(error instanceof JsonError);
      }
    }),
  );
});
