/** Password files, their hashes, and what lets a user in. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hashSync } from '@node-rs/argon2';
import fc from 'fast-check';
import { BrokerError } from '../../../core/broker-error.ts';
import { passwd } from '../../../core/command/passwd.ts';
import { changedUsers, parsePasswordFile } from '../../../core/security/password-file.ts';
import { hashPassword, verifyPassword } from '../../../core/security/password-hash.ts';
import { hashFault } from '../../../core/security/password-hash-format.ts';
import { PasswordProvider } from '../../../core/security/password-provider.ts';
import type { Decision } from '../../../core/security/provider.ts';
import { RememberedPasswords } from '../../../core/security/remembered-passwords.ts';
import { ReasonCode } from '../../../core/wire/reason-code.ts';
import { accessFolder, quickHash } from '../../support/access-files.ts';

const secret = Buffer.from('sécret');

// Of mosquitto_passwd -H sha512 and -H sha512-pbkdf2 (2.0.11 and 2.0.18) for 'sécret' and 'secret'.
const sha512 = (() => {
  const salt = Buffer.from('0123456789ab');
  const digest = createHash('sha512').update(secret).update(salt).digest('base64');
  return `$6$${salt.toString('base64')}$${digest}`;
})();

const client = { clientId: 'c', remoteAddress: '127.0.0.1', transport: 'tcp' } as const;

test('each kind of hash takes its password and no other', () => {
  for (const hash of [sha512, quickHash('sécret'), hashPassword(secret)]) {
    assert.equal(hashFault(hash), undefined, hash);
    assert.ok(verifyPassword(hash, secret), hash);
    for (const wrong of ['', 'sécre', 'sécret ', 'secret', 'x'.repeat(70_000)])
      assert.ok(!verifyPassword(hash, Buffer.from(wrong)), hash);
    assert.ok(
      !verifyPassword(hash, Buffer.from('sécret', 'latin1')),
      'a password is bytes, which need not be UTF-8',
    );
  }
  const binary = Buffer.from([0xff, 0, 0xc3]);
  assert.ok(verifyPassword(hashPassword(binary), binary));
  const other = hashSync(secret, { memoryCost: 64, timeCost: 3, parallelism: 4, outputLen: 20 });
  assert.ok(verifyPassword(other, secret));
  assert.ok(!verifyPassword(other, binary));
});

test('rallymq passwd finds a user as the broker does, also with spaces around its name', async (t) => {
  const lines = ['# lee:', ` lee : ${quickHash('x')}`, `lee2:${quickHash('x')}`];
  const path = accessFolder(t).write('users', `${lines.join('\n')}\n`);
  await passwd({ path, username: 'lee', deletes: true, isBatch: true });
  assert.deepEqual(readFileSync(path, 'utf8').split('\n'), [lines[0], lines[2], '']);
});

test('hashes that nobody could verify, or that cost too much, are faults', () => {
  const expected: [string, RegExp][] = [
    ['secret', /is not a hash of a known kind/],
    ['', /is not a hash of a known kind/],
    ['$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA', /is not a hash of a known kind/],
    ['$argon2id$v=19$m=8,t=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA', /is not \$argon2id/],
    ['$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA', /costs too much/],
    ['$argon2id$v=19$m=8,t=0,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA', /costs too much or too little/],
    ['$7$0$c2FsdA==$aGFzaA==', /is not \$7/],
    ['$7$99999999$c2FsdA==$aGFzaA==', /is not \$7/],
    ['$7$101$c2Fsd$aGFzaA==', /is not \$7/],
    ['$6$c2FsdA==', /is not \$6/],
    ['$6$$aGFzaA==', /is not \$6/],
    [`${sha512}$more`, /is not \$6/],
  ];
  for (const [hash, fault] of expected) assert.match(hashFault(hash) ?? '', fault, hash);
});

test('no text makes the check of a hash throw, and what it takes can be verified', () => {
  const parts = fc.constantFrom(
    '$',
    '6',
    '7',
    'argon2id',
    'v=19',
    'm=8,t=1,p=1',
    'c2FsdHNhbHQ',
    '=',
    '101',
    'A',
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(parts, { maxLength: 12 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      if (hashFault(text) === undefined) assert.equal(typeof verifyPassword(text, secret), 'boolean');
    }),
  );
});

test('a password file has a user and a hash in each line', () => {
  const file = parsePasswordFile(`# users\n\nlee:${sha512}\nkim d:${quickHash('x')}  \r\n`, 'the-file');
  assert.deepEqual([...file.keys()], ['lee', 'kim d']);
  const spaced = parsePasswordFile(`\uFEFF lee :${sha512}\r\n`, 'the-file'); // as mosquitto reads it
  assert.deepEqual([...spaced.keys()], ['lee']);
  const other = parsePasswordFile(`kim d:${quickHash('y')}\nnew:${sha512}\n`, 'the-file');
  assert.deepEqual([...changedUsers(file, other)], ['lee', 'kim d']);
});

test('a mistake in a password file is named by line and column, without the hash', () => {
  const expected: [string, RegExp][] = [
    ['lee', /^the-file, line 1, column 1: give a user name, ':' and the hash/],
    [`:${sha512}`, /line 1, column 1/],
    [`  :${sha512}`, /line 1, column 1/],
    [`${sha512}:${sha512.slice(0, -3)}`, /^[^$]*: what follows the user name/],
    ['# \nlee:secret', /line 2, column 5: what follows the user name is not a hash of a known kind/],
    [`lee:${sha512}\nlee:${sha512}`, /line 2, column 1: this user name is already in the file\.$/],
  ];
  for (const [text, message] of expected) {
    assert.throws(
      () => parsePasswordFile(text, 'the-file'),
      (error) =>
        error instanceof BrokerError && message.test(error.message) && !error.message.includes('secret'),
      text,
    );
  }
});

interface Stage {
  readonly provider: PasswordProvider;
  readonly verified: string[];
  readonly clock: { now: number };
}

function stage(options: { isFull?: boolean; isLast?: boolean } = {}): Stage {
  const clock = { now: 0 };
  const verified: string[] = [];
  const users = new Map([
    ['lee', quickHash('secret')],
    ['kim', sha512],
  ]);
  const remembered = new RememberedPasswords({
    clock: { nowMs: () => clock.now, after: () => ({ cancel: () => {} }) },
    keptMs: 1_000,
    entriesMax: 1,
  });
  const provider = new PasswordProvider({
    users: () => users,
    remembered,
    pool: {
      isFull: options.isFull ?? false,
      verify: async (hash, password) => {
        verified.push(hash);
        return verifyPassword(hash, password);
      },
    },
    isLast: options.isLast ?? true,
  });
  return { provider, verified, clock };
}

async function decide(provider: PasswordProvider, username?: string, password?: string): Promise<Decision> {
  return await provider.decide({
    ...client,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
  });
}

const bad = { reasonCode: ReasonCode.badUserNameOrPassword };

test('a user comes in with the password, and is remembered for a while', async () => {
  const { provider, verified, clock } = stage();
  assert.deepEqual(await decide(provider, 'lee', 'secret'), { username: 'lee' });
  assert.deepEqual(await decide(provider, 'lee', 'secret'), { username: 'lee' });
  assert.equal(verified.length, 1);
  assert.deepEqual(await decide(provider, 'lee', 'secre'), bad);
  assert.equal(verified.length, 2);
  clock.now = 1_000;
  assert.deepEqual(await decide(provider, 'lee', 'secret'), { username: 'lee' });
  assert.equal(verified.length, 3);
  await decide(provider, 'kim', 'sécret'); // there is room for one
  await decide(provider, 'lee', 'secret');
  assert.equal(verified.length, 5);
});

test('a user who is not there costs as much as one who is, and always the same', async () => {
  const { provider, verified } = stage();
  for (const username of ['nobody', 'nobody', '__proto__', 'constructor'])
    assert.deepEqual(await decide(provider, username, 'secret'), bad);
  assert.equal(verified.length, 4);
  assert.equal(verified[0], verified[1]);
});

test('every combination of name and password is decided (CVE-2026-32696)', async () => {
  for (const isLast of [true, false]) {
    const { provider } = stage({ isLast });
    assert.equal(await decide(provider), 'unknown');
    assert.equal(await decide(provider, undefined, 'secret'), 'unknown');
    assert.deepEqual(await decide(provider, 'lee'), bad);
    assert.deepEqual(await decide(provider, 'lee', ''), bad);
    assert.deepEqual(await decide(provider, 'nobody'), isLast ? bad : 'unknown');
    assert.deepEqual(await decide(provider, '', ''), isLast ? bad : 'unknown');
  }
});

test('where too many passwords wait, the client is told to come again', async () => {
  const { provider, verified } = stage({ isFull: true });
  for (const username of ['lee', 'nobody'])
    assert.deepEqual(await decide(provider, username, 'secret'), { reasonCode: ReasonCode.serverBusy });
  assert.equal(verified.length, 0);
});
