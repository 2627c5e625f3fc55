/** The file of keys shared with clients, in mosquitto's format: a line `identity:key` for each. */
import type { PreSharedKey } from '../data-plane/addon.ts';
import { CertificateFault, type NamedText } from './certificates.ts';

/** The bound of native/tls/pre-shared-keys.h. */
const keyBytesMax = 256;
/** Shorter keys can be found by brute force from one recorded handshake. */
const strongKeyBytes = 16;
/** The bound of TLS (RFC 4279, 5.3). */
const identityBytesMax = 128;

/** Throws a CertificateFault that names the invalid line. */
export function parsePreSharedKeys({ path, text }: NamedText): PreSharedKey[] {
  const keys = new Map<string, PreSharedKey>();
  for (const [index, whole] of text.split('\n').entries()) {
    const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
    if (line.trim() === '' || line.startsWith('#')) continue;
    const fault = (what: string): CertificateFault =>
      new CertificateFault(`line ${index + 1} of ${path} ${what}`);
    const key = parseLine(line, fault);
    if (keys.has(key.identity)) throw fault('repeats the identity of an earlier line');
    keys.set(key.identity, key);
  }
  return [...keys.values()];
}

export function areStrong(keys: readonly PreSharedKey[]): boolean {
  return keys.every(({ key }) => key.length >= strongKeyBytes);
}

/** Messages never contain the key. */
function parseLine(line: string, fault: (what: string) => CertificateFault): PreSharedKey {
  const colon = line.indexOf(':');
  if (colon < 1) throw fault("lacks an identity and ':' before the key");
  const identity = line.slice(0, colon);
  if (/[\u0000-\u001f\u007f]/.test(identity)) throw fault('has a control character in the identity');
  if (Buffer.byteLength(identity) > identityBytesMax) {
    throw fault(`has an identity of more than ${identityBytesMax} bytes`);
  }
  const digits = line.slice(colon + 1).trim();
  if (!/^[\da-f]+$/i.test(digits)) throw fault('has a key that is not in hexadecimal digits');
  const key = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  if (key.length > keyBytesMax) throw fault(`has a key of more than ${keyBytesMax} bytes`);
  return { identity, key: Uint8Array.from(key) };
}
