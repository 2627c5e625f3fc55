import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpiryWatch } from '../../../core/tls/expiry-watch.ts';

const day = 86_400_000;

function certificate(expiresAtMs: number, serialNumber = '1') {
  return { path: 'cert.pem', names: ['a.example'], serialNumber, expiresAtMs };
}

test('an expiry is told 30, 7 and 1 days before, once each, and when it has come', () => {
  const said: string[] = [];
  const watch = new ExpiryWatch((level, _, sentence) =>
    said.push(`${level} ${/\d+ days?|expired/.exec(sentence)}`),
  );
  const own = certificate(100 * day);
  for (let hour = 0; hour < 102 * 24; hour++) watch.look([own], hour * 3_600_000);
  assert.deepEqual(said, ['warn 30 days', 'warn 7 days', 'warn 1 day', 'error expired']);
});

test('each certificate is told of for itself, from what is left when it is first seen', () => {
  const said: unknown[] = [];
  const watch = new ExpiryWatch((_, fields, sentence) => said.push([fields['expires'], sentence]));
  watch.look([certificate(3.5 * day, '1'), certificate(60 * day, '2'), certificate(-day, '3')], 0);
  watch.look([certificate(3.5 * day, '1'), certificate(60 * day, '2'), certificate(-day, '3')], 1);
  assert.deepEqual(said, [
    ['1970-01-04T12:00:00.000Z', 'a certificate expires in 4 days: renew it'],
    ['1969-12-31T00:00:00.000Z', 'a certificate has expired: clients refuse it'],
  ]);
  watch.look([certificate(29 * day, '4')], 0); // a new one in place of the first
  assert.equal(said.length, 3);
});
