/**
 * `rallymq dev-cert`: creates a test authority and a certificate signed by it, to try wss on this machine and
 * in its network. The authority is created once and kept: clients that trust it trust the next certificate too.
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BrokerError } from '../broker-error.ts';
import { readArguments } from '../config/arguments.ts';
import { type CertifiedKey, loadAddon } from '../data-plane/addon.ts';
import { makeDirectory } from '../storage/make-directory.ts';
import { systemReason } from '../system-reason.ts';

const files = {
  ca: 'dev-ca.pem',
  caKey: 'dev-ca-key.pem',
  cert: 'dev-cert.pem',
  key: 'dev-key.pem',
} as const;
const daySeconds = 86_400;
const authorityDays = 3_650;
/** Browsers accept no longer validity for servers. */
const certificateDays = 397;
/** Tolerance for the clocks in a network. */
const skewSeconds = -3_600;

export const devCertUsage = [
  'Usage: rallymq dev-cert [--out FOLDER] [NAME...]',
  '',
  'Makes a test certificate for TLS, for this machine and for further host names and IP addresses,',
  'and an authority that signs it. An authority that is already in the folder is used again.',
  '',
  '  --out FOLDER  where to write the files (default: the working directory)',
  '',
].join('\n');

/** Returns the text to print. Errors: FLAG_UNKNOWN, FLAG_VALUE_INVALID, ADDON_MISSING, DEV_CERT_FAILED. */
export function devCert(args: readonly string[]): string {
  const { folder, names } = readRequest(args);
  const path = (name: string): string => join(folder, name);
  try {
    makeDirectory(folder, 0o755);
    const authority = authorityOf(path(files.ca), path(files.caKey));
    const made = loadAddon().makeCertificate({
      commonName: (names[0] ?? 'localhost').slice(0, 64),
      names,
      isAuthority: false,
      isForClients: false,
      fromSeconds: skewSeconds,
      untilSeconds: certificateDays * daySeconds,
      issuer: authority.key,
    });
    writeFileSync(path(files.cert), made.certificate);
    writePrivate(path(files.key), made.key);
    return report(folder, names, authority.isNew);
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause;
    const message = `No certificate can be made in ${folder} (${systemReason(cause)}): name another folder with --out.`;
    throw new BrokerError('DEV_CERT_FAILED', message, { cause });
  }
}

function readRequest(args: readonly string[]): { folder: string; names: string[] } {
  const { flags, operands } = readArguments('rallymq dev-cert', args, { out: 'text' });
  const own = ['localhost', hostname().toLowerCase(), '127.0.0.1', '::1'];
  for (const name of operands) {
    if (isName(name)) continue;
    throw new BrokerError(
      'FLAG_VALUE_INVALID',
      `'${name}' is not a host name: give names and IP addresses, such as broker.example or 192.168.1.5.`,
    );
  }
  const given = operands.map((name) => name.toLowerCase());
  return { folder: flags.out ?? '.', names: [...new Set([...given, ...own.filter(isName)])] };
}

function isName(name: string): boolean {
  if (isIP(name) !== 0) return !name.includes('%');
  return (
    name.length <= 253 && /^(\*\.)?[a-z\d_]([a-z\d_-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/i.test(name)
  );
}

/** The authority in the folder, or a new one. */
function authorityOf(certPath: string, keyPath: string): { key: CertifiedKey; isNew: boolean } {
  if (existsSync(certPath) && existsSync(keyPath)) {
    const key = { certificate: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
    return { key, isNew: false };
  }
  const key = loadAddon().makeCertificate({
    commonName: `RallyMQ development authority of ${hostname()}`.slice(0, 64),
    names: [],
    isAuthority: true,
    isForClients: false,
    fromSeconds: skewSeconds,
    untilSeconds: authorityDays * daySeconds,
    issuer: undefined,
  });
  writeFileSync(certPath, key.certificate);
  writePrivate(keyPath, key.key);
  return { key, isNew: true };
}

/** Readable by its owner only, even if it existed before. */
function writePrivate(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
}

function report(folder: string, names: readonly string[], isNew: boolean): string {
  const [cert, key, ca] = [files.cert, files.key, files.ca].map((name) => join(folder, name));
  return [
    `A certificate for ${names.join(', ')}, valid for ${certificateDays} days:`,
    `  ${cert}`,
    `  ${key}`,
    isNew ? 'It is signed by a new authority:' : 'It is signed by the existing authority:',
    `  ${ca}`,
    'Let your browser and your clients trust the authority, for example',
    `  mosquitto_sub --cafile ${ca} -p 8443 -t '#' -v`,
    `  NODE_EXTRA_CA_CERTS=${ca} node program.mjs`,
    'and start the broker with',
    `  rallymq --tls-cert ${cert} --tls-key ${key}`,
    `Use it for tests only: anyone who has ${join(folder, files.caKey)} can pretend to be any host to clients that trust the authority.`,
    '',
  ].join('\n');
}
