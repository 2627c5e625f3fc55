import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientTlsOf } from '../../../core/front-end/client-tls.ts';

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

const facts = (...names: string[]): string[] => ['TLSv1.3', 'broker.example', ...names, 'ab12'].map(latin1);

test('a plain connection has no facts, and one without a certificate only those of TLS', () => {
  assert.equal(clientTlsOf([], 'commonName'), undefined);
  assert.deepEqual(clientTlsOf(['TLSv1.2', '', '', '', '', '', ''], 'commonName'), { version: 'TLSv1.2' });
});

test('the identity is the one name of the kind that is asked for, exactly', () => {
  const shown = facts('Gerät 7', 'a.example', 'a@example.org', 'urn:device:7');
  const of = { version: 'TLSv1.3', serverName: 'broker.example', fingerprint256: 'ab12' };
  assert.deepEqual(clientTlsOf(shown, 'commonName'), { ...of, identity: 'Gerät 7' });
  assert.deepEqual(clientTlsOf(shown, 'dnsName'), { ...of, identity: 'a.example' });
  assert.deepEqual(clientTlsOf(shown, 'emailAddress'), { ...of, identity: 'a@example.org' });
  assert.deepEqual(clientTlsOf(shown, 'uri'), { ...of, identity: 'urn:device:7' });
});

test('the identity of a pre-shared key is the identity, whatever kind is asked for', () => {
  const shown = ['TLSv1.3', '', '', '', '', '', '', latin1('Gerät 7')];
  const expected = { version: 'TLSv1.3', identity: 'Gerät 7', isPreShared: true };
  assert.deepEqual(clientTlsOf(shown, 'commonName'), expected);
  assert.deepEqual(clientTlsOf(shown, 'uri'), expected);
});

test('a certificate with several names of the kind, or none, has no identity', () => {
  assert.equal(clientTlsOf(facts('a\tb', '', '', ''), 'commonName')?.identity, undefined);
  assert.equal(clientTlsOf(facts('', '', '', ''), 'commonName')?.identity, undefined);
  assert.equal(clientTlsOf(facts('a', '', '', ''), 'uri')?.identity, undefined);
});
