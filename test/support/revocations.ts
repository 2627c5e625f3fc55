/** Lists of revoked certificates (CRL), by the command of OpenSSL. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Authority, type CertifiedFiles, folder } from './secure.ts';

/** What the authority has revoked; the list holds for `seconds`. */
export function revocations(
  authority: Authority,
  revoked: readonly CertifiedFiles[],
  seconds = 2_592_000,
): string {
  const own = mkdtempSync(join(folder(), 'crl-'));
  const [index, config, crl] = ['index.txt', 'openssl.cnf', 'crl.pem'].map((name) => join(own, name));
  writeFileSync(`${index}`, '');
  writeFileSync(`${config}`, `[ca]\ndefault_ca = own\n[own]\ndatabase = ${index}\ndefault_md = sha256\n`);
  const { certFile, keyFile } = authority.own;
  const ca = ['ca', '-config', `${config}`, '-cert', certFile, '-keyfile', keyFile];
  for (const each of revoked) execFileSync('openssl', [...ca, '-revoke', each.certFile], { stdio: 'ignore' });
  execFileSync('openssl', [...ca, '-gencrl', '-crlsec', `${seconds}`, '-out', `${crl}`], { stdio: 'ignore' });
  return readFileSync(`${crl}`, 'utf8');
}
