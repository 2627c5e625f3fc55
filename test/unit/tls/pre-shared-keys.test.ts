import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areStrong, parsePreSharedKeys } from '../../../core/tls/pre-shared-keys.ts';

const parsed = (text: string): (readonly [string, string])[] =>
  parsePreSharedKeys({ path: 'psk.txt', text }).map(
    ({ identity, key }) => [identity, Buffer.from(key).toString('hex')] as const,
  );

test('a file as mosquitto has it: a line for each, with comments and empty ones between', () => {
  const text = '# devices\n\nseven:0a0B\r\nGerät 8:abc\n  \nnine: ff\n';
  assert.deepEqual(parsed(text), [
    ['seven', '0a0b'],
    ['Gerät 8', '0abc'],
    ['nine', 'ff'],
  ]);
  assert.deepEqual(parsed(''), []);
});

test('what is no key is said with its line, and without the key', () => {
  const faulty = {
    seven: /line 1 of psk\.txt lacks an identity and ':'/,
    ':abcd': /line 1 of psk\.txt lacks an identity and ':'/,
    'a:ab\nb:': /line 2 of psk\.txt has a key that is not in hexadecimal digits/,
    'a:secret': /line 1 of psk\.txt has a key that is not in hexadecimal digits$/,
    'a:ab\na:cd': /line 2 of psk\.txt repeats the identity of an earlier line/,
    'a\tb:ab': /line 1 of psk\.txt has a control character/,
    [`${'i'.repeat(129)}:ab`]: /line 1 of psk\.txt has an identity of more than 128 bytes/,
    [`a:${'ab'.repeat(257)}`]: /line 1 of psk\.txt has a key of more than 256 bytes/,
  };
  for (const [text, message] of Object.entries(faulty)) assert.throws(() => parsed(text), message);
});

test('keys of less than 16 bytes are weak', () => {
  const strong = parsePreSharedKeys({ path: '', text: `a:${'ab'.repeat(16)}` });
  assert.equal(areStrong(strong), true);
  assert.equal(
    areStrong([...strong, ...parsePreSharedKeys({ path: '', text: `b:${'ab'.repeat(15)}` })]),
    false,
  );
});
