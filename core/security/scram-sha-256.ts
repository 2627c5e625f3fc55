/**
 * SCRAM-SHA-256 (RFC 5802 and 7677) as a method of enhanced authentication: the client proves that it knows
 * a password which never crosses the network, and the broker proves that it knows the user. Only keys derived from a
 * password are stored. Without channel binding.
 *
 *   client                                        broker
 *   n,,n=user,r=nonce                      ->
 *                                          <-     r=nonce+ours,s=salt,i=iterations
 *   c=biws,r=nonce+ours,p=proof            ->
 *                                          <-     v=signature
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type {
  AuthenticationExchange,
  AuthenticationMethod,
  AuthenticationStep,
} from '../config/authentication.ts';
import { saslPrep } from './sasl-prep.ts';

/** The stored credentials of a user: enough to verify a proof, not enough to create one. */
export interface ScramCredentials {
  readonly salt: Uint8Array;
  /** Of PBKDF2, 4,096 or more. */
  readonly iterations: number;
  /** 32 bytes. */
  readonly storedKey: Uint8Array;
  /** 32 bytes. */
  readonly serverKey: Uint8Array;
}

export interface ScramOptions {
  /** Finds the stored credentials of a user; undefined if there is no such user. */
  credentialsOf(username: string): ScramCredentials | undefined | Promise<ScramCredentials | undefined>;
  /**
   * The iterations claimed for unknown users. Use the number of your users, so that nobody can tell them apart.
   * Default {@link scramIterationsDefault}.
   */
  readonly iterations?: number;
  /** The salt length of unknown users, in bytes. Default 16. */
  readonly saltBytes?: number;
  /** Gives the broker's part of a nonce, for tests. Default 18 random bytes in base64. */
  nonce?(): string;
}

/** RFC 7677, section 4, requires at least 4,096; more makes stolen keys harder to use and each login slower. */
const scramIterationsDefault = 4_096;

const derive = promisify(pbkdf2);

/**
 * What to store for a user with this password. The salt is random unless given; 16 bytes.
 * Rejects with a RangeError for a password that SASLprep prohibits, and for fewer than 4,096 iterations.
 */
export async function scramCredentials(
  password: string,
  iterations: number = scramIterationsDefault,
  salt: Uint8Array = randomBytes(16),
): Promise<ScramCredentials> {
  const prepared = saslPrep(password);
  if (prepared === undefined) throw new RangeError('the password has characters that are not allowed');
  if (iterations < scramIterationsDefault)
    throw new RangeError(`fewer than ${scramIterationsDefault} iterations`);
  const saltedPassword = await derive(prepared, salt, iterations, 32, 'sha256');
  return {
    salt,
    iterations,
    storedKey: sha256(hmac(saltedPassword, 'Client Key')),
    serverKey: hmac(saltedPassword, 'Server Key'),
  };
}

/** The method for `authenticationMethods`, over the users that `credentialsOf` finds. */
export function scramSha256(options: ScramOptions): AuthenticationMethod {
  const secret = randomBytes(32);
  return { name: 'SCRAM-SHA-256', begin: () => new ScramExchange(options, secret) };
}

interface Challenge {
  /** The messages before the client's last one, for the signature. */
  readonly messages: string;
  readonly nonce: string;
  readonly channelBinding: string;
  readonly username: string;
  readonly credentials: ScramCredentials;
  readonly isKnown: boolean;
}

const failure: AuthenticationStep = { outcome: 'failure' };

class ScramExchange implements AuthenticationExchange {
  readonly #options: ScramOptions;
  readonly #secret: Uint8Array;
  #challenge: Challenge | undefined;

  constructor(options: ScramOptions, secret: Uint8Array) {
    this.#options = options;
    this.#secret = secret;
  }

  async next(data: Uint8Array | undefined): Promise<AuthenticationStep> {
    const text = decodeText(data);
    if (text === undefined) return failure;
    const challenge = this.#challenge;
    if (challenge !== undefined) return verify(challenge, text);
    const first = parseFirst(text);
    if (first === undefined) return failure;
    const nonce = first.nonce + (this.#options.nonce?.() ?? randomBytes(18).toString('base64'));
    const known = await this.#options.credentialsOf(first.username);
    const credentials = known ?? this.#decoy(first.username);
    const salt = Buffer.from(credentials.salt).toString('base64');
    const serverFirst = `r=${nonce},s=${salt},i=${credentials.iterations}`;
    this.#challenge = {
      messages: `${first.bare},${serverFirst}`,
      nonce,
      channelBinding: Buffer.from(first.header).toString('base64'),
      username: first.username,
      credentials,
      isKnown: known !== undefined,
    };
    return { outcome: 'continue', data: Buffer.from(serverFirst) };
  }

  /** Of an unknown user: always the same, like those of a known one. */
  #decoy(username: string): ScramCredentials {
    const { iterations = scramIterationsDefault, saltBytes = 16 } = this.#options;
    const salt = hmac(this.#secret, `salt ${username}`).subarray(0, saltBytes);
    const key = hmac(this.#secret, `key ${username}`);
    return { salt, iterations, storedKey: key, serverKey: key };
  }
}

/** The client's last message: `c=...,r=...,p=...`, with extensions before the proof. */
function verify(challenge: Challenge, text: string): AuthenticationStep {
  const match = /^(c=([A-Za-z0-9+/]+=*),r=([^,]+)(?:,[^,]+)*?),p=([A-Za-z0-9+/]+=*)$/.exec(text);
  if (match === null) return failure;
  const [, withoutProof = '', channelBinding, nonce, proofText = ''] = match;
  const { username, credentials, messages, isKnown } = challenge;
  const proof = Buffer.from(proofText, 'base64');
  if (proof.length !== 32 || channelBinding !== challenge.channelBinding || nonce !== challenge.nonce) {
    return failure;
  }
  const authMessage = `${messages},${withoutProof}`;
  const signature = hmac(credentials.storedKey, authMessage);
  const clientKey = proof.map((byte, index) => byte ^ (signature[index] ?? 0));
  const isProven = timingSafeEqual(sha256(clientKey), credentials.storedKey);
  if (!isProven || !isKnown) return failure;
  const serverSignature = hmac(credentials.serverKey, authMessage).toString('base64');
  return { outcome: 'success', data: Buffer.from(`v=${serverSignature}`), grant: { username } };
}

interface ClientFirst {
  /** Including its two commas. */
  readonly header: string;
  readonly bare: string;
  readonly username: string;
  readonly nonce: string;
}

/** `n,,n=user,r=nonce`. Channel binding (`p=`) and acting as another user (`a=`) are not supported. */
function parseFirst(text: string): ClientFirst | undefined {
  const match = /^([ny],,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/su.exec(text);
  if (match === null) return undefined;
  const [, header = '', bare = '', saslName = '', nonce = ''] = match;
  if (/=(?!2C|3D)/.test(saslName)) return undefined;
  const username = saslPrep(saslName.replaceAll('=2C', ',').replaceAll('=3D', '='));
  return username === undefined ? undefined : { header, bare, username, nonce };
}

function decodeText(data: Uint8Array | undefined): string | undefined {
  try {
    return data && new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    return undefined; // not UTF-8, so not a SCRAM message
  }
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
