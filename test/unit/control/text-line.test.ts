/** Lines of the log as text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textLine } from '../../../core/control/text-line.ts';

const line = (fields: object) =>
  textLine(JSON.stringify({ level: 40, time: Date.UTC(2026, 10, 28, 16, 0, 0, 5), ...fields }));

test('a line has its time, its level, its sentence and its fields', () => {
  assert.equal(
    line({ audit: 'banned', by: 'ops team', value: '192.0.2.0/24', count: 3, msg: 'a ban was added' }),
    '2026-11-28T16:00:00.005Z warn  a ban was added  audit=banned  by="ops team"  value=192.0.2.0/24  count=3\n',
  );
  assert.equal(line({}), '2026-11-28T16:00:00.005Z warn  \n');
});

test('an error is followed by its stack', () => {
  const text = line({ msg: 'x', err: { type: 'Error', message: 'no', stack: 'Error: no\n    at here' } });
  assert.equal(text, '2026-11-28T16:00:00.005Z warn  x\n    Error: no\n    at here\n');
  assert.match(line({ err: { message: 'no stack' } }), /\n {4}no stack\n$/);
});

test('what a client has made up begins no line, and moves no cursor', () => {
  const text = line({ clientId: 'a\n2026 fatal\x1b[2J\u202e\u2028', msg: 'b\rc' });
  assert.equal(text.split('\n').length, 2);
  assert.doesNotMatch(text.slice(0, -1), /[\p{Cc}\p{Cf}\u2028]/u);
});
