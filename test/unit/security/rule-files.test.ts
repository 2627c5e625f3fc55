/** The two files that rules come from, and what is said of mistakes in them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BrokerError } from '../../../core/broker-error.ts';
import { parseAclFile } from '../../../core/security/acl-file.ts';
import { encodeRuleBook } from '../../../core/security/encode-rules.ts';
import { parseRuleFile } from '../../../core/security/rule-file.ts';
import type { RuleBook } from '../../../core/security/rules.ts';

/** 'allow publish a/+' and so on, by role. */
function shown({ roles }: RuleBook): Record<string, string[]> {
  return Object.fromEntries(
    [...roles].map(([name, rules]) => [
      name,
      rules.map(({ effect, action, filter, isLater }) =>
        `${effect} ${action} ${filter.replaceAll('\0', '<>')}${isLater ? ' later' : ''}`.trim(),
      ),
    ]),
  );
}

function refused(parse: (text: string, path: string) => unknown, text: string, message: RegExp): void {
  assert.throws(
    () => parse(text, 'the-file'),
    { name: 'BrokerError', code: 'ACCESS_FILE_INVALID', message },
    text,
  );
}

test('a rule file has roles, users, and what everyone and who has no name may do', () => {
  const book = parseRuleFile(
    `{
      "roles": {
        "viewer": { "allow": { "subscribe": ["scores/#", "$SYS/#"] } },
        "umpire": { // of a court
          "allow": { "publish": "scores/%u/+", "subscribe": ["c/%c", "t/%{team}/#", "a%b"] },
          "deny": { "publish": ["+/final"], "subscribe": [] }
        }
      },
      "users": { "lee": "umpire", "kim": ["umpire", "viewer"] },
      "everyone": ["viewer"],
      "anonymous": []
    }`,
    'the-file',
  );
  assert.deepEqual(shown(book), {
    viewer: ['allow subscribe scores/#', 'allow subscribe $SYS/#'],
    umpire: [
      'allow publish scores/<>u/+',
      'allow subscribe c/<>c',
      'allow subscribe t/<>:team/#',
      'allow subscribe a%b',
      'deny publish +/final',
    ],
  });
  assert.deepEqual(Object.fromEntries(book.users), { lee: ['umpire'], kim: ['umpire', 'viewer'] });
  assert.deepEqual([book.everyone, book.anonymous], [['viewer'], []]);
  assert.deepEqual(shown(parseRuleFile('{}', 'the-file')), {});
});

test('a mistake in a rule file is named by line and column', () => {
  const expected: [string, RegExp][] = [
    ['{\n "roles": [] }', /^the-file, line 2, column 11: give an object/],
    ['{ "role": {} }', /column 3: "role" is not known here: did you mean "roles"\?$/],
    [
      '{ "roles": { "a": { "permit": {} } } }',
      /column 21: "permit" is not known here: use one of "allow", "deny"\.$/,
    ],
    ['{ "roles": { "a": { "allow": { "read": [] } } } }', /column 32: "read" is not known here/],
    ['{ "roles": { "a": { "allow": { "publish": [1] } } } }', /column 44: give a string\.$/],
    [
      '{ "roles": { "a": { "allow": { "publish": 1 } } } }',
      /column 43: give a string, or a list of strings\.$/,
    ],
    ['{ "roles": { "a": { "allow": { "publish": "a#" } } } }', /the filter "a#" is not a topic filter/],
    ['{ "roles": { "a": { "allow": { "publish": "" } } } }', /is not a topic filter/],
    ['{ "roles": { "a": { "allow": { "publish": "$share/g/a" } } } }', /begins with '\$share\/'/],
    [
      '{ "roles": { "a": { "allow": { "publish": "a/x%u" } } } }',
      /has 'x%u': a placeholder .* must be alone/,
    ],
    ['{ "roles": { "a": { "allow": { "publish": "a/%{}" } } } }', /has '%{}': a placeholder/],
    ['{ "users": { "lee": "umpire" } }', /column 21: there is no role "umpire"\.$/],
    [
      '{ "roles": { "viewer": {} }, "everyone": ["viewr"] }',
      /there is no role "viewr": did you mean "viewer"\?$/,
    ],
    ['{ "roles": { "a": {}, "a": {} } }', /column 23: this is not JSON: "a" occurs a second time\.$/],
    ['', /line 1, column 1: the file is empty: give a JSON object with roles\.$/],
    ['{ "roles": {} ', /column 15: this is not JSON: put ',' or '}' there\.$/],
  ];
  for (const [text, message] of expected) refused(parseRuleFile, text, message);
});

test("mosquitto's acl_file is read as mosquitto reads it", () => {
  const book = parseAclFile(
    `# a comment
topic read $SYS/#

user lee
topic scores/lee
topic   write  a b/c
\ttopic readwrite x/%u
topic deny secret/#
user kim
topic read
pattern write state/%c/%u
pattern read p/%{x}\r
`,
    'the-file',
  );
  assert.deepEqual(shown(book), {
    pattern: ['allow publish state/<>c/<>u later', 'allow subscribe p/%{x} later'],
    anonymous: ['allow subscribe $SYS/#'],
    'user lee': [
      'allow subscribe scores/lee',
      'allow publish scores/lee',
      'allow publish a b/c',
      'allow subscribe x/%u',
      'allow publish x/%u',
      'deny subscribe secret/#',
      'deny publish secret/#',
    ],
    'user kim': ['allow subscribe read', 'allow publish read'],
  });
  assert.deepEqual(Object.fromEntries(book.users), { lee: ['user lee'], kim: ['user kim'] });
  assert.deepEqual([book.everyone, book.anonymous], [['pattern'], ['anonymous']]);
});

test('a mistake in an acl_file is named by line and column, and opens nothing', () => {
  const expected: [string, RegExp][] = [
    [
      'topics a',
      /^the-file, line 1, column 1: a line must begin with 'user', 'topic' or 'pattern', not 'topics'\.$/,
    ],
    ['\nuser', /line 2, column 5: give a user name/],
    ['topic', /column 6: the topic is missing\.$/],
    ['topic reads a', /column 7: 'reads' is not an access: give one of read, write, readwrite, deny\.$/],
    ['topic read a#', /column 12: the topic is not a topic filter/],
    ['pattern read a/dev-%c', /column 14: the topic has 'dev-%c': a placeholder \(%u or %c\) must be alone/],
    ['topic read $share/g/a', /column 12: the topic begins with '\$share\/'/],
  ];
  for (const [text, message] of expected) refused(parseAclFile, text, message);
});

test('whatever a file says, it is read or refused with a place, and what was read can be encoded', () => {
  const word = fc.constantFrom(
    'user',
    'topic',
    'pattern',
    'read',
    'deny',
    'a/#',
    '%u',
    '{',
    '}',
    '"roles"',
    ':',
    '\n',
    ' ',
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
  );
  for (const parse of [parseAclFile, parseRuleFile]) {
    fc.assert(
      fc.property(texts, (text) => {
        try {
          assert.ok(encodeRuleBook(parse(text, 'the-file')).length > 0);
        } catch (error) {
          assert.ok(error instanceof BrokerError);
          assert.match(error.message, /^the-file, line \d+, column \d+: .*[.?]$/s);
        }
      }),
    );
  }
});
