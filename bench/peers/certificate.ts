/** An ECDSA certificate for the brokers of a run, valid as long as the run. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAddon } from '../../core/data-plane/addon.ts';

export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

let made: CertificatePaths | undefined;

/** The files, which are removed when the process ends. */
export function benchCertificate(): CertificatePaths {
  if (made !== undefined) return made;
  const folder = mkdtempSync(join(tmpdir(), 'bench-certificate-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755); // mosquitto reads it as another user, if root starts it
  const { certificate, key } = loadAddon().makeCertificate({
    commonName: 'localhost',
    names: ['localhost', '127.0.0.1'],
    isAuthority: false,
    isForClients: false,
    fromSeconds: -3_600,
    untilSeconds: 86_400,
    issuer: undefined,
  });
  made = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(made.cert, certificate);
  writeFileSync(made.key, key);
  return made;
}
