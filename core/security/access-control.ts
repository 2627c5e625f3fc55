/**
 * Authentication and authorisation, as configured (main thread): the files of users and rules, the providers that authenticate
 * clients, and the rules that the data plane enforces.
 *
 *   reload(): files read completely -> rules set -> workers told -> all have adopted them -> changed users are disconnected
 */
import type { Authenticate, AuthenticationMethod } from '../config/authentication.ts';
import type { BrokerConfig } from '../config/options.ts';
import { hasTokenKeys } from '../config/resolve.ts';
import type { Clock } from '../sessions/timers.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { type Access, encodeAccess, type Identity } from './access.ts';
import { type AccessFiles, readAccessFiles } from './access-files.ts';
import type { ApiKeys } from './api-keys.ts';
import { Backend } from './backend.ts';
import { BackendProvider } from './backend-provider.ts';
import { CertificateProvider } from './certificate-provider.ts';
import { isDashboard } from './dashboard-tickets.ts';
import { emptyFilesOf } from './empty-files.ts';
import { encodeRuleBook } from './encode-rules.ts';
import { HookProvider } from './hook-provider.ts';
import { changedUsers } from './password-file.ts';
import { PasswordPool } from './password-pool.ts';
import { PasswordProvider } from './password-provider.ts';
import type { Provider } from './provider.ts';
import { RememberedPasswords } from './remembered-passwords.ts';
import { RemoteKeys, type TokenKeys } from './token-keys.ts';
import { TokenProvider } from './token-provider.ts';

/** The data plane's side of the rules. */
export interface RulesInForce {
  setRules(rules: Uint8Array): void;
  mayPublish(access: Uint8Array, topic: string): boolean;
  mayReceive(access: Uint8Array, topic: string): boolean;
}

export interface AccessControlOptions {
  readonly config: BrokerConfig;
  readonly authenticate: Authenticate | readonly Authenticate[] | undefined;
  readonly clock: Clock;
  /** Tells the running workers to adopt the rules, and returns which these are; adopted() follows for each. */
  tellWorkers(revision: number): readonly number[];
  /** Ends the connections of these clients with 0x87. */
  endClients(isOver: (client: Identity) => boolean): void;
  /** A file has no entries. */
  warn(sentence: string): void;
  /** The back end of users cannot be reached, or its answer cannot be understood. */
  onBackendFailed(error: unknown): void;
}

/** Until the files are read, every client is refused. */
const noKeys: TokenKeys = {
  algorithms: [],
  find: () => {
    throw new Error('there are no keys');
  },
};

interface Adoption {
  readonly revision: number;
  readonly workers: Set<number>;
  readonly resolve: () => void;
}

export class AccessControl {
  readonly #options: AccessControlOptions;
  readonly #pool: PasswordPool;
  readonly providers: readonly Provider[];
  /** For enhanced authentication. */
  readonly methods: readonly AuthenticationMethod[];
  /** For `authorizeUrl`. */
  readonly authorizeBackend: Backend | undefined;
  readonly #authBackend: Backend | undefined;
  #files: AccessFiles = {
    users: undefined,
    rules: undefined,
    keys: undefined,
    revoked: undefined,
    backendSecret: undefined,
    apiKeys: undefined,
  };
  #rules: RulesInForce | undefined;
  #revision = 0;
  #adoptions: Adoption[] = [];

  constructor(options: AccessControlOptions) {
    this.#options = options;
    const { config, authenticate, clock } = options;
    this.#pool = new PasswordPool(config.limits.passwordChecksPendingMax);
    const passwords = new PasswordProvider({
      users: () => this.#files.users ?? new Map(),
      remembered: new RememberedPasswords({
        clock,
        keptMs: config.limits.passwordMemoryMs,
        entriesMax: config.limits.passwordMemoryMax,
      }),
      pool: this.#pool,
      isLast: authenticate === undefined && config.authUrl === undefined,
    });
    this.#authBackend = this.#newBackend(config.authUrl);
    this.authorizeBackend = this.#newBackend(config.authorizeUrl);
    const tokens = this.#tokenProvider();
    this.methods = tokens === undefined ? [] : [tokens.method];
    this.providers = [
      ...(config.identityAsUser ? [new CertificateProvider()] : []),
      ...(tokens === undefined ? [] : [tokens]),
      ...(config.passwordFile === undefined ? [] : [passwords]),
      ...this.#backendProviders(),
      ...[authenticate ?? []].flat().map((each) => new HookProvider(each)),
    ];
  }

  #backendProviders(): BackendProvider[] {
    const backend = this.#authBackend;
    return backend === undefined
      ? []
      : [new BackendProvider({ backend, onFailed: (error) => this.#options.onBackendFailed(error) })];
  }

  #newBackend(url: string | undefined): Backend | undefined {
    if (url === undefined) return undefined;
    const { config, clock } = this.#options;
    const { backendTimeoutMs, backendPendingMax, backendAnswersMax } = config.limits;
    return new Backend({
      url,
      secret: () => this.#files.backendSecret,
      timeoutMs: backendTimeoutMs,
      pendingMax: backendPendingMax,
      answersMax: backendAnswersMax,
      clock,
    });
  }

  #tokenProvider(): TokenProvider | undefined {
    const { config, clock } = this.#options;
    const { tokenJwksUrl, tokenIssuer, tokenAudience, tokenUserClaim } = config;
    if (!hasTokenKeys(config)) return undefined;
    const remote = tokenJwksUrl === undefined ? undefined : new RemoteKeys(tokenJwksUrl, clock);
    return new TokenProvider({
      keys: () => remote ?? this.#files.keys ?? noKeys,
      issuer: tokenIssuer,
      audience: tokenAudience,
      usernameClaim: tokenUserClaim,
      clientIdClaim: config.tokenClientIdClaim,
      tenantClaim: config.tokenTenantClaim,
      nowMs: () => Date.now(),
    });
  }

  /**
   * The rules at startup, from encodeRuleBook(); undefined: there are none. Without them, stored sessions get nothing.
   * Errors: see open().
   */
  firstRules(): Uint8Array | undefined {
    const { rules } = this.#filesInForce();
    return rules && encodeRuleBook(rules);
  }

  /**
   * Before the workers start. Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID. Called again when a node joins its
   * cluster anew: then what is in force stays, whatever the files contain.
   */
  open(rules: RulesInForce): void {
    const files = this.#filesInForce();
    this.#rules = rules;
    this.#take(files);
  }

  #filesInForce(): AccessFiles {
    return this.#rules === undefined ? readAccessFiles(this.#options.config) : this.#files;
  }

  /** How many of each kind the files contain; no entry for a kind without a file. */
  get counts(): Readonly<Record<string, number>> {
    const { users, rules, apiKeys } = this.#files;
    return {
      ...(users === undefined ? {} : { users: users.size }),
      ...(rules === undefined ? {} : { roles: rules.roles.size }),
      ...(apiKeys === undefined ? {} : { apiKeys: apiKeys.all.length }),
    };
  }

  async close(): Promise<void> {
    for (const { resolve } of this.#adoptions.splice(0)) resolve();
    await this.#pool.close();
  }

  /**
   * Resolves when all workers have adopted the files. Errors: see open(); then nothing has changed. `alsoLoad` reads further files,
   * once all others have been found valid.
   */
  async reload(alsoLoad: () => void): Promise<void> {
    const before = this.#files.users;
    const files = readAccessFiles(this.#options.config);
    alsoLoad();
    this.#take(files);
    this.#authBackend?.forget();
    this.authorizeBackend?.forget();
    if (files.rules !== undefined) await this.#adopt();
    const changed = changedUsers(before ?? new Map(), files.users ?? new Map());
    const isChanged = ({ username, issuedAt }: Identity): boolean =>
      username !== undefined && issuedAt === undefined && changed.has(username);
    // A dashboard comes again if its key is still good.
    this.#options.endClients(
      (client) => isChanged(client) || isDashboard(client) || files.revoked?.has(client) === true,
    );
  }

  /** A worker has adopted the rules. */
  adopted(worker: number, revision: number): void {
    for (const adoption of this.#adoptions) {
      if (adoption.revision <= revision) adoption.workers.delete(worker);
    }
    this.#settle();
  }

  /** A worker has ended: it adopts the rules when it starts again. */
  workerLost(worker: number): void {
    for (const { workers } of this.#adoptions) workers.delete(worker);
    this.#settle();
  }

  isRevoked(identity: Identity): boolean {
    return this.#files.revoked?.has(identity) === true;
  }

  /** The topic prefix that the rules give a user. */
  prefixOf(username: string | undefined): string {
    return (username === undefined ? undefined : this.#files.rules?.prefixes.get(username)) ?? '';
  }

  /** The encoded rights of a client for the data plane; undefined without rules. */
  describe(access: Access, clientId: string, topicPrefix = access.topicPrefix): Uint8Array | undefined {
    if (this.#files.rules === undefined) return undefined;
    return encodeAccess(topicPrefix === access.topicPrefix ? access : { ...access, topicPrefix }, clientId);
  }

  /** Why a client may not come with this will; undefined if it may. */
  willRefusal(access: Uint8Array | undefined, willTopic: string | undefined): number | undefined {
    if (access === undefined || willTopic === undefined || this.#rules === undefined) return undefined;
    return this.#rules.mayPublish(access, willTopic) ? undefined : ReasonCode.notAuthorized;
  }

  /** Undefined: no file is configured, so there are no keys. */
  get apiKeys(): ApiKeys | undefined {
    return this.#files.apiKeys;
  }

  /** Whether the rules let a caller without a connection publish to a topic, or receive its messages. */
  mayPublish(who: Access, topic: string): boolean {
    const access = this.describe(who, who.clientId ?? '');
    return access === undefined || this.#rules === undefined || this.#rules.mayPublish(access, topic);
  }
  mayReceive(who: Access, topic: string): boolean {
    const access = this.describe(who, who.clientId ?? '');
    return access === undefined || this.#rules === undefined || this.#rules.mayReceive(access, topic);
  }

  #take(files: AccessFiles): void {
    if (files.rules !== undefined) this.#rules?.setRules(encodeRuleBook(files.rules));
    this.#files = files;
    for (const sentence of emptyFilesOf(this.#options.config, files)) this.#options.warn(sentence);
  }

  #adopt(): Promise<void> {
    const revision = ++this.#revision;
    return new Promise((resolve) => {
      const workers = new Set(this.#options.tellWorkers(revision));
      this.#adoptions.push({ revision, workers, resolve });
      this.#settle();
    });
  }

  #settle(): void {
    const done = this.#adoptions.filter(({ workers }) => workers.size === 0);
    this.#adoptions = this.#adoptions.filter(({ workers }) => workers.size > 0);
    for (const { resolve } of done) resolve();
  }
}
