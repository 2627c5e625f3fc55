/**
 * Authenticates clients by a token (JWT): as password, in the WebSocket request, or by enhanced authentication with
 * the method OAUTH2-JWT, which also renews it (main thread).
 */
import type { errors as Errors } from 'jose';
import type {
  AuthenticationMethod,
  AuthenticationStep,
  ConnectingClient,
  Grant,
} from '../config/authentication.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { accessOf } from './grants.ts';
import type { Decision, Provider, Refusal } from './provider.ts';
import { readClaims } from './token-claims.ts';
import { TokenError } from './token-error.ts';
import { KeysUnavailable, type TokenKeys } from './token-keys.ts';

export interface TokenProviderOptions {
  keys(): TokenKeys;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly usernameClaim: string;
  /** The claim with the client identifier that the token is for; undefined: it is for any. */
  readonly clientIdClaim: string | undefined;
  /** The claim with the first level of all topics; undefined: there is none. */
  readonly tenantClaim: string | undefined;
  /** Wall-clock time, which tokens use. */
  nowMs(): number;
}

const tokenMethodName = 'OAUTH2-JWT';

/** Tolerance between the clocks of two machines. */
const clockToleranceSeconds = 5;

export class TokenProvider implements Provider {
  readonly name = 'token';
  readonly #options: TokenProviderOptions;
  /** Loaded here because most brokers have no tokens. */
  readonly #jose = import('jose');

  constructor(options: TokenProviderOptions) {
    this.#options = options;
  }

  decide({ token, password }: ConnectingClient): Decision | Promise<Decision> {
    if (token !== undefined) return this.#decide(token);
    const text = password === undefined ? '' : Buffer.from(password).toString('latin1');
    return looksLikeToken.test(text) ? this.#decide(text) : 'unknown';
  }

  async #decide(token: string): Promise<Decision> {
    try {
      const grant = await this.#verify(token);
      return 'reasonCode' in grant ? grant : accessOf(grant);
    } catch (error) {
      if (error instanceof KeysUnavailable)
        return { reasonCode: ReasonCode.serverUnavailable, why: error.message };
      throw error;
    }
  }

  /** Only the log says what is wrong with a token. Throws KeysUnavailable. */
  async #verify(token: string): Promise<Grant | Refusal> {
    const { keys, issuer, audience, nowMs } = this.#options;
    const { usernameClaim, clientIdClaim, tenantClaim } = this.#options;
    const { find, algorithms } = keys();
    const { errors, jwtVerify } = await this.#jose;
    try {
      const { payload } = await jwtVerify(token, find, {
        algorithms: [...algorithms],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(nowMs()),
        requiredClaims: ['exp', usernameClaim],
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      const grant = readClaims(payload, usernameClaim, clientIdClaim, tenantClaim);
      accessOf(grant); // invalid filters make it grant nothing
      return grant;
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TokenError)
        return refusal(faultOf(error, errors));
      throw error;
    }
  }

  /** The token is the client's first and only data. */
  get method(): AuthenticationMethod {
    return {
      name: tokenMethodName,
      begin: () => ({
        next: async (data): Promise<AuthenticationStep> => {
          const grant = await this.#verify(Buffer.from(data ?? []).toString('latin1'));
          if (!('reasonCode' in grant)) return { outcome: 'success', grant };
          return { outcome: 'failure', ...(grant.why === undefined ? {} : { why: grant.why }) };
        },
      }),
    };
  }
}

function refusal(why: string): Refusal {
  return { reasonCode: ReasonCode.notAuthorized, why };
}

/** A wrong clock, here or where tokens are made, is a frequent cause. */
function faultOf(error: Errors.JOSEError | TokenError, errors: typeof Errors): string {
  if (error instanceof errors.JWTExpired) return `the token expired at ${shownTime(error.payload.exp)}`;
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf')
    return `the token is not valid before ${shownTime(error.payload.nbf)}`;
  return `the token is not valid: ${error.message}`;
}

/** `seconds`: of a claim, which may be anything. */
function shownTime(seconds: unknown): string {
  const time = new Date(Number(seconds) * 1_000);
  return Number.isNaN(time.getTime()) ? `${seconds}` : time.toISOString();
}

/** Three parts in Base64, the first of which begins with `{"`: no person has such a password. */
const looksLikeToken = /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/;
