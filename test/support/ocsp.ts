/** What an authority of the tests says about a certificate (OCSP), by the command of OpenSSL. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Authority, type CertifiedFiles, folder } from './secure.ts';

export interface OcspWish {
  readonly isRevoked?: boolean;
  /** For how long it holds. Default 1. */
  readonly days?: number;
}

/** In DER. */
export function ocspResponse(authority: Authority, about: CertifiedFiles, wish: OcspWish = {}): Buffer {
  const own = mkdtempSync(join(folder(), 'ocsp-'));
  const path = (name: string): string => join(own, name);
  const { serialNumber } = new X509Certificate(about.certificate);
  const state =
    wish.isRevoked === true ? ['R', '491231235959Z', '200101000000Z'] : ['V', '491231235959Z', ''];
  writeFileSync(path('index.txt'), `${[...state, serialNumber, 'unknown', '/CN=localhost'].join('\t')}\n`);
  const ca = authority.own.certFile;
  const ask = ['-issuer', ca, '-cert', about.certFile, '-no_nonce', '-reqout', path('request')];
  execFileSync('openssl', ['ocsp', ...ask], { stdio: 'ignore' });
  const sign = ['-index', path('index.txt'), '-CA', ca, '-rsigner', ca, '-rkey', authority.own.keyFile];
  const times = ['-ndays', `${wish.days ?? 1}`];
  const files = ['-reqin', path('request'), '-respout', path('response')];
  execFileSync('openssl', ['ocsp', ...sign, ...times, ...files], { stdio: 'ignore' });
  return readFileSync(path('response'));
}
