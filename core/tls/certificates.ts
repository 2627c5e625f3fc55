/**
 * Certificates in files, checked before the data plane gets them. Each error is
 * a sentence that names the file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { TlsMaterial } from '../data-plane/addon.ts';
import { messageOf } from '../system-reason.ts';
import type { Staple } from './ocsp.ts';
import { listsExpireAtMs } from './revocation-lists.ts';

/** The path of a file, for messages, and its text. */
export interface NamedText {
  readonly path: string;
  readonly text: string;
}

export interface CertificateTexts {
  readonly cert: NamedText;
  readonly key: NamedText;
}

/** Facts about a certificate, for later messages. */
export interface CertificateFacts {
  /** The file that it comes from. */
  readonly path: string;
  readonly names: readonly string[];
  readonly serialNumber: string;
  readonly expiresAtMs: number;
}

export class CertificateFault extends Error {}

export interface Checked {
  readonly facts: CertificateFacts;
  readonly material: Omit<TlsMaterial['certificates'][number], keyof Staple>;
}

const pemForm = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
// A host, or all hosts one level below.
const hostForm = /^(\*\.)?[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/;

/** Throws a CertificateFault if the pair cannot be used, or not at `nowMs`; undefined: at any time. */
export function checkCertificate({ cert, key }: CertificateTexts, nowMs: number | undefined): Checked {
  const chain = certificatesOf(cert);
  const [own] = chain;
  if (own === undefined) {
    const advice = 'give the certificate chain, such as fullchain.pem';
    throw new CertificateFault(`${cert.path} contains no certificate in PEM: ${advice}`);
  }
  if (!own.checkPrivateKey(privateKeyOf(key))) {
    throw new CertificateFault(
      `the key in ${key.path} is not that of the certificate in ${cert.path}: give the two that were made together`,
    );
  }
  if (nowMs !== undefined) checkTimes(own, cert.path, nowMs);
  checkOrder(chain, cert.path);
  checkWithOpenssl({ cert: cert.text, key: key.text }, cert.path);
  const names = hostNamesOf(own);
  return {
    facts: {
      path: cert.path,
      names,
      serialNumber: own.serialNumber,
      expiresAtMs: Date.parse(own.validTo),
    },
    material: { chain: cert.text, key: key.text, names },
  };
}

/** Throws a CertificateFault if no client could be verified with these at `nowMs`; undefined: at any time. */
export function checkAuthorities(ca: NamedText, crl: NamedText | undefined, nowMs: number | undefined): void {
  if (certificatesOf(ca).length === 0) {
    const advice = 'give those of the authorities that sign client certificates';
    throw new CertificateFault(`${ca.path} contains no certificate in PEM: ${advice}`);
  }
  checkWithOpenssl({ ca: ca.text }, ca.path);
  if (crl === undefined) return;
  if (!crl.text.includes('-----BEGIN X509 CRL-----')) {
    throw new CertificateFault(`${crl.path} contains no list of revoked certificates in PEM`);
  }
  checkWithOpenssl({ crl: crl.text }, crl.path);
  const untilMs = listsExpireAtMs(crl.text);
  if (nowMs === undefined || nowMs <= untilMs) return;
  const until = new Date(untilMs).toISOString();
  throw new CertificateFault(`the list of revoked certificates in ${crl.path} has expired (${until})`);
}

function certificatesOf({ path, text }: NamedText): X509Certificate[] {
  try {
    return (text.match(pemForm) ?? []).map((pem) => new X509Certificate(pem));
  } catch (cause) {
    throw new CertificateFault(`a certificate in ${path} is damaged (${messageOf(cause)})`, { cause });
  }
}

function privateKeyOf({ path, text }: NamedText): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new CertificateFault(keyFault(path, text, messageOf(cause)), { cause });
  }
}

function keyFault(path: string, text: string, reason: string): string {
  if (/ENCRYPTED/.test(text)) return `the key in ${path} has a password: give a key without one`;
  if (/PRIVATE KEY-----/.test(text)) return `the key in ${path} is damaged (${reason}): copy the file again`;
  return `${path} contains no private key in PEM: give the key of the certificate, such as privkey.pem`;
}

function checkTimes(own: X509Certificate, path: string, nowMs: number): void {
  if (nowMs > Date.parse(own.validTo)) {
    throw new CertificateFault(`the certificate in ${path} has expired (${own.validTo})`);
  }
  if (nowMs < Date.parse(own.validFrom)) {
    throw new CertificateFault(
      `the certificate in ${path} is not valid before ${own.validFrom}: is the clock right?`,
    );
  }
}

/** Each certificate must be signed by the next one. Only the issuer of the last one may be missing: clients have it. */
function checkOrder(chain: readonly X509Certificate[], path: string): void {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1];
    if (issuer === undefined) return;
    if (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)) continue;
    throw new CertificateFault(
      `in ${path} certificate ${index + 2} has not signed the one before it: put the server's own first, then that of each issuer`,
    );
  }
}

/** OpenSSL checks the rest, such as a key that is too short. */
function checkWithOpenssl(options: Parameters<typeof createSecureContext>[0], path: string): void {
  try {
    createSecureContext(options);
  } catch (cause) {
    throw new CertificateFault(`the content of ${path} cannot be used (${messageOf(cause)})`, { cause });
  }
}

function hostNamesOf(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? '')
    .split(', ')
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice('DNS:'.length).toLowerCase())
    .filter((name) => hostForm.test(name));
}
