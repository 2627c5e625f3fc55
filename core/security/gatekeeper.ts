/**
 * Decides whether a client may connect and stay connected (main thread): bans and limits, identity, and rights. Its
 * decisions go to the session directory; its refusals are in the audit lines of the log.
 *
 *   CONNECT -> admission -> authenticator (identity) -> admission -> rules -> will -> admitted with its rights
 *   AUTH    -> authenticator -> rules -> renewed
 *   PUBLISH, SUBSCRIBE for which programs are asked -> authorizer
 */
import type { ConnectingClient } from '../config/authentication.ts';
import type { AuthorizedClient } from '../config/authorization.ts';
import type { ListenerConfig } from '../config/listeners.ts';
import type { BrokerConfig, BrokerOptions } from '../config/options.ts';
import type { AuditLog } from '../control/audit-log.ts';
import type {
  Admission as Admitted,
  ConnectRequest,
  RenewalRequest,
  ToMain,
  ToWorker,
} from '../control/messages.ts';
import type { AccessCounts } from '../control/reloads.ts';
import type { ConnectVerdict } from '../sessions/session-directory.ts';
import type { ClientInfo } from '../sessions/session-record.ts';
import type { Clock } from '../sessions/timers.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { reasonCodeName } from '../wire/reason-code-name.ts';
import type { Access, Identity } from './access.ts';
import { AccessControl, type RulesInForce } from './access-control.ts';
import { Admission } from './admission.ts';
import { type ApiCaller, accessOfCaller } from './api-caller.ts';
import type { ApiKeys } from './api-keys.ts';
import {
  type AuthenticationCount,
  type AuthenticationRequest,
  Authenticator,
  failedLoginReasons,
  type Verdict,
} from './authenticator.ts';
import { Authorizer } from './authorizer.ts';
import { BanKeeper } from './ban-keeper.ts';
import { type Ban, BanList } from './bans.ts';
import { DashboardTickets, isDashboard } from './dashboard-tickets.ts';
import { type HttpCredentials, SignIn, type SignInRefusal } from './sign-in.ts';

/** The options that are functions: not part of the configuration. */
export type SecurityHooks = Pick<
  BrokerOptions,
  'authenticate' | 'authenticationMethods' | 'authorizePublish' | 'authorizeSubscribe'
>;

export interface GatekeeperOptions {
  readonly config: BrokerConfig;
  readonly hooks: SecurityHooks;
  readonly clock: Clock;
  readonly audit: AuditLog;
  /** False if the worker does not run. */
  send(worker: number, message: ToWorker): boolean;
  /** Asks a worker to adopt the rules; false if it does not run. A stopped one adopts them when it restarts. */
  adoptRules(worker: number, adopted: () => void): boolean;
  /** The client connected with a client identifier. */
  connected(clientId: string): ConnectedClient | undefined;
  /** Ends the connections of these clients. */
  endClients(isOver: (identity: Identity, client: ClientInfo) => boolean, reasonCode: number): void;
  isOverloaded(): boolean;
  /** A dashboard connects, and needs the overview. */
  onDashboard(): void;
  warn(sentence: string): void;
  /** `fields`: of the client concerned. */
  onFailed(error: unknown, sentence: string, fields?: Readonly<Record<string, string>>): void;
}

export interface ConnectedClient {
  readonly worker: number;
  readonly connection: number;
  readonly client: ClientInfo;
  readonly identity: Identity;
}

/** What the log says of a client that is refused. */
type RefusedClient = Pick<ConnectRequest, 'clientId' | 'remoteAddress' | 'transport'> & {
  readonly username?: string | undefined;
};

type AuthorizeMessage = Extract<ToMain, { type: 'authorize' }>;

/** Of clients that have no user name and no grant, which are most clients in a storm: they share it. */
const letInAsNobody: ConnectVerdict = {
  reasonCode: ReasonCode.success,
  data: undefined,
  identity: {
    username: undefined,
    tokenId: undefined,
    issuedAt: undefined,
    attributes: undefined,
    topicPrefix: '',
  },
  admission: undefined,
};

export class Gatekeeper {
  readonly #options: GatekeeperOptions;
  readonly #access: AccessControl;
  readonly #authenticator: Authenticator;
  readonly #admission: Admission;
  readonly #authorizer: Authorizer;
  readonly #signIn: SignIn;
  readonly #bans: BanKeeper;
  readonly #tickets: DashboardTickets;
  /** The number of connected clients, by listener. */
  readonly #byListener = new Map<number, number>();
  #reloads = 0;

  constructor(options: GatekeeperOptions) {
    this.#options = options;
    const { config, hooks, clock } = options;
    this.#access = new AccessControl({
      config,
      authenticate: hooks.authenticate,
      clock,
      tellWorkers: (revision) =>
        this.#workers.filter((worker) =>
          options.adoptRules(worker, () => this.#access.adopted(worker, revision)),
        ),
      endClients: (isOver) => options.endClients(isOver, ReasonCode.notAuthorized),
      warn: options.warn,
      onBackendFailed: (error) =>
        options.onFailed(error, 'the back end that authenticates clients has failed; the client is refused'),
    });
    this.#authenticator = new Authenticator({
      providers: this.#access.providers,
      methods: [...this.#access.methods, ...(hooks.authenticationMethods ?? [])],
      allowsAnonymous: config.allowAnonymous,
      timeoutMs: config.limits.connectTimeoutMs,
      clock,
      isRevoked: (identity) => this.#access.isRevoked(identity),
      sendChallenge: (worker, connection, data) =>
        options.send(worker, { type: 'challenge', connection, data }),
      onFailed: (error, { clientId, remoteAddress }) =>
        options.onFailed(error, 'a client could not be authenticated; it is refused and may try again', {
          clientId,
          remoteAddress,
        }),
    });
    this.#bans = this.#newBanKeeper();
    this.#admission = new Admission({
      clock,
      limits: config.limits,
      bans: this.#bans,
      isOverloaded: options.isOverloaded,
      connected: (clientId) => options.connected(clientId)?.client,
    });
    this.#authorizer = new Authorizer({
      publish: hooks.authorizePublish,
      subscribe: hooks.authorizeSubscribe,
      backend: this.#access.authorizeBackend,
      timeoutMs: config.limits.connectTimeoutMs,
      memoryMs: config.limits.authorizationMemoryMs,
      clock,
      onFailed: (error) =>
        options.onFailed(error, 'an authorization hook or back end has failed; the client is denied'),
    });
    this.#signIn = this.#newSignIn();
    this.#tickets = new DashboardTickets(config.nodeName, () => clock.nowMs());
  }

  #newSignIn(): SignIn {
    const { config, clock, audit } = this.#options;
    const hasTenants = config.listeners.some(({ topicPrefix }) => topicPrefix !== '');
    return new SignIn({
      clock,
      audit,
      authenticate: (client) => this.#authenticator.decideAlone(client),
      admission: this.#admission,
      prefixOf: (username) => this.#access.prefixOf(username),
      scopesOf: (username) => this.#access.apiKeys?.scopesOfUser(username),
      maySubscribe: !hasTenants && !this.#authorizer.asksToSubscribe,
    });
  }

  get authentications(): readonly AuthenticationCount[] {
    return this.#authenticator.counts;
  }

  /** The number of entries in the files that reload() reads, by kind. */
  get accessCounts(): AccessCounts {
    return { ...this.#access.counts, bans: this.#bans.list().length };
  }

  /** Limits of connections by address and user have changed: existing connections are counted again. */
  recount(connected: Iterable<ClientInfo>): void {
    this.#admission.recount(connected);
  }

  /** Regardless of user name and client identifier. */
  isBanned(remoteAddress: string): boolean {
    return this.#bans.find({ remoteAddress, clientId: '' }) !== undefined;
  }

  get bans(): BanKeeper {
    return this.#bans;
  }

  /** Of AccessControl: the initial rules. */
  firstRules(): Uint8Array | undefined {
    return this.#access.firstRules();
  }

  /** See AccessControl. Errors: ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID, BAN_INVALID. */
  open(rules: RulesInForce): void {
    this.#access.open(rules);
    this.#bans.open();
  }

  async close(): Promise<void> {
    this.#bans.close();
    await this.#access.close();
  }

  /** Errors: those of open(); then nothing has changed. */
  async reload(): Promise<void> {
    this.#reloads++;
    await this.#access.reload(() => this.#bans.load());
    for (const worker of this.#workers) this.#options.send(worker, { type: 'forgetDecisions' });
  }

  // --- connecting clients -------------------------------------------------------------------------------

  authenticate(
    worker: number,
    connection: number,
    request: ConnectRequest,
  ): ConnectVerdict | Promise<ConnectVerdict | undefined> {
    const listener = this.#listenerOf(request);
    const refusal = this.#admission.refusalOf(request);
    if (refusal !== undefined) return this.#refused(request, refusal);
    const ticketed = this.#tickets.redeem(request.password);
    if (ticketed !== undefined) return this.#admitDashboard(request, ticketed);
    const asked = authenticationOf(request, listener?.anonymous);
    const verdict = this.#authenticator.decide(worker, connection, asked);
    if (!(verdict instanceof Promise)) return this.#judge(request, verdict);
    return verdict.then((settled) => settled && this.#judge(request, settled));
  }

  /**
   * It leaves nothing behind: neither a session nor a will. An invalid ticket does not count as an attempt to guess
   * one.
   */
  #admitDashboard(
    request: ConnectRequest,
    access: Access | 'unknown',
  ): ConnectVerdict | Promise<ConnectVerdict> {
    if (access === 'unknown' || request.willTopic !== undefined || request.sessionExpirySeconds > 0)
      return this.#refused(request, ReasonCode.notAuthorized);
    this.#options.onDashboard();
    return this.#judge(request, { reasonCode: ReasonCode.success, access });
  }

  #judge(request: ConnectRequest, verdict: Verdict): ConnectVerdict | Promise<ConnectVerdict> {
    const { reasonCode, access = {} } = verdict;
    if (reasonCode !== ReasonCode.success) return this.#failed(request, verdict);
    const { username } = access;
    const { clientId } = request;
    const listener = this.#listenerOf(request);
    if (!hasClientId(access, clientId, listener))
      return this.#refused(request, ReasonCode.clientIdentifierNotValid);
    const { remoteAddress } = request;
    const refusal = this.#admission.refusalOfUser({ remoteAddress, clientId, username });
    if (refusal !== undefined) return this.#refused(request, refusal);
    const { willTopic } = request;
    const topicPrefix = this.#topicPrefixOf(access, listener);
    const described = this.#access.describe(access, clientId, topicPrefix);
    const willRefusal = this.#access.willRefusal(described, willTopic);
    if (willRefusal !== undefined) return this.#refused(request, willRefusal);
    const admitted = this.#admit(verdict, described, topicPrefix);
    if (willTopic === undefined || !this.#authorizer.asksToPublish) return admitted;
    return this.#askAboutWill(request, access, willTopic, admitted);
  }

  async #askAboutWill(
    request: ConnectRequest,
    access: Access,
    topic: string,
    admitted: ConnectVerdict,
  ): Promise<ConnectVerdict> {
    const { willQos: qos = 0, willRetain: retain = false, remoteAddress, clientId } = request;
    const client = authorizedClientOf(request, access);
    const reloads = this.#reloads;
    const { isAllowed } = await this.#authorizer.mayPublish(client, { topic, qos, retain, isWill: true });
    if (!isAllowed) return this.#refused(request, ReasonCode.notAuthorized);
    if (this.#reloads !== reloads) return this.#refused(request, ReasonCode.serverBusy); // its rights may have changed
    const refusal = this.#admission.refusalOfUser({ remoteAddress, clientId, username: access.username });
    return refusal === undefined ? admitted : this.#refused(request, refusal);
  }

  /** Why an authenticated client is refused that has waited for its session; undefined if it is not refused. */
  refusalOf(client: ClientInfo): number | undefined {
    const { clientId, username, remoteAddress, transport } = client;
    const refusal = this.#admission.refusalOfUser(client);
    if (refusal !== undefined) this.#refused({ clientId, username, remoteAddress, transport }, refusal);
    return refusal;
  }

  /** Delays the refusal after repeated failures: only then does it matter that no other client was refused for less. */
  #failed(
    request: ConnectRequest,
    { reasonCode, why, isUndecided = false }: Verdict,
  ): ConnectVerdict | Promise<ConnectVerdict> {
    const isFailedLogin = !isUndecided && failedLoginReasons.includes(reasonCode);
    const heldBackMs = isFailedLogin ? this.#admission.failed(request) : 0;
    const verdict = this.#refused(request, reasonCode, { why, heldBackMs });
    if (heldBackMs === 0) return verdict;
    return new Promise((resolve) => this.#options.clock.after(heldBackMs, () => resolve(verdict)));
  }

  #refused(
    client: RefusedClient,
    reasonCode: number,
    { why, heldBackMs = 0 }: { readonly why?: string | undefined; readonly heldBackMs?: number } = {},
  ): ConnectVerdict {
    const { clientId, username, remoteAddress, transport } = client;
    this.#options.audit.add('loginRefused', {
      clientId,
      ...(username === undefined ? {} : { username }),
      remoteAddress,
      transport,
      reason: reasonCodeName(reasonCode),
      ...(why === undefined ? {} : { why }),
      ...(heldBackMs === 0 ? {} : { heldBackMs }),
    });
    return { reasonCode };
  }

  /** The identity and rights of an accepted client. */
  #admit(verdict: Verdict, described: Uint8Array | undefined, topicPrefix: string): ConnectVerdict {
    const { reasonCode, data, access = {} } = verdict;
    const { username, tokenId, issuedAt, attributes, expiresAtMs, subscriptions = [], quotas } = access;
    const isPlain =
      described === undefined &&
      expiresAtMs === undefined &&
      subscriptions.length === 0 &&
      quotas === undefined &&
      topicPrefix === '';
    const isNobody =
      username === undefined && tokenId === undefined && issuedAt === undefined && attributes === undefined;
    if (isPlain && isNobody && data === undefined) return letInAsNobody;
    const identity = { username, tokenId, issuedAt, attributes, topicPrefix };
    if (isPlain) return { reasonCode, data, identity, admission: undefined };
    const admission: Admitted = { access: described, expiresAtMs, subscriptions, quotas, topicPrefix };
    return { reasonCode, data, identity, admission };
  }

  #listenerOf({ listener }: { readonly listener: number }): ListenerConfig | undefined {
    return listener === 0 ? undefined : this.#options.config.listeners[listener - 1];
  }

  /** Whether a listener has reached its maximum of clients. `listener`: its number, 0 for the broker's own ports. */
  isListenerFull(listener: number): boolean {
    const { connectionsMax } = this.#listenerOf({ listener })?.limits ?? {};
    return connectionsMax !== undefined && (this.#byListener.get(listener) ?? 0) >= connectionsMax;
  }

  /** The listener's prefix, then the client's own: from its grant, else from its user. */
  #topicPrefixOf(access: Access, listener: ListenerConfig | undefined): string {
    const { topicPrefix, username } = access;
    if (topicPrefix !== undefined && isDashboard(access)) return topicPrefix; // whatever its listener
    return (listener?.topicPrefix ?? '') + (topicPrefix ?? this.#access.prefixOf(username));
  }

  #count({ listener }: ClientInfo, step: 1 | -1): void {
    if (listener !== undefined) this.#byListener.set(listener, (this.#byListener.get(listener) ?? 0) + step);
  }

  connected(client: ClientInfo): void {
    this.#count(client, 1);
    this.#admission.connected(client);
  }

  disconnected(client: ClientInfo): void {
    this.#count(client, -1);
    this.#admission.disconnected(client);
  }

  // --- connected clients --------------------------------------------------------------------------------

  /**
   * A client authenticates again (MQTT 5, 4.12.1): its new identity, or why it is refused. Undefined if it has left.
   */
  async renew(
    worker: number,
    connection: number,
    renewal: RenewalRequest,
  ): Promise<ConnectVerdict | undefined> {
    const { tls, transport, method, data } = renewal;
    const client = {
      clientId: renewal.clientId,
      remoteAddress: renewal.remoteAddress,
      transport,
      ...(tls === undefined ? {} : { tls }),
    };
    const verdict = await this.#authenticator.decide(worker, connection, { client, method, data });
    if (verdict === undefined) return undefined;
    const { clientId, remoteAddress } = renewal;
    const { username, topicPrefix: oldPrefix = '' } = this.#options.connected(clientId)?.identity ?? {};
    const refused = (why: string | undefined, reasonCode: number = ReasonCode.notAuthorized) =>
      this.#refused({ clientId, username, remoteAddress, transport }, reasonCode, { why });
    if (verdict.reasonCode !== ReasonCode.success) return refused(verdict.why, verdict.reasonCode);
    const { access = {} } = verdict;
    const listener = this.#listenerOf(renewal);
    if (!hasClientId(access, clientId, listener)) return refused('this is for another client identifier');
    if (access.username !== username) return refused('this is for another user');
    // A ban by the broker itself, which anyone can cause, refuses new connections only.
    if (this.#bans.find({ clientId, remoteAddress, username })?.origin === 'hand')
      return refused('the client is banned');
    const topicPrefix = this.#topicPrefixOf(access, listener);
    if (topicPrefix !== oldPrefix) return refused('this is for another tenant');
    return this.#admit(verdict, this.#access.describe(access, clientId, topicPrefix), topicPrefix);
  }

  /** Asks a program whether a client may publish or subscribe. The worker always gets an answer. */
  async authorize(worker: number, message: AuthorizeMessage): Promise<void> {
    const { connection, clientId, request, topics } = message;
    const found = this.#options.connected(clientId);
    const isHere = found !== undefined && found.worker === worker && found.connection === connection;
    if (!isHere) return; // it has left, so no answer is needed
    const { identity } = found;
    const client = authorizedClientOf(found.client, identity);
    const reloads = this.#reloads;
    const answers = await Promise.all(
      topics.map(async ({ topic, qos, retain }) =>
        message.action === 'publish'
          ? await this.#authorizer.mayPublish(client, { topic, qos, retain, isWill: false })
          : {
              // The topics of a dashboard are not the program's concern.
              isAllowed:
                isDashboard(identity) ||
                (await this.#authorizer.maySubscribe(client, { topicFilter: topic, qos })),
              keptMs: 0,
            },
      ),
    );
    // The worker has forgotten earlier decisions: this one came too late for that, so it counts only once.
    const decided =
      this.#reloads === reloads ? answers : answers.map(({ isAllowed }) => ({ isAllowed, keptMs: 0 }));
    this.#options.send(worker, { type: 'authorized', connection, request, decided });
  }

  /** A client was denied a publish or a subscription. */
  rightRefused({ action, clientId, topic }: Extract<ToMain, { type: 'rightRefused' }>): void {
    const found = this.#options.connected(clientId);
    const { username, remoteAddress } = found?.client ?? {};
    const kind = action === 'publish' ? 'publishRefused' : 'subscribeRefused';
    this.#options.audit.add(kind, {
      clientId,
      ...(username === undefined ? {} : { username }),
      ...(remoteAddress === undefined ? {} : { remoteAddress }),
      topic,
    });
  }

  answered(worker: number, connection: number, data: Uint8Array | undefined): void {
    this.#authenticator.answered(worker, connection, data);
  }

  abandoned(worker: number, connection: number): void {
    this.#authenticator.abandoned(worker, connection);
  }

  workerLost(worker: number): void {
    this.#access.workerLost(worker);
    this.#authenticator.workerLost(worker);
  }

  /** Whether a caller without a user name, and without a connection, may receive the messages of a topic: no program is asked. */
  mayAnyoneReceive(topic: string): boolean {
    return !this.#authorizer.asksToSubscribe && this.#access.mayReceive({}, topic);
  }

  /** Undefined: no file of API keys is configured. */
  get apiKeys(): ApiKeys | undefined {
    return this.#access.apiKeys;
  }

  /** A user of the broker who calls the HTTP API: see SignIn. */
  signIn(credentials: HttpCredentials): Promise<ApiCaller | SignInRefusal> {
    return this.#signIn.decide(credentials);
  }

  /** A one-time password with which the caller's dashboard connects: see DashboardTickets. */
  issueTicket(caller: ApiCaller, clientId: string): string {
    return this.#tickets.issue(caller, clientId);
  }

  /** Why this will is not allowed; undefined if it is. */
  willRefusal(access: Uint8Array | undefined, topic: string): number | undefined {
    return this.#access.willRefusal(access, topic);
  }

  /** If a program decides about topics, the rules alone grant users nothing. */
  mayPublish(caller: ApiCaller, topic: string): boolean {
    if (caller.user !== undefined && this.#authorizer.asksToPublish) return false;
    return this.#access.mayPublish(accessOfCaller(caller), topic);
  }
  mayReceive(caller: ApiCaller, topic: string): boolean {
    if (caller.user !== undefined && this.#authorizer.asksToSubscribe) return false;
    return this.#access.mayReceive(accessOfCaller(caller), topic);
  }

  #newBanKeeper(): BanKeeper {
    const { config, clock, audit, onFailed } = this.#options;
    return new BanKeeper({
      path: config.banFile,
      limits: config.limits,
      clock,
      nowMs: () => Date.now(),
      onBanned: (bans) => this.#onBanned(bans),
      onLifted: (kind, value) => audit.add('banLifted', { kind, value }),
      onFileFault: (error) =>
        onFailed(error, 'the file of bans contains an error: the previous bans stay in force'),
    });
  }

  /** Bans by hand disconnect their clients; those by the broker itself only refuse new connections. */
  #onBanned(bans: readonly Ban[]): void {
    for (const { kind, value, origin, reason, expiresAt } of bans)
      this.#options.audit.add('banned', {
        kind,
        value,
        origin,
        ...(reason === '' ? {} : { reason }),
        ...(expiresAt === undefined ? {} : { until: expiresAt.toISOString() }),
      });
    const byHand = bans.filter(({ origin }) => origin === 'hand');
    if (byHand.length === 0) return;
    const added = new BanList({ nowMs: () => Date.now(), bansMax: byHand.length });
    added.restore(byHand);
    this.#options.endClients(
      (_identity, client) => added.find(client) !== undefined,
      ReasonCode.administrativeAction,
    );
  }

  /** Whether running or not. */
  get #workers(): number[] {
    return [...Array(this.#options.config.workers).keys()];
  }
}

/** A grant may name its client identifier: as seen by the client. */
function hasClientId(
  { clientId: wanted }: Access,
  clientId: string,
  listener: ListenerConfig | undefined,
): boolean {
  return wanted === undefined || clientId === (listener?.clientIdPrefix ?? '') + wanted;
}

function authenticationOf(
  request: ConnectRequest,
  allowsAnonymous: boolean | undefined,
): AuthenticationRequest {
  const { clientId, username, password, token, remoteAddress, transport, tls } = request;
  const client: { -readonly [Key in keyof ConnectingClient]: ConnectingClient[Key] } = {
    clientId,
    remoteAddress,
    transport,
  };
  if (tls !== undefined) client.tls = tls;
  if (username !== undefined) client.username = username;
  if (password !== undefined) client.password = password;
  if (token !== undefined) client.token = token;
  return { client, allowsAnonymous, method: request.authenticationMethod, data: request.authenticationData };
}

function authorizedClientOf(
  {
    clientId,
    remoteAddress,
    transport,
    tls,
  }: Pick<ClientInfo, 'clientId' | 'remoteAddress' | 'transport'> & {
    readonly tls?: ClientInfo['tls'] | undefined;
  },
  { username, attributes }: Identity,
): AuthorizedClient {
  return {
    clientId,
    remoteAddress,
    transport,
    ...(username === undefined ? {} : { username }),
    ...(tls === undefined ? {} : { tls }),
    ...(attributes === undefined ? {} : { attributes }),
  };
}
