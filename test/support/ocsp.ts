/** OCSP responses of a test authority about a certificate, created by the openssl command. */
import { execFileSync } from 'node:child_process';
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { listen } from './listen.ts';
import { type Authority, type CertifiedFiles, folder } from './secure.ts';

export interface OcspWish {
  readonly isRevoked?: boolean;
  /** Its period of validity. Default 1. */
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

/** A certificate for localhost that names the OCSP server of its authority, which responds with this. */
export async function certifiedOnline(
  t: TestContext,
  authority: Authority,
  wish: OcspWish = {},
): Promise<CertifiedFiles> {
  let response: Uint8Array | undefined;
  const server = createServer((_, answer) => {
    answer.writeHead(200, { 'content-type': 'application/ocsp-response' }).end(response);
  });
  const own = mkdtempSync(join(folder(), 'online-'));
  const [certFile, keyFile, request, extensions] = ['cert', 'key', 'request', 'extensions'].map((name) =>
    join(own, name),
  ) as [string, string, string, string];
  const lines = [
    'subjectAltName=DNS:localhost',
    'basicConstraints=CA:FALSE',
    'extendedKeyUsage=serverAuth',
    `authorityInfoAccess=OCSP;URI:${await listen(t, server)}`,
  ];
  writeFileSync(extensions, lines.join('\n'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile];
  openssl('req', '-new', ...key, '-subj', '/CN=localhost', '-out', request);
  const ca = ['-CA', authority.own.certFile, '-CAkey', authority.own.keyFile];
  const serial = ['-set_serial', `0x01${randomBytes(8).toString('hex')}`, '-days', '30'];
  openssl('x509', '-req', '-in', request, ...ca, ...serial, '-extfile', extensions, '-out', certFile);
  const made = { certFile, keyFile, certificate: readText(certFile), key: readText(keyFile) };
  response = ocspResponse(authority, made, wish);
  return made;
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
