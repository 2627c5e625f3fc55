import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { CertificateFault, checkAuthorities, checkCertificate } from '../../../core/tls/certificates.ts';
import { Authority } from '../../support/secure.ts';

const authority = new Authority();
const server = authority.issue({ names: ['localhost', '*.court.example', '127.0.0.1'] });

function check(certificate: string, key: string, nowMs: number | undefined = Date.now()) {
  return checkCertificate(
    { cert: { path: 'cert.pem', text: certificate }, key: { path: 'key.pem', text: key } },
    nowMs,
  );
}

function refused(what: () => void, message: RegExp): void {
  assert.throws(what, (error: unknown) => {
    assert.ok(error instanceof CertificateFault);
    assert.match(error.message, message);
    return true;
  });
}

test('a certificate with its key is good, and its names of hosts are those that it is shown for', () => {
  const { facts, material } = check(server.certificate, server.key);
  assert.deepEqual(material.names, ['localhost', '*.court.example']);
  assert.ok(facts.expiresAtMs > Date.now());
  const chain = server.certificate + authority.own.certificate;
  assert.equal(check(chain, server.key).material.chain, chain);
});

test('what does not belong together is refused, with the files', () => {
  const other = authority.issue();
  const stranger = new Authority();
  refused(() => check(server.certificate, other.key), /key in key\.pem is not that of .*cert\.pem/);
  refused(
    () => check('', server.key),
    /cert\.pem contains no certificate in PEM: give the certificate chain/,
  );
  refused(() => check(server.certificate, ''), /key\.pem contains no private key in PEM: give the key/);
  refused(() => check(server.certificate, server.certificate), /key\.pem contains no private key/);
  refused(() => check(server.certificate, server.key.slice(0, 100)), /the key in key\.pem is damaged/);
  refused(() => check(server.certificate.replace('MII', 'MIX'), server.key), /damaged/);
  refused(
    () => check(authority.own.certificate + server.certificate, authority.own.key),
    /certificate 2 has not/,
  );
  refused(
    () => check(server.certificate + stranger.own.certificate, server.key),
    /certificate 2 has not signed/,
  );
});

test('a key with a password is refused in words', () => {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  });
  refused(() => check(server.certificate, privateKey), /has a password/);
});

test('one that has expired, or does not hold yet, is refused where the time counts', () => {
  const expired = authority.issue({ fromSeconds: -100, untilSeconds: -1 });
  const early = authority.issue({ fromSeconds: 100, untilSeconds: 1_000 });
  refused(() => check(expired.certificate, expired.key), /has expired/);
  refused(() => check(early.certificate, early.key), /is not valid before .* clock/);
  const { cert, key } = { cert: expired.certificate, key: expired.key };
  checkCertificate({ cert: { path: '', text: cert }, key: { path: '', text: key } }, undefined);
});

test('authorities and lists of revoked certificates are looked at before they are used', () => {
  const ca = { path: 'ca.pem', text: authority.own.certificate };
  checkAuthorities(ca, undefined, undefined);
  refused(
    () => checkAuthorities({ path: 'ca.pem', text: '' }, undefined, undefined),
    /ca\.pem contains no certificate/,
  );
  refused(() => checkAuthorities(ca, { path: 'crl.pem', text: 'x' }, undefined), /crl\.pem contains no list/);
  const broken = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n';
  refused(
    () => checkAuthorities(ca, { path: 'crl.pem', text: broken }, undefined),
    /crl\.pem cannot be used/,
  );
});
