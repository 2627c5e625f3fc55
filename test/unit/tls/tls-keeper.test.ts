import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '../../../core/config/limits.ts';
import type { TlsMaterial } from '../../../core/data-plane/addon.ts';
import type { Clock } from '../../../core/sessions/timers.ts';
import { type TlsFiles, TlsKeeper } from '../../../core/tls/tls-keeper.ts';
import { ocspResponse } from '../../support/ocsp.ts';
import { revocations } from '../../support/revocations.ts';
import { Authority, type CertifiedFiles } from '../../support/secure.ts';

const authority = new Authority();
const first = authority.issue({ commonName: 'first' });
const second = authority.issue({ commonName: 'second' });

/** Timers that fire when the test says so. */
class HandClock implements Clock {
  readonly #timers = new Set<{ atMs: number; action: () => void }>();
  #nowMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, action: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + ms, action };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  pass(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.atMs <= this.#nowMs && this.#timers.delete(timer)) timer.action();
    }
  }

  get size(): number {
    return this.#timers.size;
  }
}

async function stage(
  files: Partial<TlsFiles> = {},
  more: readonly (readonly [string, string | Buffer])[] = [],
  aheadMs = 0,
) {
  const texts = new Map<string, string | Buffer>(more);
  const put = ({ certificate, key }: Pick<CertifiedFiles, 'certificate' | 'key'>): void => {
    texts.set('cert', certificate);
    texts.set('key', key);
  };
  put(first);
  const clock = new HandClock();
  const materials: TlsMaterial[] = [];
  const keys: Uint8Array[] = [];
  const log: string[] = [];
  const keeper = new TlsKeeper({
    config: {
      tlsCertificates: [{ cert: 'cert', key: 'key' }],
      clientCertificates: 'off',
      clientCa: undefined,
      clientCrl: undefined,
      pskFile: undefined,
      limits: defaultLimits,
      ...files,
    },
    clock,
    now: () => Date.now() + aheadMs + clock.nowMs(),
    log: (level, fields, sentence) => log.push(`${level} ${sentence} ${fields['reason'] ?? ''}`),
    onMaterial: (material) => materials.push(material),
    onTicketKeys: (ticketKeys) => keys.push(ticketKeys),
    read: async (path) => Buffer.from(texts.get(path) ?? assert.fail(`there is no ${path}`)),
  });
  await keeper.load();
  keeper.start();
  /** A look as the timer makes it, to its end. */
  const look = async (): Promise<void> => {
    clock.pass(defaultLimits.certificateCheckMs);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { keeper, clock, texts, put, materials, keys, log, look };
}

test('what has changed is handed on once, and what has not is not', async () => {
  const { keeper, put, materials, look } = await stage();
  assert.equal(materials.length, 1);
  await look();
  assert.equal(materials.length, 1);
  put(second);
  await look();
  await look();
  assert.equal(materials.length, 2);
  assert.equal(materials[1]?.certificates[0]?.chain, second.certificate);
  assert.equal(keeper.material, materials[1]);
  assert.equal(keeper.counts.certificateReloads, 1);
  assert.equal(await keeper.reload(), 'unchanged');
});

test('a certificate whose key has not come yet is not spoken of; if it does not come, once', async () => {
  const { keeper, texts, materials, log, look } = await stage();
  texts.set('cert', second.certificate);
  await look();
  assert.deepEqual(log, []);
  texts.set('key', second.key);
  await look();
  assert.equal(materials.length, 2);
  log.length = 0;
  texts.set('cert', first.certificate);
  for (let times = 0; times < 4; times++) await look();
  assert.match(
    log.join('\n'),
    /^error the new certificates are invalid.*not that of the certificate in cert: give the two that were made together$/,
  );
  assert.deepEqual([materials.length, keeper.counts.certificateReloadsRefused], [2, 1]);
});

test('who asks is told at once what is wrong, also of a file that is missing', async () => {
  const { keeper, texts, materials, log } = await stage();
  texts.delete('key');
  assert.equal(await keeper.reload(), 'refused');
  assert.match(log[0] ?? '', /invalid.*key cannot be read/);
  texts.set('key', first.key);
  assert.equal(await keeper.reload(), 'unchanged');
  const expired = authority.issue({ fromSeconds: -100, untilSeconds: -1 });
  texts.set('cert', expired.certificate).set('key', expired.key);
  assert.equal(await keeper.reload(), 'refused');
  assert.equal(materials.length, 1);
  assert.match(log.at(-1) ?? '', /has expired/);
});

test('a certificate that has expired in use keeps no other file from being renewed', async () => {
  const expired = authority.issue({ commonName: 'expired', fromSeconds: -100, untilSeconds: -1 });
  const { keeper, texts, materials, log } = await stage(
    {
      tlsCertificates: [
        { cert: 'cert', key: 'key' },
        { cert: 'expired', key: 'expired key' },
      ],
      pskFile: 'psk',
    },
    [
      ['expired', expired.certificate],
      ['expired key', expired.key],
      ['psk', `meter:${'0a'.repeat(16)}\n`],
    ],
  );
  texts.set('cert', second.certificate).set('key', second.key);
  assert.equal(await keeper.reload(), 'reloaded', log.join('\n'));
  assert.equal(materials.at(-1)?.certificates[0]?.chain, second.certificate);
  texts.set('psk', '');
  assert.equal(await keeper.reload(), 'reloaded', log.join('\n'));
  assert.deepEqual(materials.at(-1)?.preSharedKeys, []);
  const other = authority.issue({ commonName: 'other', fromSeconds: -100, untilSeconds: -1 });
  texts.set('expired', other.certificate).set('expired key', other.key);
  assert.equal(await keeper.reload(), 'refused');
});

test('a list of revoked certificates that has expired is refused; one that expires in use is told once', async () => {
  const long = revocations(authority, []);
  const { keeper, texts, materials, log, clock, look } = await stage(
    { clientCertificates: 'required', clientCa: 'ca', clientCrl: 'crl' },
    [
      ['ca', authority.own.certificate],
      ['crl', long],
    ],
  );
  clock.pass(2 * 3_600_000);
  texts.set('crl', revocations(authority, [first], 3_600));
  assert.equal(await keeper.reload(), 'refused');
  assert.match(log.at(-1) ?? '', /the list of revoked certificates in crl has expired \(20.+Z\)$/);
  assert.equal(materials.at(-1)?.clientCrls, long);
  texts.set('crl', long);
  log.length = 0;
  for (let day = 0; day < 32; day++) clock.pass(86_400_000);
  await look();
  const told = log.filter((line) => line.includes('revoked'));
  assert.deepEqual(told, [
    'error a list of revoked certificates has expired: every client with a certificate is refused ',
  ]);
  texts.set('cert', second.certificate).set('key', second.key);
  assert.equal(await keeper.reload(), 'reloaded', log.join('\n'));
});

test('a list of revoked certificates that has expired before the start is told', async () => {
  const { log } = await stage(
    { clientCertificates: 'required', clientCa: 'ca', clientCrl: 'crl' },
    [
      ['ca', authority.own.certificate],
      ['crl', revocations(authority, [], 3_600)],
    ],
    2 * 3_600_000,
  );
  assert.match(log.join(), /^error a list of revoked certificates has expired/);
});

test('ticket keys turn each hour, and four are kept', async () => {
  const { keeper, clock, keys } = await stage();
  for (let hour = 0; hour < 5; hour++) clock.pass(3_600_000);
  assert.deepEqual(
    keys.map(({ length }) => length / 80),
    [1, 2, 3, 4, 4, 4],
  );
  assert.deepEqual(keeper.ticketKeys, keys.at(-1));
  assert.deepEqual(keys[2]?.subarray(80), keys[1]);
  assert.deepEqual(keys[5]?.subarray(80), keys[4]?.subarray(0, 240));
});

test('a keeper that has stopped has no timers', async () => {
  const { keeper, clock } = await stage();
  assert.equal(clock.size, 3);
  keeper.stop();
  assert.equal(clock.size, 0);
});

test('what cannot be used at the start is a BrokerError with the file', async () => {
  const { texts, keeper } = await stage();
  texts.set('cert', 'nothing');
  await assert.rejects(keeper.load(), {
    code: 'CERTIFICATE_INVALID',
    message: /TLS cannot start: cert contains no/,
  });
});

const withStaple = { tlsCertificates: [{ cert: 'cert', key: 'key', ocsp: 'ocsp' }] };

/** With the issuer behind it, as it has to be. */
const chained = { ...first, certificate: first.certificate + authority.own.certificate };

test('an OCSP response is shown if it is for the certificate and holds; where it is of no use the one before stays', async () => {
  const good = ocspResponse(authority, first);
  const { keeper, put, texts, materials, log, look } = await stage(withStaple, [['ocsp', good]]);
  const shown = (): number[] => materials.map((one) => one.certificates[0]?.ocspResponse.length ?? -1);
  assert.deepEqual(shown(), [0]);
  assert.match(log.join(), /^error an OCSP response is unusable: none is sent without the issuer/);
  put(chained);
  await look();
  assert.deepEqual(shown(), [0, good.length]);
  const damaged = Buffer.from(good.toString('latin1').replace(/20(\d{12}Z)/, '19$1'), 'latin1');
  const useless = [
    [Buffer.from('nothing'), /not an OCSP response in DER/],
    [good.subarray(0, good.length - 1), /not an OCSP response in DER/],
    [damaged, /has not signed it/],
    [ocspResponse(authority, second), /about another certificate/],
    [ocspResponse(authority, first, { isRevoked: true }), /says that the certificate is revoked/],
    [ocspResponse(new Authority('strangers'), first), /has not signed it/],
  ] as const;
  for (const [response, reason] of useless) {
    log.length = 0;
    texts.set('ocsp', response);
    await look();
    assert.match(log[0] ?? '', reason);
    assert.match(log[0] ?? '', /the previous one is sent as long as it is valid/);
    assert.equal(shown().at(-1), good.length);
  }
  texts.delete('ocsp');
  assert.equal(await keeper.reload(), 'reloaded');
  assert.match(log.at(-2) ?? '', /cannot be read/);
});

test('an OCSP response that holds no more is spoken of once, and shown no more', async () => {
  const good = ocspResponse(authority, first, { days: 2 });
  const { clock, put, materials, log, look } = await stage(withStaple, [['ocsp', good]]);
  put(chained);
  await look();
  const untilSeconds = materials.at(-1)?.certificates[0]?.ocspUntilSeconds ?? 0;
  const days = (untilSeconds * 1_000 - Date.now()) / 86_400_000;
  assert.ok(days > 1.9 && days < 2.1, `${days}`);
  log.length = 0;
  clock.pass(86_400_000 + defaultLimits.certificateCheckMs);
  await look();
  assert.deepEqual(log, []);
  clock.pass(86_400_000);
  await look();
  await look();
  assert.deepEqual(log, ['error an OCSP response is unusable: none is sent it is no longer valid']);
});

test('pre-shared keys are read again; what is wrong in the file leaves the ones from before', async () => {
  const { keeper, texts, materials, log } = await stage({ pskFile: 'psk' }, [
    ['psk', `seven:${'ab'.repeat(16)}`],
  ]);
  const identities = (): (string[] | undefined)[] =>
    materials.map(({ preSharedKeys }) => preSharedKeys.map(({ identity }) => identity));
  texts.set('psk', 'seven:xyz');
  assert.equal(await keeper.reload(), 'refused');
  assert.match(log.at(-1) ?? '', /line 1 of psk has a key that is not in hexadecimal digits/);
  texts.set('psk', 'eight:abcd');
  assert.equal(await keeper.reload(), 'reloaded');
  assert.deepEqual(identities(), [['seven'], ['eight']]);
  assert.match(log.join('\n'), /warn pre-shared keys of less than 16 bytes/);
});
