import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ScramOptions, scramCredentials, scramSha256 } from '../../../core/security/scram-sha-256.ts';
import { ScramClient } from '../../support/scram-client.ts';

const client = { clientId: 'c', remoteAddress: '127.0.0.1', transport: 'tcp' } as const;
const bytes = (text: string) => Buffer.from(text);

// RFC 7677, section 3.
const vector = {
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  salt: 'W22ZaJ0SNY7soEsUEjb6gQ==',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

const stored = await scramCredentials('pencil', 4_096, Buffer.from(vector.salt, 'base64'));

function exchange(options: Partial<ScramOptions> = {}) {
  return scramSha256({
    credentialsOf: (username) => (username === 'user' ? stored : undefined),
    nonce: () => vector.serverNonce,
    ...options,
  }).begin(client);
}

test('the exchange of RFC 7677 goes as printed there', async () => {
  const server = exchange();
  const challenge = await server.next(bytes(vector.clientFirst));
  assert.deepEqual(challenge, { outcome: 'continue', data: bytes(vector.serverFirst) });
  const last = await server.next(bytes(vector.clientFinal));
  assert.deepEqual(last, {
    outcome: 'success',
    data: bytes(vector.serverFinal),
    grant: { username: 'user' },
  });
});

const wrongFirst: readonly (string | Uint8Array | undefined)[] = [
  undefined,
  '',
  'hello',
  'n,,n=user',
  'n,,n=,r=abc',
  'n,,r=abc,n=user',
  'n,a=other,n=user,r=abc', // acting for another user
  'p=tls-unique,,n=user,r=abc', // channel binding
  'n,,m=ext,n=user,r=abc', // a mandatory extension
  'n,,n=us=er,r=abc', // '=' must be written =3D
  'n,,n=us=2cer,r=abc',
  'n,,n=us\u0007er,r=abc', // SASLprep prohibits control characters
  'n,,n=user,r=',
  'n,,n=user,r=a\u00e9',
  Uint8Array.of(0x6e, 0x2c, 0x2c, 0xff),
];

for (const [index, first] of wrongFirst.entries()) {
  test(`first message ${index} that is none fails: ${String(first)}`, async () => {
    const data = typeof first === 'string' ? bytes(first) : first;
    assert.deepEqual(await exchange().next(data), { outcome: 'failure' });
  });
}

const { clientFinal } = vector;
const wrongFinal: readonly (string | undefined)[] = [
  undefined,
  '',
  clientFinal.replace('p=dHzb', 'p=dHzc'),
  clientFinal.replace('c=biws', 'c=eSws'), // of the header y,,
  clientFinal.replace('$k0', '$k1'),
  clientFinal.replace(/p=.*/, 'p='),
  clientFinal.replace(/p=.*/, 'p=AAAA'),
  clientFinal.replace(/,p=.*/, ''),
  `${clientFinal},x=1`,
  ` ${clientFinal}`,
];

for (const [index, final] of wrongFinal.entries()) {
  test(`last message ${index} that proves nothing fails: ${String(final)}`, async () => {
    const server = exchange();
    await server.next(bytes(vector.clientFirst));
    const step = await server.next(final === undefined ? undefined : bytes(final));
    assert.deepEqual(step, { outcome: 'failure' });
  });
}

test('an unknown user is challenged like a known one, always with the same salt, and fails', async () => {
  const method = scramSha256({ credentialsOf: () => undefined, iterations: 5_000, saltBytes: 12 });
  const challenges: string[] = [];
  for (const username of ['nobody', 'nobody', 'someone']) {
    const server = method.begin(client);
    const scram = new ScramClient(username, 'pencil');
    const step = await server.next(scram.first());
    assert.equal(step.outcome, 'continue');
    const data = step.outcome === 'continue' ? step.data : new Uint8Array();
    challenges.push(
      Buffer.from(data)
        .toString()
        .replace(/^r=[^,]*/, ''),
    );
    assert.deepEqual(await server.next(scram.final(data)), { outcome: 'failure' });
  }
  const [first, second, third] = challenges;
  assert.match(first ?? '', /^,s=[A-Za-z0-9+/]{16},i=5000$/);
  assert.equal(first, second);
  assert.notEqual(first, third);
});

test('names and passwords with commas, equals signs and other scripts are those that were stored', async () => {
  const password = 'p\u00e4ss=,\u{1f3be}';
  const credentials = await scramCredentials(password);
  let asked = '';
  const server = exchange({
    credentialsOf: (username) => {
      asked = username;
      return credentials;
    },
  });
  const scram = new ScramClient('a,b=c\u212b', password); // the angstrom sign is \u00c5 after SASLprep
  const step = await server.next(scram.first());
  assert.ok(step.outcome === 'continue');
  const last = await server.next(scram.final(step.data));
  assert.ok(last.outcome === 'success');
  scram.assertProven(last.data);
  assert.equal(asked, 'a,b=c\u00c5');
});

test('nonces differ from exchange to exchange', async () => {
  const nonces = new Set<string>();
  for (let index = 0; index < 20; index++) {
    const method = scramSha256({ credentialsOf: () => stored });
    const step = await method.begin(client).next(bytes(vector.clientFirst));
    assert.ok(step.outcome === 'continue');
    nonces.add(Buffer.from(step.data).toString().split(',')[0] ?? '');
  }
  assert.equal(nonces.size, 20);
});

test('credentials need enough iterations and a password that SASLprep allows', async () => {
  await assert.rejects(scramCredentials('pencil', 4_095), RangeError);
  await assert.rejects(scramCredentials('pen\u0000cil'), RangeError);
  const [one, other] = [await scramCredentials('pencil'), await scramCredentials('pencil')];
  assert.notDeepEqual(one.salt, other.salt);
  assert.notDeepEqual(one.storedKey, other.storedKey);
});
