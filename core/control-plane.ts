/**
 * The control plane (main thread): its parts, who of them hears what the workers say, and what becomes of it
 * all when a worker comes back or the broker stops.
 */
import { getHeapStatistics } from 'node:v8';
import { BrokerError } from './broker-error.ts';
import { readNews, writeNews } from './cluster/news.ts';
import type { BrokerConfig } from './config/options.ts';
import { takeOver, tlsFiles } from './config/reload.ts';
import { Asks } from './control/asks.ts';
import { AuditLog } from './control/audit-log.ts';
import { ClientRequests } from './control/client-requests.ts';
import { ClusterControl } from './control/cluster-control.ts';
import { Drain } from './control/drain.ts';
import { Inspections } from './control/inspections.ts';
import { createLogger, type Logger } from './control/logger.ts';
import type { RenewalRequest, ToMain } from './control/messages.ts';
import { noticeSentences } from './control/notices.ts';
import { type LoadState, OverloadWatch } from './control/overload-watch.ts';
import { Pace } from './control/pace.ts';
import type { RefusalReason, RefusedClient } from './control/refusals.ts';
import { type Reloaded, Reloads } from './control/reloads.ts';
import { type Address, Supervisor } from './control/supervisor.ts';
import { TotalsWatch } from './control/totals-watch.ts';
import {
  type Addon,
  type CloseCause,
  type CounterName,
  counterNames,
  loadAddon,
  type Notice,
  type StoreState,
  type TlsMaterial,
} from './data-plane/addon.ts';
import { readSessionRows } from './data-plane/session-row.ts';
import {
  connectedDetail,
  disconnectedDetail,
  disconnectReason,
  refusedDetail,
  subscriptionRefusedDetail,
} from './front-end/client-event-details.ts';
import { HostClient } from './host/host-client.ts';
import type { HostMessage } from './host/host-message.ts';
import { RetainedLookUps } from './host/retained-look-ups.ts';
import { HttpFrontEnd } from './http/http-front-end.ts';
import { closeRecovering, serveRecovering } from './http/recovering-server.ts';
import type { SiteSource } from './http/route.ts';
import { EventStreams } from './http/sse/event-streams.ts';
import type { ApiCaller } from './security/api-caller.ts';
import type { Bans } from './security/ban-keeper.ts';
import { Gatekeeper, type SecurityHooks } from './security/gatekeeper.ts';
import { ClientHistory } from './sessions/client-history.ts';
import { thisNodeAlone } from './sessions/directory.ts';
import { type ClientInfo, SessionDirectory } from './sessions/session-directory.ts';
import { systemClock } from './sessions/timers.ts';
import { ClientCounts } from './statistics/client-counts.ts';
import { ClusterTopics, nodeTopic } from './statistics/cluster-topics.ts';
import { metricFamilies } from './statistics/metric-families.ts';
import { type Family, type MetricsFormat, metricsText } from './statistics/metrics-text.ts';
import { memoryOfProcess, residentBytes } from './statistics/process-memory.ts';
import { SysPublisher } from './statistics/sys-publisher.ts';
import type { BrokerSample } from './statistics/sys-topics.ts';
import { mergedLevels } from './statistics/topic-levels.ts';
import { keepsData } from './storage/keeps-data.ts';
import { Store } from './storage/store.ts';
import { otlpSettingsOf } from './telemetry/otlp-settings.ts';
import { Telemetry } from './telemetry/telemetry.ts';
import { type ReloadOutcome, TlsKeeper } from './tls/tls-keeper.ts';
import { Tracing } from './tracing/tracing.ts';
import { ReasonCode } from './wire/reason-code.ts';
import { reasonCodeName } from './wire/reason-code-name.ts';

/**
 * What the data plane has counted since the start; each is explained in native/counters.h. And how many clients were
 * refused, for whatever reason, and how many of them for `sessionsMax`.
 */
export type Statistics = Readonly<
  Record<CounterName | 'clientsRefused' | 'sessionsRefused' | CertificateFigure, number>
>;

/**
 * How often certificates were renewed while the broker runs, and how often new ones were no good. The days that are left
 * until the first one expires, negative when it has; 0 without TLS.
 */
type CertificateFigure = 'certificateReloads' | 'certificateReloadsRefused' | 'certificateDaysLeft';

const withoutTls: Readonly<Record<CertificateFigure, number>> = {
  certificateReloads: 0,
  certificateReloadsRefused: 0,
  certificateDaysLeft: 0,
};

/** Whom the control plane tells what the host program should know. */
export interface ControlPlaneEvents {
  onConnected(client: ClientInfo): void;
  onDisconnected(client: ClientInfo, cause: CloseCause, reasonCode: number): void;
  onRefused(client: RefusedClient, refusal: RefusalReason): void;
  /** Whoever operates the broker wants it drained. */
  onDrainAsked(): void;
  /** The configuration as it is now; undefined: it is in the program, and does not change. */
  readonly readConfig: (() => BrokerConfig) | undefined;
  /** It cannot go on: the broker must stop. */
  onFatal(error: BrokerError): void;
}

/** Origins of refused pages that are logged; anybody can make up more. */
const refusedOriginsMax = 100;

/** Notices with their reasons that are logged; the reasons are OpenSSL's, some dozens in practice. */
const noticesMax = 200;

/** Between two lines of the log about too many sessions: clients that are refused try again and again. */
const sessionsFullNoticeMs = 60_000;

/** What `/healthz` says of the store. */
const storeTroubles: Readonly<Record<Exclude<StoreState, 'open'>, string>> = {
  scarce: 'the disk of the data directory is almost full',
  full: 'the disk of the data directory is full: what would have to be stored is refused',
  failed: 'the disk of the data directory has failed',
};

/** The worker that carries the host program's connection. */
const hostWorker = 0;

/** Proxies cut what is silent for 60 s. */
const heartbeatMsMax = 15_000;

/** Before a connection of the host program that has failed is opened again. */
const hostPauseMs = 1_000;

/** Where the workers listen. */
interface ListeningPlace {
  readonly numericHost: string;
  readonly listenerHosts: readonly string[];
  readonly httpSocket: string;
  /** With the ports that were chosen, once they are. */
  readonly address?: Address;
}

export class ControlPlane {
  readonly logger: Logger;
  /** The host program's MQTT client. */
  readonly host: HostClient;
  readonly #config: BrokerConfig;
  readonly #version: string;
  readonly #events: ControlPlaneEvents;
  readonly #audit: AuditLog;
  readonly #overload: OverloadWatch;
  readonly #gatekeeper: Gatekeeper;
  readonly #directory: SessionDirectory;
  #hostSession: number;
  readonly #asks: Asks;
  readonly #lookUps: RetainedLookUps;
  readonly #inspections: Inspections;
  readonly #requests: ClientRequests;
  readonly #reloads: Reloads;
  readonly #history: ClientHistory;
  readonly #counts = new ClientCounts();
  readonly #sys: SysPublisher;
  readonly #clusterTopics = new ClusterTopics();
  readonly #totals: TotalsWatch;
  readonly #http: HttpFrontEnd;
  readonly #streams: EventStreams;
  readonly #tracing: Tracing;
  readonly #telemetry: Telemetry | undefined;
  #clientsRefused = 0;
  readonly #refusedOrigins = new Set<string>();
  readonly #sessionsFullNotice = new Pace(sessionsFullNoticeMs);
  readonly #noticed = new Set<string>();
  readonly #tls: TlsKeeper | undefined;
  #store: Store | undefined;
  readonly #cluster: ClusterControl | undefined;
  #supervisor: Supervisor | undefined;
  #starts = 0;
  /** Where clients come in, once that is known. */
  #place: ListeningPlace | undefined;
  #hostTimer: NodeJS.Timeout | undefined;
  #drain: Drain | undefined;
  #startedAtMs = 0;
  #isRunning = false;
  /** What clients ask for while other workers start; undefined once the broker has started. */
  #early: (readonly [worker: number, message: ToMain])[] | undefined = [];

  constructor(config: BrokerConfig, version: string, hooks: SecurityHooks, events: ControlPlaneEvents) {
    this.#config = config;
    this.#version = version;
    this.#events = events;
    this.logger = createLogger(config.logLevel, config.logFormat);
    this.host = new HostClient(config.limits, {
      sendBytes: (bytes) => this.#supervisor?.send(hostWorker, { type: 'hostBytes', bytes }, bytes),
      sendProcessed: (bytes, messages) =>
        this.#supervisor?.send(hostWorker, { type: 'hostProcessed', bytes, messages }),
    });
    this.#asks = new Asks((worker, message) => this.#supervisor?.send(worker, message) ?? false);
    this.#lookUps = new RetainedLookUps(config.workers, (worker, topic, told) =>
      this.#asks.ask(worker, 'retained', { topic }, told),
    );
    this.#inspections = new Inspections(config.workers, this.#asks);
    this.#history = new ClientHistory({
      clock: systemClock,
      now: () => Date.now(),
      limits: config.limits,
    });
    this.#audit = new AuditLog({
      clock: systemClock,
      limits: config.limits,
      write: (level, fields, sentence) => this.logger[level](fields, sentence),
    });
    this.#overload = this.#newOverloadWatch();
    this.#gatekeeper = new Gatekeeper({
      config,
      hooks,
      clock: systemClock,
      audit: this.#audit,
      send: (worker, message) => this.#supervisor?.send(worker, message) ?? false,
      adoptRules: (worker, adopted) =>
        this.#asks.ask(worker, 'adoptRules', undefined, (answer) => answer && adopted()),
      connected: (clientId) => this.#directory.connected(clientId),
      endClients: (isOver, reasonCode) => {
        this.#directory.endClients(isOver, reasonCode);
        this.#streams.endAll(); // they come back, and are judged anew
      },
      isOverloaded: () => this.#overload.state !== 'normal',
      onFailed: (err, sentence, fields) => this.logger.error({ err, ...fields }, sentence),
    });
    this.#cluster = config.cluster === undefined ? undefined : this.#newClusterControl();
    this.#directory = new SessionDirectory({
      link: { send: (worker, message) => this.#supervisor?.send(worker, message) ?? false },
      directory: this.#cluster ?? thisNodeAlone,
      firstWorker: () => this.#cluster?.firstWorker ?? 0,
      clock: systemClock,
      limits: config.limits,
      isStoreFull: () => this.#store?.state === 'full',
      fullReasonCode: () => this.#fullReasonCode,
      closedReasonCode: config.serverMoved ? ReasonCode.serverMoved : undefined,
      authenticate: (worker, connection, request) =>
        this.#gatekeeper.authenticate(worker, connection, request),
      onSessionsFull: (refused) => this.#onSessionsFull(refused),
      onRefused: (clientId, reasonCode) => this.#noteRefused(clientId, reasonCode),
      onConnected: (client) => this.#onConnected(client),
      onDisconnected: (client, cause, reasonCode) => this.#onDisconnected(client, cause, reasonCode),
    });
    this.#requests = new ClientRequests({
      directory: this.#directory,
      inspections: this.#inspections,
      history: this.#history,
      audit: this.#audit,
      bans: this.bans,
    });
    this.#reloads = new Reloads({
      config,
      audit: this.#audit,
      accessCounts: () => this.#gatekeeper.accessCounts,
      reloadAccess: () => this.#reloadAccess(),
      onChanged: (names) => this.#onConfigChanged(names),
      warn: (fields, sentence) => this.logger.warn(fields, sentence),
    });
    this.#hostSession = this.#directory.nextKey();
    this.#streams = this.#newEventStreams();
    this.#telemetry = this.#newTelemetry();
    this.#tracing = new Tracing({
      limits: config.limits,
      clock: systemClock,
      audit: this.#audit,
      find: (clientId) => this.#directory.find(clientId),
      clientIdOf: (session) => this.#directory.clientIdOf(session),
      mayReceive: (caller, topic) => this.#gatekeeper.mayReceive(caller, topic),
      broadcast: (message) => this.#supervisor?.broadcast(message),
      assertRunning: () => this.assertRunning(),
      onSpan: (span) => this.#telemetry?.span(span),
    });
    this.#http = new HttpFrontEnd(config, version, this.#siteSource());
    this.#sys = new SysPublisher({
      config,
      clock: systemClock,
      sample: () => this.#sample(),
      more: () => (this.#cluster === undefined ? [] : this.#clusterTopics.messages(this.#cluster.figures)),
      publish: (topic, payload) => this.#publishSys(topic, payload),
    });
    this.#tls = config.tlsCertificates.length > 0 ? this.#newTlsKeeper() : undefined;
    this.#totals = new TotalsWatch({
      clock: systemClock,
      counters: () => this.statistics(),
      warn: (figures, sentence) => this.logger.warn(figures, sentence),
    });
  }

  /** Starts the workers on `numericHost`; resolves when clients can connect. Errors: as Broker.start(). */
  async start(numericHost: string, listenerHosts: readonly string[]): Promise<Address> {
    await this.#tls?.load();
    const httpSocket = await this.#http.listen();
    this.#place = { numericHost, listenerHosts, httpSocket };
    try {
      const address = await this.#startDataPlane(this.#place);
      this.#http.ports = address;
      this.#place = { ...this.#place, address };
      return address;
    } catch (error) {
      this.#http.close();
      await this.#cluster?.leave();
      throw error;
    }
  }

  async #startDataPlane({ numericHost, listenerHosts, httpSocket }: ListeningPlace): Promise<Address> {
    const tls = this.#tls ?? { material: undefined, ticketKeys: new Uint8Array() };
    const addon = loadAddon();
    const broker = await this.#openBroker(addon, numericHost);
    const supervisor = new Supervisor(
      addon,
      broker,
      this.#config,
      this.#version,
      this.logger,
      tls,
      {
        onMessage: (worker, message) => this.#onMessage(worker, message),
        onWorkerLost: (worker) => this.#onWorkerLost(worker),
        onWorkerRestarted: (worker) => this.#onWorkerRestarted(worker),
        onFatal: (error) => this.#events.onFatal(error),
      },
      undefined,
      (worker) => this.#cluster?.workerStart(worker),
      this.#starts,
    );
    this.#supervisor = supervisor;
    this.#gatekeeper.open(supervisor);
    return await supervisor.start(numericHost, httpSocket, listenerHosts);
  }

  #onWorkerLost(worker: number): void {
    this.#gatekeeper.workerLost(worker);
    this.#overload.workerLost(worker);
    this.#directory.workerLost(worker);
    this.#asks.workerLost(worker);
    if (worker !== hostWorker) return;
    clearTimeout(this.#hostTimer); // it is opened when the worker runs again
    this.host.lost();
  }

  #newClusterControl(): ClusterControl {
    return new ClusterControl({
      config: this.#config,
      logger: this.logger,
      sessions: () => this.#directory,
      broadcast: (message) => this.#supervisor?.broadcast(message),
      onEvicted: () => void this.#joinAgain(),
      onNews: (news) => this.#onNews(news),
    });
  }

  /**
   * The workers of this incarnation are gone for the others, and its sessions with them: clients are told to go, and find
   * a node that has joined anew when they come back.
   */
  async #joinAgain(): Promise<void> {
    const { logger } = this;
    try {
      await this.#stopDataPlane(ReasonCode.serverShuttingDown);
      if (this.#place?.address === undefined || !this.#isRunning) return;
      takeOver(this.#config, withPortsOf(this.#config, this.#place.address));
      await this.#startDataPlane(this.#place);
      if (!this.#isRunning) {
        await this.#stopDataPlane(ReasonCode.serverShuttingDown);
        return;
      }
      for (let worker = 0; worker < this.#config.workers; worker++) this.#onWorkerRestarted(worker);
    } catch (cause) {
      if (!this.#isRunning) return;
      logger.error({ err: cause }, 'the node could not join its cluster again');
      const message = 'The node could not join its cluster again; see the log above.';
      this.#events.onFatal(
        cause instanceof BrokerError ? cause : new BrokerError('CLUSTER_NOT_REACHABLE', message, { cause }),
      );
    }
  }

  async #stopDataPlane(reasonCode: number): Promise<void> {
    const supervisor = this.#supervisor;
    await supervisor?.stop(reasonCode);
    this.#starts = supervisor?.starts ?? 0;
    this.#supervisor = undefined;
    for (let worker = 0; worker < this.#config.workers; worker++) this.#onWorkerLost(worker);
  }

  /** Makes the broker in the addon, of what is in its store if it has one. Errors: as Store.open(). */
  async #openBroker(addon: Addon, host: string): Promise<number> {
    const { limits, port, workers } = this.#config;
    const rules = this.#gatekeeper.firstRules(); // wrong files are no reason to read a store
    const dataPlaneRules = { ...this.#config, ...limits };
    if (this.#cluster !== undefined) {
      const place = await this.#cluster.join();
      this.#directory.restore(place.incarnation, []);
      this.#hostSession = this.#directory.nextKey(); // others have one too
      return addon.createBroker(workers, dataPlaneRules, place);
    }
    if (!keepsData(this.#config)) return addon.createBroker(workers, dataPlaneRules);
    const store = new Store(addon, this.#config, this.logger, (error) => this.#events.onFatal(error));
    store.open();
    this.#store = store;
    const server = port === false ? undefined : await serveRecovering(host, port, () => store.progress);
    try {
      const { broker, recovered } = await store.recover(rules);
      this.#directory.restore(recovered.run, recovered.sessions);
      return broker;
    } finally {
      if (server !== undefined) await closeRecovering(server);
    }
  }

  /** Why clients are refused for want of room. */
  get #fullReasonCode(): number {
    return this.#config.serverReference ? ReasonCode.useAnotherServer : ReasonCode.quotaExceeded;
  }

  get #trouble(): string | undefined {
    const state = this.#store?.state ?? 'open';
    if (state !== 'open') return storeTroubles[state];
    return this.#overload.state === 'normal' ? undefined : 'there is too much to do: new clients are refused';
  }

  /** Which package serves HTTP. */
  get http(): HttpFrontEnd['description'] {
    return this.#http.description;
  }

  /** Opens the host program's connection, behind start(). */
  run(): void {
    this.#isRunning = true;
    this.#startedAtMs = performance.now();
    this.#openHost();
    this.#sys.start();
    this.#totals.start();
    this.#overload.start();
    this.#tls?.start();
    this.#telemetry?.start();
    this.#tellSampler();
    // Behind whatever the program does as soon as start() has resolved, such as to listen to events.
    setImmediate(() => this.#letEarlyIn());
  }

  #letEarlyIn(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    if (!this.#isRunning) return;
    for (const [worker, message] of early) this.#onMessage(worker, message);
  }

  /** Reads the certificates again. Errors: NOT_RUNNING, and TLS_NOT_CONFIGURED where there are none. */
  async reloadCertificates(): Promise<ReloadOutcome> {
    this.assertRunning();
    if (this.#tls !== undefined) return await this.#tls.reload();
    throw new BrokerError('TLS_NOT_CONFIGURED', 'The broker has no certificates: give tlsCert and tlsKey.');
  }

  #newTlsKeeper(): TlsKeeper {
    return new TlsKeeper({
      config: this.#config,
      clock: systemClock,
      now: () => Date.now(),
      log: (level, fields, sentence) => this.logger[level](fields, sentence),
      onMaterial: (tls) => this.#renewCertificates(tls),
      onTicketKeys: (keys) => this.#supervisor?.broadcast({ type: 'ticketKeys', keys }),
    });
  }

  /** Nobody is let in any more, and clients are told to go in slices. Resolves when they have gone. Errors: NOT_RUNNING. */
  async drain(): Promise<void> {
    this.assertRunning();
    const { drainClientsPerSecond: clientsPerSecond, stopMs: graceMs } = this.#config.limits;
    this.logger.info(
      { clientsPerSecond, clients: this.#directory.counts.connected },
      'clients are being disconnected',
    );
    const { useAnotherServer, serverUnavailable, serverShuttingDown } = ReasonCode;
    const isElsewhere = this.#config.serverReference !== undefined;
    this.#directory.close(isElsewhere ? useAnotherServer : serverUnavailable);
    this.#streams.endAll();
    await new Promise<void>((done) => {
      this.#drain = new Drain({
        clock: systemClock,
        clientsPerSecond,
        graceMs,
        tellNext: (count) =>
          this.#directory.tellNext(count, isElsewhere ? useAnotherServer : serverShuttingDown),
        connected: () => this.#directory.counts.connected,
        done,
      });
    });
  }

  /** Says goodbye to the clients and stops the workers. Resolves within stopMs. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#streams.close();
    this.#tracing.close();
    this.#telemetry?.stop();
    this.#sys.stop();
    this.#totals.stop();
    this.#overload.stop();
    this.#tls?.stop();
    this.#drain?.stop();
    this.#directory.stop();
    clearTimeout(this.#hostTimer);
    this.host.close();
    const stopped = new BrokerError('NOT_RUNNING', 'The broker has stopped before it answered.');
    this.#lookUps.close(stopped);
    this.#inspections.close(stopped);
    const isElsewhere = this.#config.serverReference !== undefined;
    await this.#cluster?.leave();
    await this.#supervisor?.stop(isElsewhere ? ReasonCode.useAnotherServer : ReasonCode.serverShuttingDown);
    await this.#gatekeeper.close();
    this.#http.close();
  }

  /** Errors: NOT_RUNNING. */
  statistics(): Statistics {
    const values = this.#running.counters;
    const { sessionsRefused, storageRefused: connectsRefused } = this.#directory.counts;
    const counted = Object.fromEntries(counterNames.map((name, index) => [name, values[index] ?? 0]));
    const storageRefused = (counted['storageRefused'] ?? 0) + connectsRefused;
    return {
      ...counted,
      clientsRefused: this.#clientsRefused,
      storageRefused,
      sessionsRefused,
      ...(this.#tls?.counts ?? withoutTls),
    } as Statistics;
  }

  /** The message that is retained on a topic, a valid topic name. Errors: NOT_RUNNING. */
  async retained(topic: string): Promise<HostMessage | undefined> {
    this.assertRunning();
    return await this.#lookUps.lookUp(topic);
  }

  /**
   * Reads the configuration, and the files of users and rules, again. `by`: who wants it; `read` gives the configuration as it is
   * now. Errors: NOT_RUNNING, those of `read`, CONFIG_INVALID, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID.
   */
  async reload(by: string, read: (() => BrokerConfig) | undefined): Promise<Reloaded> {
    this.assertRunning();
    return await this.#reloads.reload(by, read);
  }

  async #reloadAccess(): Promise<void> {
    await this.#gatekeeper.reload();
    this.#streams.endAll(); // whoever may still have messages comes back, and misses none
  }

  async #onConfigChanged(names: ReadonlySet<string>): Promise<void> {
    if (names.size === 0) return;
    this.logger.level = this.#config.logLevel;
    this.#supervisor?.broadcast({ type: 'reconfigure', config: this.#config });
    if (names.has('limits.connectionsPerAddressMax') || names.has('limits.connectionsPerUserMax'))
      this.#gatekeeper.recount(this.#directory.connectedClients());
    if (names.has('sysIntervalSeconds')) this.#sys.restart();
    if (tlsFiles.some((name) => names.has(name))) await this.#tls?.reload();
  }

  /** Who may not connect. */
  get bans(): Bans {
    return this.#gatekeeper.bans;
  }

  /** Errors: NOT_RUNNING. */
  assertRunning(): void {
    void this.#running;
  }

  get #running(): Supervisor {
    if (this.#supervisor !== undefined && this.#isRunning) return this.#supervisor;
    throw new BrokerError(
      'NOT_RUNNING',
      'The broker is not running; start() it first, and not after stop().',
    );
  }

  #onMessage(worker: number, message: ToMain): void {
    if (this.#early !== undefined && (message.type === 'connect' || message.type === 'abandoned')) {
      this.#early.push([worker, message]);
      return;
    }
    switch (message.type) {
      case 'connect':
        this.#directory.connect(worker, message.connection, message.connect);
        break;
      case 'answered':
        this.#gatekeeper.answered(worker, message.connection, message.data);
        break;
      case 'renew':
        void this.#renew(worker, message.connection, message.renewal);
        break;
      case 'refused':
        this.#onRefused(message.client, message.refusal, message.isDecidedByWorker);
        break;
      case 'originRefused':
        this.#onOriginRefused(message.origin);
        break;
      case 'abandoned':
        this.#gatekeeper.abandoned(worker, message.connection);
        this.#directory.abandoned(worker, message.connection, message.clientId);
        break;
      case 'sessions':
        this.#directory.workerStarted(worker, readSessionRows(message.rows));
        break;
      case 'closed':
        this.#directory.closed(message.session, message.cause, message.reasonCode, message.row);
        break;
      case 'settled':
        this.#directory.settled(message.session, message.row);
        break;
      case 'arrived':
        this.#directory.arrived(worker, message.session, message.row);
        break;
      case 'viewApplied':
        this.#cluster?.viewApplied(worker, message.epoch, message.lastMove);
        break;
      case 'linkBroken':
        this.#cluster?.linkBroken(message.worker);
        break;
      case 'authorize':
        void this.#gatekeeper.authorize(worker, message);
        break;
      case 'rightRefused':
        this.#gatekeeper.rightRefused(message);
        break;
      case 'hostBytes':
        this.host.receive(message.bytes);
        break;
      case 'noticed':
        this.#onNoticed(message.notice, message.remoteAddress, message.reason);
        break;
      case 'hostTaken':
        this.host.taken(message.bytes);
        break;
      case 'hostEnded':
        this.#onHostEnded(message.reasonCode);
        break;
      case 'reply':
        this.#asks.answered(worker, message);
        break;
      case 'traced':
        this.#tracing.record(message.record);
        break;
      case 'subscriptionTraced':
        this.#tracing.answered(message);
        break;
      case 'subscriptionRefused':
        this.#onSubscriptionRefused(message.clientId, message.topicFilters, message.reasonCode);
        break;
    }
  }

  /** One that ends gets them when it starts again. */
  #renewCertificates(tls: TlsMaterial): void {
    for (const worker of this.#supervisor?.running ?? []) {
      this.#asks.ask(worker, 'renewCertificates', tls, (answer) => {
        const reason = answer?.reply.refusal;
        if (reason !== undefined)
          this.logger.error({ worker, reason }, 'a worker keeps its old certificates');
      });
    }
  }

  /** A connected client authenticates again: it stays, or is ended (MQTT 5, 4.12.1). */
  async #renew(worker: number, connection: number, renewal: RenewalRequest): Promise<void> {
    const verdict = await this.#gatekeeper.renew(worker, connection, renewal);
    if (verdict === undefined) return;
    const { clientId } = renewal;
    const { reasonCode, data, identity = {}, admission } = verdict;
    const isRenewed =
      reasonCode === ReasonCode.success && this.#directory.renewed(worker, connection, clientId, identity);
    const refusal = reasonCode === ReasonCode.success ? ReasonCode.notAuthorized : reasonCode;
    this.#supervisor?.send(
      worker,
      isRenewed
        ? { type: 'renewed', connection, data, admission }
        : { type: 'refuse', connection, reasonCode: refusal },
    );
  }

  #newEventStreams(): EventStreams {
    const { limits } = this.#config;
    return new EventStreams({
      source: this.host,
      clock: systemClock,
      limits,
      filtersMax: Math.floor(limits.subscriptionsPerSessionMax / 2), // the host program has the others
      historyBytesMax: limits.eventHistoryBytesMax,
      heartbeatMs: Math.min(heartbeatMsMax, limits.httpIdleTimeoutMs / 3),
    });
  }

  #newTelemetry(): Telemetry | undefined {
    const settings = otlpSettingsOf(process.env, (sentence) => this.logger.warn(sentence));
    if (settings === undefined) return undefined;
    return new Telemetry({
      settings,
      version: this.#version,
      clock: systemClock,
      now: () => Date.now(),
      post: fetch,
      families: () => this.#families(),
      clientIdOf: (session) => this.#directory.clientIdOf(session),
      log: (level, fields, sentence) => this.logger[level](fields, sentence),
    });
  }

  #tellSampler(): void {
    const sampler = this.#telemetry?.sampler;
    if (sampler !== undefined) this.#supervisor?.broadcast({ type: 'makeSpans', ...sampler });
  }

  #newOverloadWatch(): OverloadWatch {
    return new OverloadWatch({
      clock: systemClock,
      limits: this.#config.limits,
      workers: this.#config.workers,
      ask: (worker) =>
        this.#asks.ask(worker, 'lag', undefined, (answer) => answer && this.#overload.answered(worker)),
      memory: memoryOfProcess,
      onState: (state, reason) => this.#onLoad(state, reason),
    });
  }

  #onLoad(state: LoadState, reason: string): void {
    this.#audit.add('overload', { state, reason });
    this.#supervisor?.broadcast({ type: 'halvePaces', isHalved: state === 'slowing' });
  }

  /** What HTTP asks for. */
  #siteSource(): SiteSource {
    return {
      trouble: () => this.#trouble,
      unreadiness: () => this.#unreadiness,
      statistics: () => this.#figures(),
      metrics: (format) => this.#metrics(format),
      retained: (topic) => this.retained(topic),
      mayAnyoneReceive: (topic) => this.#gatekeeper.mayAnyoneReceive(topic),
      apiKeys: () => this.#gatekeeper.apiKeys,
      signIn: (credentials) => this.#gatekeeper.signIn(credentials),
      mayPublish: (caller, topic) => this.#gatekeeper.mayPublish(caller, topic),
      mayReceive: (caller, topic) => this.#gatekeeper.mayReceive(caller, topic),
      publish: (topic, payload, options) => {
        this.assertRunning();
        return this.host.publish(topic, payload, options);
      },
      clients: (query) => this.#directory.list(query),
      client: (clientId) => this.#directory.find(clientId),
      figures: ({ worker, session }) =>
        this.#inspections.ask<'session'>(worker, { about: 'session', session }),
      subscriptions: ({ worker, session }, from, max) =>
        this.#inspections.ask<'subscriptions'>(worker, { about: 'subscriptions', session, from, max }),
      events: (clientId) => this.#history.of(clientId),
      disconnect: (clientId, keepsSession, by) => this.#requests.disconnect(clientId, keepsSession, by),
      subscribe: (client, asked, by) => this.#requests.subscribe(client, asked, by),
      unsubscribe: (client, topicFilter, by) => this.#requests.unsubscribe(client, topicFilter, by),
      cluster: () => this.#cluster?.figures,
      bans: () => this.bans.list(),
      isBanned: (remoteAddress) => this.#gatekeeper.isBanned(remoteAddress),
      ban: (request, by) => {
        const ban = this.#requests.ban(request, by);
        this.#cluster?.tell(writeNews({ kind: 'ban', ban: request }));
        return ban;
      },
      liftBan: (kind, value, by) => {
        const isLifted = this.#requests.liftBan(kind, value, by);
        if (isLifted) this.#cluster?.tell(writeNews({ kind: 'liftBan', of: kind, value }));
        return isLifted;
      },
      slow: (max) => this.#requests.slow(max),
      matches: (topic, max) => this.#requests.matches(topic, max),
      retainedTopics: (filter, max) => this.#requests.retainedTopics(filter, max),
      topicLevels: async (above, after, max) => {
        const asked = { about: 'topicLevels', above, after, max } as const;
        return mergedLevels(await this.#inspections.askAll<'topicLevels'>(asked)).slice(0, max);
      },
      ...this.#tracing.site,
      reload: (by) => this.#reloadAll(by),
      needsRestart: () => this.#reloads.needsRestart,
      openStream: (request) => {
        this.assertRunning();
        return this.#drain === undefined ? this.#streams.open(request) : undefined;
      },
      drain: ({ name: by }) => {
        this.#audit.add('drainAsked', { by, before: 'running', after: 'draining' });
        this.#events.onDrainAsked();
        return this.#directory.counts.connected;
      },
    };
  }

  get #unreadiness(): string | undefined {
    if (!this.#isRunning) return 'the broker starts or stops';
    const unreadiness = this.#cluster?.unreadiness;
    if (unreadiness !== undefined) return unreadiness;
    return this.#drain === undefined ? undefined : 'the broker is being drained';
  }

  /** What an operator has asked for on another node. */
  #onNews(news: Readonly<Record<string, unknown>>): void {
    const told = readNews(news);
    if (told?.kind === 'ban') this.bans.add(told.ban);
    else if (told?.kind === 'liftBan') this.bans.remove(told.of, told.value);
  }

  async #reloadAll({ name: by }: ApiCaller): ReturnType<SiteSource['reload']> {
    const reloaded = await this.reload(by, this.#events.readConfig);
    return {
      ...reloaded,
      certificates: this.#tls === undefined ? 'none' : await this.#tls.reload(),
    };
  }

  #metrics(format: MetricsFormat): string {
    return metricsText(this.#families(), format);
  }

  #families(): Family[] {
    const running = this.#running;
    const { user, system } = process.cpuUsage();
    return metricFamilies({
      version: this.#version,
      counters: this.statistics(),
      clients: this.#directory.counts,
      counts: this.#counts,
      streams: this.#streams.counts,
      loopLag: running.times('loopLag'),
      deliveryTime: running.times('deliveryTime'),
      logCommit: running.times('logCommit'),
      memoryBytes: residentBytes(),
      heapBytes: getHeapStatistics().used_heap_size,
      cpuSeconds: (user + system) / 1e6,
      mainThreadSeconds: performance.eventLoopUtilization().active / 1_000,
      startedAtSeconds: Math.round((Date.now() - performance.now() + this.#startedAtMs) / 1_000),
      isDegraded: this.#trouble !== undefined,
      certificateExpirySeconds: this.#tls?.firstExpirySeconds,
      cluster: this.#cluster?.figures,
    });
  }

  /** What `/api/statistics` and `/api/v1/stats` say. */
  #figures(): Record<string, number> {
    const { user, system } = process.cpuUsage();
    const uptimeMs = Math.round(performance.now() - this.#startedAtMs);
    const { connected, maximum } = this.#directory.counts;
    const clients = { clientsConnected: connected, clientsConnectedMost: maximum };
    const memoryBytes = residentBytes();
    return { ...this.statistics(), ...clients, memoryBytes, uptimeMs, cpuUs: user + system };
  }

  #onWorkerRestarted(worker: number): void {
    this.#tracing.workerRestarted();
    this.#tellSampler();
    this.#lookUps.workerStarted();
    if (worker !== hostWorker) return;
    this.#openHost();
    this.#sys.forget();
  }

  #openHost(): void {
    this.#supervisor?.send(hostWorker, { type: 'openHost', session: this.#hostSession });
    this.host.resume();
  }

  /** What it had not answered may be what it broke on. Clients do not notice. */
  #onHostEnded(reasonCode: number): void {
    if (!this.#isRunning) return;
    const reason = reasonCodeName(reasonCode);
    this.logger.error({ reason }, "the host program's connection has ended, and is opened again");
    this.host.lost(new BrokerError('HOST_PUBLISH_REFUSED', `The broker could not take it: ${reason}.`));
    this.#hostTimer = setTimeout(() => this.#openHost(), hostPauseMs);
  }

  /**
   * Clients that are refused because the broker stops are not counted. The gatekeeper has told the audit of those that it
   * refuses.
   */
  #onRefused(client: RefusedClient, refusal: RefusalReason, isDecidedByWorker: boolean): void {
    if (!this.#isRunning) return;
    this.#clientsRefused++;
    const { clientId, remoteAddress, transport } = client;
    if (isDecidedByWorker) this.#noteRefused(clientId, refusal.reasonCode); // the directory tells of all others
    const reason = reasonCodeName(refusal.reasonCode);
    this.#tracing.client(client, 'refused', { reason, detail: refusal.why });
    if (isDecidedByWorker || refusal.reasonCode === this.#fullReasonCode)
      this.#audit.add('connectionRefused', { clientId, remoteAddress, transport, reason, why: refusal.why });
    this.#events.onRefused(client, refusal);
  }

  /** Says so once for each origin: pages try again and again. */
  #onOriginRefused(origin: string): void {
    if (this.#refusedOrigins.has(origin) || this.#refusedOrigins.size >= refusedOriginsMax) return;
    this.#refusedOrigins.add(origin);
    const advice =
      origin === 'null'
        ? 'a page that was opened as a file may not connect: serve it over HTTP, or allow null'
        : 'a page may not connect: allow its origin';
    this.logger.warn({ origin }, `${advice} (allowedOrigins, --allowed-origins)`);
  }

  #onSessionsFull(refused: number): void {
    if (!this.#sessionsFullNotice.isDue(performance.now())) return;
    const { sessionsMax } = this.#config.limits;
    const advice =
      'clients without a session are refused: raise sessionsMax, or lower sessionExpiryIntervalMax';
    this.logger.warn({ sessionsMax, refused }, advice);
  }

  /** Says each thing once: whoever does it does it again. Where it has a reason, each reason. */
  #onNoticed(notice: Notice, remoteAddress: string, reason: string): void {
    const said = `${notice} ${reason}`;
    if (this.#noticed.has(said) || this.#noticed.size >= noticesMax) return;
    this.#noticed.add(said);
    const fields = {
      ...(remoteAddress === '' ? {} : { remoteAddress }),
      ...(reason === '' ? {} : { reason }),
    };
    this.logger.warn(fields, noticeSentences[notice]);
  }

  #publishSys(topic: string, payload: string): void {
    const { nodeName } = this.#config;
    const shown = nodeName === undefined ? topic : nodeTopic(topic, nodeName);
    this.host.publish(shown, payload, { qos: 0, retain: true }).catch((err: unknown) => {
      this.logger.debug({ err, topic }, 'a $SYS topic is beyond the limits of the broker');
    });
  }

  #sample(): BrokerSample {
    return {
      version: this.#version,
      uptimeSeconds: (performance.now() - this.#startedAtMs) / 1_000,
      counters: this.statistics(),
      clients: this.#directory.counts,
      memoryBytes: residentBytes(),
      memoryBytesPeak: process.resourceUsage().maxRSS * 1_024,
    };
  }

  #noteRefused(clientId: string, reasonCode: number): void {
    this.#counts.onRefused(reasonCode);
    if (clientId === '') return;
    const isHere = this.#directory.find(clientId)?.isConnected ?? false;
    this.#history.add(clientId, 'refused', isHere, refusedDetail(reasonCode), reasonCodeName(reasonCode));
  }

  #onSubscriptionRefused(clientId: string, topicFilters: readonly string[], reasonCode: number): void {
    const isHere = this.#directory.find(clientId)?.isConnected ?? false;
    const detail = subscriptionRefusedDetail(topicFilters, reasonCode);
    this.#history.add(clientId, 'subscriptionRefused', isHere, detail, reasonCodeName(reasonCode));
  }

  #onConnected(client: ClientInfo): void {
    this.#counts.onConnected(client);
    this.#history.add(client.clientId, 'connected', true, connectedDetail(client));
    this.#tracing.client(client, 'connected', { detail: connectedDetail(client) });
    this.logger.debug(client, 'connected');
    this.#gatekeeper.connected(client);
    this.#events.onConnected(client);
  }

  #onDisconnected(client: ClientInfo, cause: CloseCause, reasonCode: number): void {
    const reason = disconnectReason(cause, reasonCode);
    this.#counts.onDisconnected(client, reason);
    const detail = disconnectedDetail(cause, reasonCode);
    this.#history.add(client.clientId, 'disconnected', false, detail, reason);
    this.#tracing.client(client, 'disconnected', { reason, detail });
    this.logger.debug({ ...client, cause, reasonCode }, 'disconnected');
    this.#gatekeeper.disconnected(client);
    this.#events.onDisconnected(client, cause, reasonCode);
  }
}

/** The same places again. */
function withPortsOf(config: BrokerConfig, address: Address): BrokerConfig {
  const { port, tcpPort, tlsPort, mqttsPort } = address;
  const listeners = config.listeners.map((listener, index) => ({
    ...listener,
    port: address.listeners[index]?.port ?? listener.port,
  }));
  return { ...config, port: port === 0 ? false : port, tcpPort, tlsPort, mqttsPort, listeners };
}
