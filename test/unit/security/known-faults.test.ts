/** Faults that other brokers have had: each kind has a test here, by name. docs/security.md has the same list. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

// From dist/test/unit/security/ to the source.
const root = new URL('../../../../', import.meta.url);

const known: Readonly<Record<string, readonly (readonly [path: string, title: string])[]>> = {
  'a path on which nobody asks (CVE-2018-12546, CVE-2021-34434, CVE-2026-33217, CVE-2026-33249, CVE-2026-6564)':
    [
      [
        'test/native/access-paths.test.cpp',
        'access: every path lets through what a naive list of the rules does',
      ],
      ['test/native/access-paths.test.cpp', 'is not sent again to who has lost the right (CVE-2018-12546)'],
      ['test/e2e/security/listeners.test.ts', 'tenants see their own topics alone'],
    ],
  'a name that is more than a level (CVE-2017-7650, CVE-2026-44838)': [
    [
      'test/native/rules.test.cpp',
      'rules: names that are more than a level open nothing (CVE-2026-44838, CVE-2017-7650)',
    ],
  ],
  'an identity that is read out of a certificate by a pattern (CVE-2026-33248)': [
    [
      'test/e2e/tls/client-certificates.test.ts',
      'by option the identity is the user, without asking anybody',
    ],
  ],
  'an address or identity that anybody may claim (CVE-2026-33246)': [
    ['test/e2e/tls/proxies.test.ts', 'who is no trusted proxy speaks for nobody'],
    ['test/fuzz/proxy-header.fuzz.cpp', 'FUZZ("proxy-header")'],
  ],
  'a crash over WebSocket before anybody is known (CVE-2026-27889, CVE-2026-25627)': [
    ['test/fuzz/websocket.fuzz.cpp', 'FUZZ("websocket")'],
    ['test/fuzz/input.fuzz.cpp', 'FUZZ("input")'],
    ['test/e2e/wire/garbage.test.ts', 'garbage in place of WebSocket frames, and in place of HTTP'],
  ],
  'memory before anybody is known (CVE-2023-0809, CVE-2026-27571)': [
    ['test/e2e/wire/refusals.test.ts', 'a CONNECT as large as allowed passes, one byte more does not'],
    [
      'test/e2e/wire/names.test.ts',
      'CONNECT: more user properties than are taken: 0x97, with those of the will',
    ],
  ],
  'variable byte integers and properties (CVE-2023-3592, CVE-2026-21888)': [
    ['test/native/varint.test.cpp', 'varint: more bytes than needed are noticed, a fifth byte is malformed'],
    ['test/fuzz/properties.fuzz.cpp', 'FUZZ("properties")'],
  ],
  'a field of the CONNECT that is not there (CVE-2026-32696)': [
    ['test/fuzz/access.test.ts', 'every combination of what a CONNECT may have is decided by every provider'],
    ['test/fuzz/access.test.ts', 'a CONNECT with any flags, cut or too long, is refused or decided'],
  ],
  'QoS 2 that is not exactly once (CVE-2023-28366, CVE-2026-8741)': [
    ['test/property/exactly-once.test.ts', 'what links lose and repeat arrives, and with QoS 2 exactly once'],
  ],
  'topics that are none (CVE-2021-34432, CVE-2024-48080, CVE-2024-50948)': [
    ['test/native/topic.test.cpp', 'topic: each byte at each place, against the slow way'],
    ['test/e2e/wire/topics.test.ts', 'the most levels that are allowed, and one more'],
  ],
  'arithmetic with a bound that is seldom set (CVE-2026-42209)': [
    ['test/native/every-limit.test.cpp', 'every limit: each at its least and at its most, and many at once'],
  ],
  'memory that SUBSCRIBE and wills leave behind (mosquitto 2.0.21)': [
    ['test/native/leftovers.test.cpp', 'leftovers: SUBSCRIBE and wills of clients that come and go'],
  ],
  'an algorithm that the token chooses': [
    ['test/e2e/security/tokens.test.ts', 'what is no good token lets nobody in'],
    ['test/fuzz/access.test.ts', 'a damaged token lets nobody in as somebody else'],
  ],
  'a back end that does not answer, and is passed over': [
    [
      'test/unit/security/backend.test.ts',
      'what is no answer refuses with 0x88, and is told without a secret in it',
    ],
  ],
  'a will that nobody judges when it goes out': [
    [
      'test/native/access-paths.test.cpp',
      'access: a delayed will is judged when it goes out, by the rules of then',
    ],
  ],
  'secrets in answers and logs': [
    ['test/unit/security/backend.test.ts', 'a secret shows itself to nobody'],
    [
      'test/unit/security/passwords.test.ts',
      'a mistake in a password file is named by line and column, without the hash',
    ],
  ],
  'HTTP that tells what clients may not have': [
    ['test/unit/http/site.test.ts', 'where clients must authenticate, what they could find out is not told'],
  ],
  'an API key that may do more than its scope': [
    [
      'test/unit/http/api.test.ts',
      'each route of the table has an example here, answers it as it says, and needs its scope',
    ],
    ['test/unit/http/api.test.ts', 'the configuration has no secret'],
  ],
  'a lockout that is evaded with another identifier': [
    [
      'test/unit/security/admission.test.ts',
      'then comes a ban: of the address, of the user, of the client identifier',
    ],
  ],
};

for (const [kind, tests] of Object.entries(known)) {
  test(`${kind} has its tests, and the documentation names them`, () => {
    const documentation = readFileSync(new URL('docs/security.md', root), 'utf8');
    for (const [path, title] of tests) {
      assert.ok(readFileSync(new URL(path, root), 'utf8').includes(title), `${path} has no test "${title}"`);
      const name = path.split('/').at(-1) ?? path;
      assert.ok(documentation.includes(name), `docs/security.md does not name ${name}`);
    }
    for (const [identifier] of kind.matchAll(/CVE-\d+-\d+/g))
      assert.ok(documentation.includes(identifier), `docs/security.md does not name ${identifier}`);
  });
}
