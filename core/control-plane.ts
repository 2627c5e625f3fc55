/**
 * The control plane (main thread): creates its parts, passes each message of a worker to the part that
 * handles it, and starts and stops them all. The parts are in core/control/ and in the folders of their
 * subjects.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerError } from './broker-error.ts';
import { newsOfBans, newsOfLifted, readNews, writeNews } from './cluster/news.ts';
import type { OtherNodes, ToldWill } from './cluster/node-messages.ts';
import type { StandInBroker } from './cluster/stand-in.ts';
import { hostedWill, toldWill } from './cluster/told-will.ts';
import type { BrokerConfig, LogLevel } from './config/options.ts';
import { takeOver, tlsFiles } from './config/reload.ts';
import { Asks } from './control/asks.ts';
import { AuditLog } from './control/audit-log.ts';
import { ClientEvents, type ClientListener } from './control/client-events.ts';
import { ClientRequests } from './control/client-requests.ts';
import { ClusterControl } from './control/cluster-control.ts';
import { DataPlane } from './control/data-plane.ts';
import { Drain } from './control/drain.ts';
import { readDropRecords } from './control/drop-records.ts';
import { Figures, type Statistics } from './control/figures.ts';
import { HostConnection, hostWorker } from './control/host-connection.ts';
import { Inspections } from './control/inspections.ts';
import { createLogger, type Logger } from './control/logger.ts';
import type { RenewalRequest, ToMain } from './control/messages.ts';
import { Notices } from './control/notices.ts';
import { type LoadState, OverloadWatch } from './control/overload-watch.ts';
import { type Reloaded, Reloads } from './control/reloads.ts';
import { siteSourceOf } from './control/site-source.ts';
import type { Address, Supervisor } from './control/supervisor.ts';
import { TotalsWatch } from './control/totals-watch.ts';
import type { StoreState, TlsMaterial } from './data-plane/addon.ts';
import { readSessionRows } from './data-plane/session-row.ts';
import type { HostClient } from './host/host-client.ts';
import type { HostMessage } from './host/host-message.ts';
import { RetainedLookUps } from './host/retained-look-ups.ts';
import { HttpFrontEnd } from './http/http-front-end.ts';
import type { SiteSource } from './http/route.ts';
import { EventStreams } from './http/sse/event-streams.ts';
import type { ApiCaller } from './security/api-caller.ts';
import type { Bans } from './security/ban-keeper.ts';
import { dashboardPrefix, overviewName } from './security/dashboard-tickets.ts';
import { Gatekeeper, type SecurityHooks } from './security/gatekeeper.ts';
import { ClientHistory } from './sessions/client-history.ts';
import { thisNodeAlone } from './sessions/directory.ts';
import { SessionDirectory } from './sessions/session-directory.ts';
import { systemClock } from './sessions/timers.ts';
import { ClientCounts } from './statistics/client-counts.ts';
import { ClusterTopics, nodeTopic } from './statistics/cluster-topics.ts';
import { OverviewPublisher } from './statistics/overview-publisher.ts';
import { memoryOfProcess } from './statistics/process-memory.ts';
import { SysPublisher } from './statistics/sys-publisher.ts';
import { otlpSettingsOf } from './telemetry/otlp-settings.ts';
import { Telemetry } from './telemetry/telemetry.ts';
import { type ReloadOutcome, TlsKeeper } from './tls/tls-keeper.ts';
import { Tracing } from './tracing/tracing.ts';
import { ReasonCode } from './wire/reason-code.ts';

/** Callbacks for events that concern the host program. */
export interface ControlPlaneEvents extends ClientListener {
  /** An operator wants the broker drained. */
  onDrainAsked(): void;
  /** The current configuration; undefined: it is given by the program, and does not change. */
  readonly readConfig: (() => BrokerConfig) | undefined;
  /** A fatal error: the broker must stop. */
  onFatal(error: BrokerError): void;
  /** A broker that continues the log of a lost node of the cluster. */
  makeStandIn(config: BrokerConfig): StandInBroker;
}

/** What `/healthz` reports about the store. */
const storeTroubles: Readonly<Record<Exclude<StoreState, 'open'>, string>> = {
  scarce: 'the disk of the data directory is almost full',
  full: 'the disk of the data directory is full: messages that would have to be stored are refused',
  failed: 'the disk of the data directory has failed',
};

/** Proxies cut connections that are silent for 60 s. */
const heartbeatMsMax = 15_000;

/** The delay between two attempts to give away the rest. */
const giveAgainMs = 250;

/** How many clients are disconnected in one turn when a node of a cluster stops. */
const clientsToldAtOnce = 1_000;

export class ControlPlane {
  readonly logger: Logger;
  readonly #config: BrokerConfig;
  readonly #version: string;
  readonly #events: ControlPlaneEvents;
  readonly #audit: AuditLog;
  readonly #overload: OverloadWatch;
  readonly #gatekeeper: Gatekeeper;
  readonly #directory: SessionDirectory;
  readonly #dataPlane: DataPlane;
  readonly #host: HostConnection;
  readonly #asks: Asks;
  readonly #lookUps: RetainedLookUps;
  readonly #inspections: Inspections;
  readonly #requests: ClientRequests;
  readonly #reloads: Reloads;
  readonly #history: ClientHistory;
  readonly #counts = new ClientCounts();
  readonly #sys: SysPublisher;
  readonly #overview: OverviewPublisher;
  readonly #clusterTopics = new ClusterTopics();
  readonly #totals: TotalsWatch;
  readonly #http: HttpFrontEnd;
  readonly #streams: EventStreams;
  readonly #tracing: Tracing;
  readonly #telemetry: Telemetry | undefined;
  readonly #clients: ClientEvents;
  readonly #notices: Notices;
  readonly #figures: Figures;
  readonly #tls: TlsKeeper | undefined;
  readonly #cluster: ClusterControl | undefined;
  #drain: Drain | undefined;
  #isRunning = false;
  /** Settles when no start is under way, and never rejects. */
  #starting: Promise<unknown> = Promise.resolve();
  /** It is stopping: its sessions move to other nodes. */
  #isLeaving = false;
  /** By an operator, since the configuration was read. */
  #logLevelAsked: LogLevel | undefined;
  /** Requests of clients while other workers start; undefined once the broker has started. */
  #early: (readonly [worker: number, message: ToMain])[] | undefined = [];

  constructor(config: BrokerConfig, version: string, hooks: SecurityHooks, events: ControlPlaneEvents) {
    this.#config = config;
    this.#version = version;
    this.#events = events;
    this.logger = createLogger(config.logLevel, config.logFormat);
    this.#notices = new Notices((fields, sentence) => this.logger.warn(fields, sentence));
    this.#host = new HostConnection({
      limits: config.limits,
      logger: this.logger,
      send: (message, moved) => this.#dataPlane.send(hostWorker, message, moved),
    });
    this.#asks = new Asks((worker, message) => this.#dataPlane.send(worker, message));
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
    this.#gatekeeper = this.#newGatekeeper(hooks);
    this.#cluster = config.cluster === undefined ? undefined : this.#newClusterControl();
    this.#directory = this.#newDirectory();
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
    this.#host.session = this.#directory.nextKey();
    this.#tls = config.tlsCertificates.length > 0 ? this.#newTlsKeeper() : undefined;
    this.#dataPlane = this.#newDataPlane();
    this.#streams = this.#newEventStreams();
    this.#telemetry = this.#newTelemetry();
    this.#tracing = this.#newTracing();
    this.#clients = new ClientEvents({
      logger: this.logger,
      audit: this.#audit,
      directory: this.#directory,
      gatekeeper: this.#gatekeeper,
      history: this.#history,
      counts: this.#counts,
      tracing: this.#tracing,
      listener: events,
      fullReasonCode: () => this.#fullReasonCode,
    });
    this.#figures = new Figures({
      version,
      directory: this.#directory,
      counts: this.#counts,
      streams: this.#streams,
      tls: this.#tls,
      cluster: this.#cluster,
      running: () => this.#running,
      clientsRefused: () => this.#clients.refusedCount,
      authentications: () => this.#gatekeeper.authentications,
      trouble: () => this.#trouble,
    });
    this.#http = new HttpFrontEnd(config, version, this.#siteSource());
    this.#sys = new SysPublisher({
      config,
      clock: systemClock,
      sample: () => this.#ifServing(() => this.#figures.sample()),
      more: () => (this.#cluster === undefined ? [] : this.#clusterTopics.messages(this.#cluster.figures)),
      publish: (topic, payload) => this.#publishSys(topic, payload),
    });
    this.#overview = new OverviewPublisher({
      clock: systemClock,
      overview: () => JSON.stringify(this.#figures.overview()),
      publish: (overview) =>
        this.host.publish(`${dashboardPrefix(config.nodeName)}${overviewName}`, overview, { qos: 1 }),
    });
    this.#totals = new TotalsWatch({
      clock: systemClock,
      counters: () => this.#ifServing(() => this.statistics()),
      warn: (figures, sentence) => this.logger.warn(figures, sentence),
    });
  }

  /** Starts the workers on `numericHost`; resolves when clients can connect. Errors: see Broker.start(). */
  start(numericHost: string, listenerHosts: readonly string[]): Promise<Address> {
    const starting = this.#start(numericHost, listenerHosts);
    this.#starting = starting.catch(() => {});
    return starting;
  }

  async #start(numericHost: string, listenerHosts: readonly string[]): Promise<Address> {
    await this.#tls?.load();
    const httpSocket = await this.#http.listen();
    try {
      const address = await this.#dataPlane.start({ numericHost, listenerHosts, httpSocket });
      this.#http.ports = address;
      return address;
    } catch (error) {
      this.#http.close();
      await this.#cluster?.leave();
      await this.#gatekeeper.close();
      throw error;
    }
  }

  #onWorkerLost(worker: number): void {
    this.#early = this.#early?.filter(([from]) => from !== worker);
    this.#gatekeeper.workerLost(worker);
    this.#overload.workerLost(worker);
    this.#directory.workerLost(worker);
    this.#asks.workerLost(worker);
    if (worker === hostWorker) this.#host.workerLost();
  }

  #newGatekeeper(hooks: SecurityHooks): Gatekeeper {
    return new Gatekeeper({
      config: this.#config,
      hooks,
      clock: systemClock,
      audit: this.#audit,
      send: (worker, message) => this.#dataPlane.send(worker, message),
      adoptRules: (worker, adopted) =>
        this.#asks.ask(worker, 'adoptRules', undefined, (answer) => answer && adopted()),
      connected: (clientId) => this.#directory.connected(clientId),
      endClients: (isOver, reasonCode) => {
        this.#directory.endClients(isOver, reasonCode);
        this.#endStreams();
      },
      isOverloaded: () => this.#overload.state !== 'normal',
      onDashboard: () => this.#overview.wake(),
      warn: (sentence) => this.logger.warn(sentence),
      onFailed: (err, sentence, fields) => this.logger.error({ err, ...fields }, sentence),
    });
  }

  #newDirectory(): SessionDirectory {
    return new SessionDirectory({
      link: { send: (worker, message) => this.#dataPlane.send(worker, message) },
      directory: this.#cluster ?? thisNodeAlone,
      firstWorker: () => this.#cluster?.firstWorker ?? 0,
      clock: systemClock,
      limits: this.#config.limits,
      isStoreFull: () => this.#dataPlane.storeState === 'full' || this.#cluster?.isBehind === true,
      fullReasonCode: () => this.#fullReasonCode,
      closedReasonCode: this.#config.serverMoved ? ReasonCode.serverMoved : undefined,
      isListenerFull: (listener) => this.#gatekeeper.isListenerFull(listener),
      refusalOf: (client) => this.#gatekeeper.refusalOf(client),
      authenticate: (worker, connection, request) =>
        this.#gatekeeper.authenticate(worker, connection, request),
      onSessionsFull: (refused) => this.#notices.sessionsFull(this.#config.limits.sessionsMax, refused),
      onWill: (clientId, will) =>
        this.#cluster?.setWill(clientId, will && toldWill(will, this.#config.replicas > 1)),
      onRefused: (clientId, reasonCode) => this.#clients.connectRefused(clientId, reasonCode),
      onConnected: (client) => this.#clients.connected(client),
      onDisconnected: (client, cause, reasonCode) => this.#clients.disconnected(client, cause, reasonCode),
    });
  }

  #newDataPlane(): DataPlane {
    return new DataPlane({
      config: this.#config,
      version: this.#version,
      logger: this.logger,
      tls: this.#tls ?? { material: undefined, ticketKeys: new Uint8Array() },
      directory: this.#directory,
      cluster: this.#cluster,
      events: {
        onMessage: (worker, message) => this.#onMessage(worker, message),
        onWorkerLost: (worker) => this.#onWorkerLost(worker),
        onWorkerRestarted: (worker) => this.#onWorkerRestarted(worker),
        onFatal: (error) => this.#events.onFatal(error),
      },
      isRunning: () => this.#isRunning,
      firstRules: () => this.#gatekeeper.firstRules(),
      onJoined: () => {
        this.#host.session = this.#directory.nextKey(); // other nodes have one too
      },
      onSupervisor: (supervisor) => this.#gatekeeper.open(supervisor),
    });
  }

  #newClusterControl(): ClusterControl {
    return new ClusterControl({
      config: this.#config,
      logger: this.logger,
      sessions: () => this.#directory,
      broadcast: (message) => this.#dataPlane.broadcast(message),
      askRow: (worker, session) =>
        new Promise((resolve) => {
          this.#asks.ask(worker, 'sessionRow', { session }, (answer) => resolve(answer?.reply));
        }),
      walksLeft: () => this.#walksLeft(),
      onEvicted: () => void this.#joinAgain(),
      onNews: (news) => this.#onNews(news),
      newsForNewcomer: () => {
        const { bans } = this.#gatekeeper;
        const level = this.#logLevelAsked;
        return [
          ...newsOfLifted(bans.lifted, Date.now()),
          ...newsOfBans(bans.list()),
          ...(level === undefined ? [] : [{ kind: 'logLevel', level } as const]),
        ].map(writeNews);
      },
      onQuestion: (question) => this.#http.answerNode(question),
      publishWill: (will) => this.#publishWillOfLost(will),
      makeStandIn: (config) => this.#events.makeStandIn(config),
      onReplicationFailed: (cause) => {
        const message = 'The thread that replicates the log has ended; see the log above.';
        this.#events.onFatal(new BrokerError('WORKER_FAILED', message, { cause }));
      },
    });
  }

  async #walksLeft(): Promise<number> {
    const counts = Array.from(
      { length: this.#config.workers },
      (_, worker) =>
        new Promise<number>((resolve) => {
          this.#asks.ask(worker, 'walksLeft', undefined, (answer) => resolve(answer?.reply ?? 0));
        }),
    );
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** Why clients are refused when a limit is reached. */
  get #fullReasonCode(): number {
    return this.#config.serverReference ? ReasonCode.useAnotherServer : ReasonCode.quotaExceeded;
  }

  /** What clients get while the broker is emptied or stops: those that connect, and those that are connected. */
  get #goodbye(): { readonly refused: number; readonly told: number } {
    const { serverUnavailable: refused, serverShuttingDown: told, useAnotherServer } = ReasonCode;
    return this.#config.serverReference === undefined
      ? { refused, told }
      : { refused: useAnotherServer, told: useAnotherServer };
  }

  get #trouble(): string | undefined {
    const state = this.#dataPlane.storeState;
    if (state !== 'open') return storeTroubles[state];
    if (this.#cluster?.isBehind === true)
      return 'JetStream is far behind: messages that would have to be stored are refused';
    const trouble = this.#cluster?.trouble;
    if (trouble !== undefined) return trouble;
    return this.#overload.state === 'normal'
      ? undefined
      : 'the broker is overloaded: new clients are refused';
  }

  /** The host program's MQTT client. */
  get host(): HostClient {
    return this.#host.client;
  }

  /** The package that serves HTTP. */
  get http(): HttpFrontEnd['description'] {
    return this.#http.description;
  }

  /** Opens the host program's connection after start(). */
  run(): void {
    this.#isRunning = true;
    this.#figures.start();
    this.#host.open();
    this.#sys.start();
    this.#totals.start();
    this.#overload.start();
    this.#tls?.start();
    this.#telemetry?.start();
    this.#tellSampler();
    // After whatever the program does as soon as start() has resolved, such as adding event listeners.
    setImmediate(() => this.#letEarlyIn());
  }

  /** Clients wait until the other nodes know which sessions this one has. */
  async #joinAgain(): Promise<void> {
    if (this.#config.standsFor !== undefined) {
      const message = 'The cluster has removed the node that had taken over the log of a lost one.';
      this.#events.onFatal(new BrokerError('CLUSTER_REFUSED', message));
      return;
    }
    this.#early ??= [];
    const joining = this.#dataPlane.joinAgain();
    this.#starting = Promise.all([this.#starting, joining]);
    if (!(await joining)) return;
    this.#streams.interrupt();
    this.#letEarlyIn();
  }

  #letEarlyIn(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    if (!this.#isRunning) return;
    for (const [worker, message] of early) this.#onMessage(worker, message);
  }

  /** Reads the certificates again. Errors: NOT_RUNNING, and TLS_NOT_CONFIGURED if there are none. */
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
      onTicketKeys: (keys) => this.#dataPlane.broadcast({ type: 'ticketKeys', keys }),
    });
  }

  /**
   * Refuses new clients, and disconnects the others in slices. Resolves when they have left. Errors:
   * NOT_RUNNING.
   */
  async drain(): Promise<void> {
    this.assertRunning();
    const { drainClientsPerSecond: clientsPerSecond, stopMs: graceMs } = this.#config.limits;
    this.logger.info(
      { clientsPerSecond, clients: this.#directory.counts.connected },
      'clients are being disconnected',
    );
    const { refused, told } = this.#goodbye;
    this.#directory.close(refused);
    this.#streams.endAll();
    await new Promise<void>((done) => {
      this.#drain = new Drain({
        clock: systemClock,
        clientsPerSecond,
        graceMs,
        tellNext: (count) => this.#directory.tellNext(count, told),
        connected: () => this.#directory.counts.connected,
        done,
      });
    });
  }

  /** In a cluster: disconnects clients and moves their sessions to other nodes, for a few seconds at most. */
  async #giveSessions(): Promise<void> {
    if (this.#cluster?.hasOthers !== true || !this.#isRunning) return;
    this.#isLeaving = true;
    const { refused, told } = this.#goodbye;
    this.#directory.close(refused);
    this.#streams.endAll();
    const left = await this.#cluster.giveSessions(() => {
      const { connected, total } = this.#directory.counts;
      // Starts again with the first one, since a client may have been connecting.
      if (connected > 0 && this.#directory.tellNext(clientsToldAtOnce, told) === 0)
        this.#directory.close(refused);
      return total;
    });
    if (left > 0)
      this.logger.warn({ sessions: left }, 'some sessions could not be moved to other nodes in time');
  }

  /** For a broker that continues the log of a lost node. Errors: NOT_RUNNING. */
  async giveAll(): Promise<void> {
    for (;;) {
      this.assertRunning();
      await this.#giveSessions();
      const offered = await new Promise<number>((resolve) => {
        this.#asks.ask(0, 'offersLeft', undefined, (answer) => resolve(answer?.reply ?? 1));
      });
      const isAnyLeft = this.#directory.counts.total > 0 || (this.#cluster?.sessionsLent ?? 0) > 0;
      if (offered === 0 && !isAnyLeft) return;
      await delay(giveAgainMs);
    }
  }

  /** Says goodbye to the clients and stops the workers. Resolves within stopMs, and in a cluster 10 s. */
  async stop(): Promise<void> {
    await this.#giveSessions();
    this.#isRunning = false;
    this.#streams.close();
    this.#tracing.close();
    this.#telemetry?.stop();
    this.#sys.stop();
    this.#overview.stop();
    this.#totals.stop();
    this.#overload.stop();
    this.#tls?.stop();
    this.#drain?.stop();
    this.#directory.stop();
    this.#host.close();
    const stopped = new BrokerError('NOT_RUNNING', 'The broker has stopped before it answered.');
    this.#lookUps.close(stopped);
    this.#inspections.close(stopped);
    await this.#cluster?.leave();
    await this.#dataPlane.stop(this.#goodbye.told);
    // What takes longer, such as the reading of a large store, ends with nothing started.
    await Promise.race([this.#starting, delay(this.#config.limits.stopMs, undefined, { ref: false })]);
    // What they have not answered they never will.
    for (let worker = 0; worker < this.#config.workers; worker++) this.#asks.workerLost(worker);
    await this.#gatekeeper.close();
    this.#http.close();
  }

  /** Errors: NOT_RUNNING. */
  statistics(): Statistics {
    return this.#figures.statistics();
  }

  /** The message retained on a topic, a valid topic name. Errors: NOT_RUNNING. */
  async retained(topic: string): Promise<HostMessage | undefined> {
    this.assertRunning();
    return await this.#lookUps.lookUp(topic);
  }

  /**
   * Reads the configuration, and the files of users and rules, again. `by`: who requested it; `read` returns
   * the current configuration. Errors: NOT_RUNNING, those of `read`, CONFIG_INVALID, ACCESS_FILE_UNREADABLE,
   * ACCESS_FILE_INVALID.
   */
  async reload(by: string, read: (() => BrokerConfig) | undefined): Promise<Reloaded> {
    this.assertRunning();
    return await this.#reloads.reload(by, read);
  }

  async #reloadAccess(): Promise<void> {
    this.assertRunning(); // it may have waited for another reload
    await this.#gatekeeper.reload();
    this.#endStreams();
  }

  /** Those over HTTP: they reconnect, are authorised again, and miss nothing. */
  #endStreams(): void {
    this.#streams.endAll();
    this.#tracing.endStreams();
  }

  async #onConfigChanged(names: ReadonlySet<string>): Promise<void> {
    if (names.size === 0) return;
    if (names.has('logLevel')) this.#logLevelAsked = undefined;
    this.logger.level = this.#config.logLevel;
    const reconfigured = this.#reconfigure();
    if (names.has('limits.connectionsPerAddressMax') || names.has('limits.connectionsPerUserMax'))
      this.#gatekeeper.recount(this.#directory.connectedClients());
    if (names.has('sysIntervalSeconds')) this.#sys.restart();
    if (tlsFiles.some((name) => names.has(name))) await this.#tls?.reload();
    await reconfigured;
  }

  /** Resolves when all running workers have applied the configuration. */
  async #reconfigure(): Promise<void> {
    const { running = [] } = this.#dataPlane.supervisor ?? {};
    await Promise.all(
      running.map(
        (worker) =>
          new Promise<void>((resolve) => {
            this.#asks.ask(worker, 'reconfigure', this.#config, () => resolve());
          }),
      ),
    );
  }

  /** The current bans. */
  get bans(): Bans {
    return this.#gatekeeper.bans;
  }

  /** Errors: NOT_RUNNING. */
  assertRunning(): void {
    void this.#running;
  }

  get #running(): Supervisor {
    const { supervisor } = this.#dataPlane;
    if (supervisor !== undefined && this.#isRunning) return supervisor;
    const sentence = this.#isRunning
      ? 'The cluster has removed this node, and it is joining again: try again in a moment.'
      : 'The broker is not running; start() it first, and not after stop().';
    throw new BrokerError('NOT_RUNNING', sentence);
  }

  /** Undefined: the node is joining its cluster again, so there are no figures. */
  #ifServing<Value>(read: () => Value): Value | undefined {
    return this.#dataPlane.supervisor === undefined ? undefined : read();
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
        // Clients that are refused because the broker stops are not counted.
        if (this.#isRunning)
          this.#clients.refused(message.client, message.refusal, message.isDecidedByWorker);
        break;
      case 'originRefused':
        this.#notices.originRefused(message.origin);
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
      case 'links':
        this.#cluster?.linksTold(worker, message.figures);
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
        this.#notices.noticed(message.notice, message.remoteAddress, message.reason);
        break;
      case 'hostTaken':
        this.host.taken(message.bytes);
        break;
      case 'hostEnded':
        if (this.#isRunning) this.#host.ended(message.reasonCode);
        break;
      case 'reply':
        this.#asks.answered(worker, message);
        break;
      case 'traced':
        this.#tracing.record(message.record);
        break;
      case 'dropped':
        this.#clients.dropped(readDropRecords(message.records));
        break;
      case 'subscriptionTraced':
        this.#tracing.answered(message);
        break;
      case 'subscriptionRefused':
        this.#clients.subscriptionRefused(message.clientId, message.topicFilters, message.reasonCode);
        break;
    }
  }

  /** A worker that ends gets them when it starts again. */
  #renewCertificates(tls: TlsMaterial): void {
    for (const worker of this.#dataPlane.supervisor?.running ?? []) {
      this.#asks.ask(worker, 'renewCertificates', tls, (answer) => {
        const reason = answer?.reply.refusal;
        if (reason !== undefined)
          this.logger.error({ worker, reason }, 'a worker keeps its old certificates');
      });
    }
  }

  /** A connected client reauthenticates: it stays, or is disconnected (MQTT 5, 4.12.1). */
  async #renew(worker: number, connection: number, renewal: RenewalRequest): Promise<void> {
    const verdict = await this.#gatekeeper.renew(worker, connection, renewal);
    if (verdict === undefined) return;
    const { clientId } = renewal;
    const { reasonCode, data, identity = {}, admission } = verdict;
    const isRenewed =
      reasonCode === ReasonCode.success && this.#directory.renewed(worker, connection, clientId, identity);
    if (isRenewed) this.#clients.reauthenticated(clientId);
    const refusal = reasonCode === ReasonCode.success ? ReasonCode.notAuthorized : reasonCode;
    this.#dataPlane.send(
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
      families: () => this.#ifServing(() => this.#figures.families()),
      clientIdOf: (session) => this.#directory.clientIdOf(session),
      log: (level, fields, sentence) => this.logger[level](fields, sentence),
    });
  }

  #newTracing(): Tracing {
    return new Tracing({
      limits: this.#config.limits,
      clock: systemClock,
      audit: this.#audit,
      find: (clientId) => this.#directory.find(clientId),
      clientIdOf: (session) => this.#directory.clientIdOf(session),
      mayReceive: (caller, topic) => this.#gatekeeper.mayReceive(caller, topic),
      broadcast: (message) => this.#dataPlane.broadcast(message),
      assertRunning: () => this.assertRunning(),
      onSpan: (span) => this.#telemetry?.span(span),
      nodeName: this.#config.nodeName,
      nodes: () => this.#otherNodes(),
    });
  }

  #tellSampler(): void {
    const sampler = this.#telemetry?.sampler;
    if (sampler !== undefined) this.#dataPlane.broadcast({ type: 'makeSpans', ...sampler });
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
    this.#dataPlane.broadcast({ type: 'halvePaces', isHalved: state === 'slowing' });
  }

  #siteSource(): SiteSource {
    return siteSourceOf({
      audit: this.#audit,
      config: this.#config,
      cluster: this.#cluster,
      directory: this.#directory,
      figures: this.#figures,
      gatekeeper: this.#gatekeeper,
      history: this.#history,
      host: this.host,
      inspections: this.#inspections,
      reloads: this.#reloads,
      requests: this.#requests,
      streams: this.#streams,
      tracing: this.#tracing,
      trouble: () => this.#trouble,
      unreadiness: () => this.#unreadiness,
      retained: (topic) => this.retained(topic),
      reload: (by) => this.#reloadAll(by),
      nodes: () => this.#otherNodes(),
      onLogLevel: (level) => this.#setLogLevel(level),
      assertRunning: () => this.assertRunning(),
      isDraining: () => this.#drain !== undefined,
      onDrainAsked: () => this.#events.onDrainAsked(),
    });
  }

  get #unreadiness(): string | undefined {
    if (!this.#isRunning || this.#isLeaving) return 'the broker is starting or stopping';
    const unreadiness = this.#cluster?.unreadiness;
    if (unreadiness !== undefined) return unreadiness;
    return this.#drain === undefined ? undefined : 'the broker is being drained';
  }

  /** The will of a client whose node is lost, if the client is still allowed to publish it. */
  #publishWillOfLost(told: ToldWill): void {
    const will = hostedWill(told);
    const access = told.access === undefined ? undefined : Buffer.from(told.access, 'base64');
    if (will === undefined || this.#gatekeeper.willRefusal(access, will.topic) !== undefined) return;
    const { topic, payload, qos, retain, properties } = will;
    this.host.publish(topic, payload, { qos, retain, properties }).catch((err: unknown) => {
      this.logger.error({ err, topic }, 'the will of a client whose node is lost could not be published');
    });
  }

  /** What an operator has requested on another node. An error would end the connection to NATS. */
  #onNews(news: Readonly<Record<string, unknown>>): void {
    const told = readNews(news);
    try {
      if (told?.kind === 'ban') this.bans.add(told.ban);
      else if (told?.kind === 'bans') this.#gatekeeper.bans.addAll(told.bans);
      else if (told?.kind === 'liftBan') this.bans.remove(told.of, told.value);
      else if (told?.kind === 'lifted')
        this.#gatekeeper.bans.liftAll(
          told.bans.map(({ of: kind, value, agoMs }) => ({ kind, value, atMs: Date.now() - agoMs })),
        );
      else if (told?.kind === 'logLevel') this.#setLogLevel(told.level);
    } catch (err) {
      this.logger.error({ err, news }, 'what was requested on another node cannot be done here');
    }
  }

  #setLogLevel(logLevel: LogLevel): void {
    this.#logLevelAsked = logLevel;
    takeOver(this.#config, { ...this.#config, logLevel });
    this.logger.level = logLevel;
    void this.#reconfigure();
  }

  #otherNodes(): OtherNodes | undefined {
    const cluster = this.#cluster;
    const here = this.#config.nodeName;
    return cluster && here !== undefined
      ? { here, ask: (question, node) => cluster.ask(question, node) }
      : undefined;
  }

  async #reloadAll({ name: by }: ApiCaller): ReturnType<SiteSource['reload']> {
    const reloaded = await this.reload(by, this.#events.readConfig);
    return {
      ...reloaded,
      certificates: this.#tls === undefined ? 'none' : await this.#tls.reload(),
    };
  }

  #onWorkerRestarted(worker: number): void {
    this.#tracing.workerRestarted();
    this.#tellSampler();
    this.#lookUps.workerStarted();
    if (worker !== hostWorker) return;
    this.#host.open();
    this.#sys.forget();
  }

  #publishSys(topic: string, payload: string): void {
    const { nodeName } = this.#config;
    const shown = nodeName === undefined ? topic : nodeTopic(topic, nodeName);
    this.host.publish(shown, payload, { qos: 0, retain: true }).catch((err: unknown) => {
      this.logger.debug({ err, topic }, 'a $SYS topic is beyond the limits of the broker');
    });
  }
}
