/**
 * The formats of the hashes in mosquitto's password files:
 *
 *     $argon2id$v=19$m=47104,t=1,p=1$salt$hash
 *     $7$iterations$salt$hash                     PBKDF2 with HMAC-SHA-512
 *     $6$salt$hash                                SHA-512 of password and salt, once: from old versions
 */

/** The highest cost of verifying a hash: a file must not be able to stall the broker. */
const memoryCostMax = 2 ** 20; // KiB
const timeCostMax = 100;
const iterationsMax = 10_000_000;

/** The fault of a hash, as the end of a sentence; undefined if there is none. */
export function hashFault(hash: string): string | undefined {
  if (hash.startsWith('$argon2id$')) return argon2Fault(hash);
  if (hash.startsWith('$7$'))
    return pbkdf2Of(hash) === undefined ? 'is not $7$iterations$salt$hash' : undefined;
  if (hash.startsWith('$6$')) return sha512Of(hash) === undefined ? 'is not $6$salt$hash' : undefined;
  return 'is not a hash of a known kind ($argon2id$, $7$ or $6$): make one with rallymq passwd';
}

function argon2Fault(hash: string): string | undefined {
  const argon2 = argon2Of(hash);
  if (argon2 === undefined) return 'is not $argon2id$v=19$m=...,t=...,p=...$salt$hash';
  const { memoryCost, timeCost, parallelism } = argon2;
  const isBounded = memoryCost <= memoryCostMax && timeCost <= timeCostMax && parallelism <= 64;
  if (!isBounded || timeCost < 1 || parallelism < 1 || memoryCost < 8 * parallelism)
    return `costs too much or too little to verify (m at most ${memoryCostMax}, t ${timeCostMax}, p 64)`;
  return undefined;
}

interface Digest {
  readonly salt: Buffer;
  readonly digest: Buffer;
}

interface Argon2 extends Digest {
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
}

export function argon2Of(hash: string): Argon2 | undefined {
  const match =
    /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]{11,})\$([A-Za-z0-9+/]{16,})$/.exec(hash);
  if (match === null) return undefined;
  const [, memory, time, lanes, salt = '', digest = ''] = match;
  return {
    memoryCost: Number(memory),
    timeCost: Number(time),
    parallelism: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    digest: Buffer.from(digest, 'base64'),
  };
}

export function pbkdf2Of(hash: string): (Digest & { iterations: number }) | undefined {
  const [, kind, iterations = '', salt = '', digest = '', ...more] = hash.split('$');
  const count = /^\d{1,8}$/.test(iterations) ? Number(iterations) : 0;
  const parts = digestOf(salt, digest);
  if (kind !== '7' || more.length > 0 || parts === undefined || count < 1 || count > iterationsMax)
    return undefined;
  return { ...parts, iterations: count };
}

export function sha512Of(hash: string): Digest | undefined {
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
