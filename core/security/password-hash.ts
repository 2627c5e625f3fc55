/**
 * The hashes of mosquitto's password files. They are computed on separate threads (workers/passwords.ts):
 *
 *     $argon2id$v=19$m=47104,t=1,p=1$salt$hash
 *     $7$iterations$salt$hash                     PBKDF2 with HMAC-SHA-512
 *     $6$salt$hash                                SHA-512 of password and salt, once: from old versions
 */
import { createHash, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import { hashSync, verifySync } from '@node-rs/argon2';

/** OWASP's first recommendation, and mosquitto_passwd's default: 46 MiB, one pass. */
const argon2Cost = { memoryCost: 47_104, timeCost: 1, parallelism: 1 } as const;

/** The highest cost of verifying a hash: a file must not be able to stall the broker. */
const memoryCostMax = 2 ** 20; // KiB
const timeCostMax = 100;
const iterationsMax = 10_000_000;

export function hashPassword(password: Uint8Array): string {
  return hashSync(password, argon2Cost);
}

/** The fault of a hash, as the end of a sentence; undefined if there is none. */
export function hashFault(hash: string): string | undefined {
  if (hash.startsWith('$argon2id$')) return argon2Fault(hash);
  if (hash.startsWith('$7$'))
    return pbkdf2Of(hash) === undefined ? 'is not $7$iterations$salt$hash' : undefined;
  if (hash.startsWith('$6$')) return sha512Of(hash) === undefined ? 'is not $6$salt$hash' : undefined;
  return 'is not a hash of a known kind ($argon2id$, $7$ or $6$): make one with rallymq passwd';
}

/** `hash` must be valid. */
export function verifyPassword(hash: string, password: Uint8Array): boolean {
  if (hash.startsWith('$argon2id$')) return verifySync(hash, password);
  const pbkdf2 = pbkdf2Of(hash);
  if (pbkdf2 !== undefined) {
    const { iterations, salt, digest } = pbkdf2;
    return timingSafeEqual(pbkdf2Sync(password, salt, iterations, digest.length, 'sha512'), digest);
  }
  const sha512 = sha512Of(hash);
  if (sha512 === undefined) return false;
  return timingSafeEqual(createHash('sha512').update(password).update(sha512.salt).digest(), sha512.digest);
}

function argon2Fault(hash: string): string | undefined {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}$/.exec(
    hash,
  );
  if (match === null) return 'is not $argon2id$v=19$m=...,t=...,p=...$salt$hash';
  const [memory = 0, time = 0, lanes = 0] = match.slice(1).map(Number);
  const isBounded = memory <= memoryCostMax && time <= timeCostMax && lanes <= 64;
  if (!isBounded || time < 1 || lanes < 1 || memory < 8 * lanes)
    return `costs too much or too little to verify (m at most ${memoryCostMax}, t ${timeCostMax}, p 64)`;
  return undefined;
}

interface Digest {
  readonly salt: Buffer;
  readonly digest: Buffer;
}

function pbkdf2Of(hash: string): (Digest & { iterations: number }) | undefined {
  const [, kind, iterations = '', salt = '', digest = '', ...more] = hash.split('$');
  const count = /^\d{1,8}$/.test(iterations) ? Number(iterations) : 0;
  const parts = digestOf(salt, digest);
  if (kind !== '7' || more.length > 0 || parts === undefined || count < 1 || count > iterationsMax)
    return undefined;
  return { ...parts, iterations: count };
}

function sha512Of(hash: string): Digest | undefined {
  const [, kind, salt = '', digest = '', ...more] = hash.split('$');
  return kind === '6' && more.length === 0 ? digestOf(salt, digest) : undefined;
}

/** 64 bytes, for SHA-512. */
function digestOf(salt: string, digest: string): Digest | undefined {
  const parts = { salt: base64Of(salt), digest: base64Of(digest) };
  return parts.salt.length > 0 && parts.digest.length === 64 ? parts : undefined;
}

/** Empty if it is not Base64. */
function base64Of(text: string): Buffer {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : Buffer.alloc(0);
}
