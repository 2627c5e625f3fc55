/**
 * The keys that verify tokens, and the algorithms that each may be used for. The algorithm that a token names never
 * decides.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { createLocalJWKSet, JSONWebKeySet, JWTVerifyGetKey } from 'jose';
import { BrokerError } from '../broker-error.ts';
import { shownValue } from '../config/shown-config.ts';
import type { Clock } from '../sessions/timers.ts';
import { messageOf } from '../system-reason.ts';
import { readAccessFile } from './access-file.ts';
import { textWithin } from './bounded-answer.ts';

export interface TokenKeys {
  readonly algorithms: readonly string[];
  /** Throws a KeysUnavailable if remote keys cannot be fetched. */
  readonly find: JWTVerifyGetKey;
}

export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

const publicAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** The key length of HMAC with SHA-256. */
const secretBytesMin = 32;

/** A secret shared with the issuer. Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export function secretKeys(path: string): TokenKeys {
  const secret = secretOf(path);
  return { algorithms: ['HS256', 'HS384', 'HS512'], find: () => secret };
}

/** The file without surrounding white space. Errors: as above. */
export function secretOf(path: string): Uint8Array {
  const secret = Buffer.from(readAccessFile(path).trim());
  if (secret.length >= secretBytesMin) return secret;
  const message = `${path}: a secret for tokens must have at least ${secretBytesMin} bytes: make one with openssl rand -hex 32.`;
  throw new BrokerError('ACCESS_FILE_INVALID', message);
}

/** A public key in PEM. Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. */
export function publicKeys(path: string): TokenKeys {
  const text = readAccessFile(path);
  const key = publicKeyOf(path, text);
  return { algorithms: algorithmsOf(path, key), find: () => key };
}

function publicKeyOf(path: string, text: string): KeyObject {
  if (text.includes('PRIVATE KEY'))
    throw new BrokerError(
      'ACCESS_FILE_INVALID',
      `${path} is a private key: give the public key, which is enough.`,
    );
  try {
    return createPublicKey(text);
  } catch (cause) {
    throw new BrokerError('ACCESS_FILE_INVALID', `${path} is not a public key in PEM.`, { cause });
  }
}

function algorithmsOf(path: string, { asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string[] {
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2_048)
    return ['RS256', 'PS256'];
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1') return ['ES256'];
  if (asymmetricKeyType === 'ed25519') return ['EdDSA'];
  throw new BrokerError(
    'ACCESS_FILE_INVALID',
    `${path}: give an RSA key of at least 2048 bits, or one of P-256 or Ed25519.`,
  );
}

const refreshMs = 300_000;
/** An unknown key may be new, but anyone can invent one. */
const missedMs = 30_000;
/** While there are no valid keys: between two attempts to fetch them. */
const retryMs = 1_000;
/** How long keys remain valid while they cannot be fetched again. */
const staleMs = 3_600_000;
const fetchTimeoutMs = 5_000;
const answerBytesMax = 1_048_576;

/** A JWKS at a URL: it is fetched again every few minutes, and when a token names an unknown key. */
export class RemoteKeys implements TokenKeys {
  readonly algorithms: readonly string[] = publicAlgorithms;
  readonly #jose = import('jose');
  readonly #url: string;
  readonly #clock: Clock;
  #find: ReturnType<typeof createLocalJWKSet> | undefined;
  #fetchedMs = Number.NEGATIVE_INFINITY;
  #triedMs = Number.NEGATIVE_INFINITY;
  /** Of the last attempt. */
  #failed: KeysUnavailable | undefined;
  #fetching: Promise<void> | undefined;

  constructor(url: string, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    const { errors } = await this.#jose;
    const nowMs = this.#clock.nowMs();
    if (this.#find === undefined || nowMs - this.#fetchedMs > staleMs) {
      if (this.#failed !== undefined && this.#fetching === undefined && nowMs - this.#triedMs < retryMs)
        throw this.#failed;
      await this.#refresh();
    } else if (nowMs - this.#fetchedMs > refreshMs && nowMs - this.#triedMs > missedMs)
      this.#refresh().catch(() => {});
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // The keys that are being fetched may have it: when keys are rotated, many clients come with the new one at once.
      if (this.#fetching === undefined && nowMs - this.#triedMs < missedMs) throw error;
      await this.#refresh();
      return await this.#keys(header, token);
    }
  };

  async #keys(...args: Parameters<JWTVerifyGetKey>): Promise<Awaited<ReturnType<JWTVerifyGetKey>>> {
    if (this.#find === undefined) throw new KeysUnavailable('there are no keys');
    return await this.#find(...args);
  }

  /** Concurrent fetches are one request. */
  #refresh(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    this.#triedMs = this.#clock.nowMs();
    try {
      const response = await fetch(this.#url, {
        signal: AbortSignal.timeout(fetchTimeoutMs),
        redirect: 'error',
      });
      if (!response.ok) throw new Error(`its answer has status ${response.status}`);
      const text = await textWithin(response, answerBytesMax);
      const { createLocalJWKSet } = await this.#jose;
      this.#find = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
      this.#fetchedMs = this.#clock.nowMs();
      this.#failed = undefined;
    } catch (cause) {
      const { cause: reason = cause } = cause as { readonly cause?: unknown }; // of fetch()
      this.#failed = new KeysUnavailable(
        `the keys of ${shownValue(this.#url)} cannot be fetched (${messageOf(reason)})`,
        { cause },
      );
      throw this.#failed;
    }
  }
}
