import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withFlags } from '../../../core/config/flag-names.ts';

const cases: readonly (readonly [message: string, shown: string])[] = [
  ['Choose another with the option tcpPort.', 'Choose another with --tcp-port.'],
  ['Choose another with the option port.', 'Choose another with --port.'],
  ['Give tlsCert and tlsKey.', 'Give tlsCert (--tls-cert) and tlsKey (--tls-key).'],
  [
    'tlsCert is given alone: tlsCert and tlsKey.',
    'tlsCert (--tls-cert) is given alone: tlsCert and tlsKey (--tls-key).',
  ],
  // A file and a program have no flags, and neither has an option that only they can give.
  ["sysIntervalSeconds in c.json is 'x'.", "sysIntervalSeconds in c.json is 'x'."],
  ["'prot' is not known: did you mean 'tcpPort'?", "'prot' is not known: did you mean 'tcpPort'?"],
  ['limits.outboxBytesMax is 1.', 'limits.outboxBytesMax is 1.'],
  ['serverMoved is true.', 'serverMoved is true.'],
  ['--sys-interval is -1.', '--sys-interval is -1.'],
];

for (const [message, shown] of cases) {
  test(`the command shows "${message}" with its flags`, () => assert.equal(withFlags(message), shown));
}
