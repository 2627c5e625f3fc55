import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '../../../core/config/limits.ts';
import type { TlsMaterial } from '../../../core/data-plane/addon.ts';
import type { Clock } from '../../../core/sessions/timers.ts';
import { TlsKeeper } from '../../../core/tls/tls-keeper.ts';
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

async function stage() {
  const texts = new Map<string, string>();
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
      limits: defaultLimits,
    },
    clock,
    now: () => Date.now(),
    log: (level, fields, sentence) => log.push(`${level} ${sentence} ${fields['reason'] ?? ''}`),
    onMaterial: (material) => materials.push(material),
    onTicketKeys: (ticketKeys) => keys.push(ticketKeys),
    read: async (path) => texts.get(path) ?? assert.fail(`there is no ${path}`),
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
    /^error the new certificates are no good.*not that of the certificate in cert$/,
  );
  assert.deepEqual([materials.length, keeper.counts.certificateReloadsRefused], [2, 1]);
});

test('who asks is told at once what is wrong, also of a file that is missing', async () => {
  const { keeper, texts, materials, log } = await stage();
  texts.delete('key');
  assert.equal(await keeper.reload(), 'refused');
  assert.match(log[0] ?? '', /no good.*key cannot be read/);
  texts.set('key', first.key);
  assert.equal(await keeper.reload(), 'unchanged');
  const expired = authority.issue({ fromSeconds: -100, untilSeconds: -1 });
  texts.set('cert', expired.certificate).set('key', expired.key);
  assert.equal(await keeper.reload(), 'refused');
  assert.equal(materials.length, 1);
  assert.match(log.at(-1) ?? '', /has expired/);
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
    message: /TLS cannot begin: cert has no/,
  });
});
