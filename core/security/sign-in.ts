/**
 * Users of the broker as callers of the HTTP API (main thread). A user signs in with the password or token of its connections,
 * is authenticated by the same providers, and fails at the same cost: delays, then bans. The file of API keys lists its
 * scopes; every user has `subscribe`, since the rules limit what it receives.
 */
import type { ConnectingClient } from '../config/authentication.ts';
import type { AuditLog } from '../control/audit-log.ts';
import type { Clock } from '../sessions/timers.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import type { Access } from './access.ts';
import type { Admission } from './admission.ts';
import type { ApiCaller } from './api-caller.ts';
import type { ApiScope } from './api-scope.ts';
import { failedLoginReasons, type Verdict } from './authenticator.ts';

export interface HttpCredentials {
  readonly remoteAddress: string;
  /** Neither a user name nor a password was given. */
  readonly token?: string;
  readonly username?: string;
  readonly password?: Uint8Array;
}

/**
 * `refused`: the credentials are wrong; `banned`; `tenant`: the user has a topic prefix, but the API shows the topics of
 * everyone; `unavailable`: it cannot be decided now.
 */
export type SignInRefusal = 'refused' | 'banned' | 'tenant' | 'unavailable';

export interface SignInOptions {
  readonly clock: Clock;
  readonly audit: Pick<AuditLog, 'add'>;
  authenticate(client: ConnectingClient): Promise<Verdict>;
  readonly admission: Pick<Admission, 'isBanned' | 'failed'>;
  prefixOf(username: string): string;
  /** Undefined: there is no file of API keys. */
  scopesOf(username: string): ReadonlySet<ApiScope> | undefined;
  /** Users may have streams of messages: no listener and no program restricts their topics. */
  readonly maySubscribe: boolean;
}

export class SignIn {
  readonly #options: SignInOptions;

  constructor(options: SignInOptions) {
    this.#options = options;
  }

  async decide(credentials: HttpCredentials): Promise<ApiCaller | SignInRefusal> {
    const { admission, authenticate } = this.#options;
    const attempt = { ...credentials, clientId: '' };
    if (admission.isBanned(attempt)) return this.#refused(attempt, ReasonCode.banned, 'banned');
    const { reasonCode, why, isUndecided, access } = await authenticate({ ...attempt, transport: 'http' });
    if (failedLoginReasons.includes(reasonCode) && isUndecided !== true)
      return await this.#failed(attempt, reasonCode, why);
    if (reasonCode !== ReasonCode.success) {
      const refusal = reasonCode === ReasonCode.banned ? 'banned' : 'unavailable';
      return this.#refused(attempt, reasonCode, refusal);
    }
    const { username } = access ?? {};
    if (access === undefined || username === undefined)
      return await this.#failed(attempt, ReasonCode.notAuthorized); // without a name it is not a user
    if (admission.isBanned({ ...attempt, username }))
      return this.#refused({ ...attempt, username }, ReasonCode.banned, 'banned');
    return this.#callerOf(username, access);
  }

  #callerOf(username: string, access: Access): ApiCaller | SignInRefusal {
    const { prefixOf, scopesOf, maySubscribe } = this.#options;
    if ((access.topicPrefix ?? prefixOf(username)) !== '') return 'tenant';
    const scopes = new Set(scopesOf(username) ?? []);
    if (maySubscribe) scopes.add('subscribe');
    return { name: username, scopes, user: access };
  }

  /** Delayed after several failures, like a CONNACK. */
  async #failed(attempt: Attempt, reasonCode: number, why?: string): Promise<SignInRefusal> {
    const { admission, clock } = this.#options;
    const heldBackMs = admission.failed(attempt);
    const refusal = this.#refused(attempt, reasonCode, 'refused', { why, heldBackMs });
    if (heldBackMs > 0) await new Promise<void>((resolve) => clock.after(heldBackMs, resolve));
    return refusal;
  }

  #refused(
    { username, remoteAddress }: Attempt,
    reasonCode: number,
    refusal: SignInRefusal,
    { why, heldBackMs = 0 }: { readonly why?: string | undefined; readonly heldBackMs?: number } = {},
  ): SignInRefusal {
    this.#options.audit.add('loginRefused', {
      ...(username === undefined ? {} : { username }),
      remoteAddress,
      transport: 'http',
      reason: reasonCodeName(reasonCode),
      ...(why === undefined ? {} : { why }),
      ...(heldBackMs === 0 ? {} : { heldBackMs }),
    });
    return refusal;
  }
}

type Attempt = Pick<HttpCredentials, 'remoteAddress' | 'username'> & { readonly clientId: string };
