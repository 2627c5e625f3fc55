/**
 * Hashes and verifies passwords, in separate threads (workers/passwords.ts) and in commands. The main thread does not
 * import this file: Argon2 is a native library of 4 MB.
 */
import { createHash, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import { hashRawSync, hashSync } from '@node-rs/argon2';
import { argon2Of, pbkdf2Of, sha512Of } from './password-hash-format.ts';

/** OWASP's first recommendation, and mosquitto_passwd's default: 46 MiB, one pass. */
const argon2Cost = { memoryCost: 47_104, timeCost: 1, parallelism: 1 } as const;

export function hashPassword(password: Uint8Array): string {
  return hashSync(password, argon2Cost);
}

/** `hash` must be valid. Argon2 is computed again here, since verifySync() throws if a password is not UTF-8. */
export function verifyPassword(hash: string, password: Uint8Array): boolean {
  const argon2 = argon2Of(hash);
  if (argon2 !== undefined) {
    const { salt, digest, ...cost } = argon2;
    return timingSafeEqual(hashRawSync(password, { ...cost, salt, outputLen: digest.length }), digest);
  }
  const pbkdf2 = pbkdf2Of(hash);
  if (pbkdf2 !== undefined) {
    const { iterations, salt, digest } = pbkdf2;
    return timingSafeEqual(pbkdf2Sync(password, salt, iterations, digest.length, 'sha512'), digest);
  }
  const sha512 = sha512Of(hash);
  if (sha512 === undefined) return false;
  return timingSafeEqual(createHash('sha512').update(password).update(sha512.salt).digest(), sha512.digest);
}
