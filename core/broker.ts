/**
 * The embedding API: a broker as an object of the host program. It owns the control plane (main thread);
 * the data plane runs in worker threads.
 */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { BrokerError } from './broker-error.ts';
import type { BrokerConfig, BrokerOptions } from './config/options.ts';
import { resolveConfig } from './config/resolve.ts';
import { assertPortIsFree, claimPort, numericAddress, type PortClaim } from './control/free-port.ts';
import { createLogger, type Logger } from './control/logger.ts';
import type {
  CloseCause,
  ConnectRequest,
  HttpReply,
  HttpRequest,
  RenewalRequest,
  ToMain,
} from './control/messages.ts';
import { type Address, Supervisor } from './control/supervisor.ts';
import { type CounterName, counterNames, loadAddon } from './data-plane/addon.ts';
import { HostClient, type MessageListener, type PublishOptions } from './host/host-client.ts';
import { type AuthenticationRequest, Authenticator } from './security/authenticator.ts';
import { type ClientInfo, SessionDirectory } from './sessions/session-directory.ts';
import { systemClock } from './sessions/timers.ts';
import { SysPublisher } from './statistics/sys-publisher.ts';
import type { BrokerSample } from './statistics/sys-topics.ts';
import type { QoS, Will } from './wire/packets.ts';
import { ReasonCode } from './wire/reason-code.ts';

export { BrokerError, type BrokerErrorCode } from './broker-error.ts';
export type {
  Authenticate,
  AuthenticationExchange,
  AuthenticationMethod,
  AuthenticationStep,
  ConnectingClient,
} from './config/authentication.ts';
export type { Limits } from './config/limits.ts';
export type { BrokerOptions } from './config/options.ts';
export type { HostMessage, MessageListener, PublishOptions } from './host/host-client.ts';
export {
  type ScramCredentials,
  type ScramOptions,
  scramCredentials,
  scramSha256,
} from './security/scram-sha-256.ts';
export type { ClientInfo } from './sessions/session-directory.ts';

/** The version of this package. */
export const version: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version;

export interface BrokerEvents {
  clientConnected: [client: ClientInfo];
  /** `reasonCode`: the MQTT 5 reason code of the DISCONNECT, or of what broke the connection. */
  clientDisconnected: [client: ClientInfo, reason: { cause: CloseCause; reasonCode: number }];
  /** The broker cannot go on; it has stopped. Without a listener the error is thrown. */
  error: [error: BrokerError];
}

export type Statistics = Readonly<Record<CounterName, number>>;

/** The options that are functions: they are not part of the configuration. */
type AuthenticationHooks = Pick<BrokerOptions, 'authenticate' | 'authenticationMethods'>;

type State = 'new' | 'starting' | 'running' | 'stopped';

/** Origins of refused pages that are logged; anybody can make up more. */
const refusedOriginsMax = 100;

/** The worker that carries the host program's connection. */
const hostWorker = 0;

export class Broker extends EventEmitter<BrokerEvents> {
  readonly #config: BrokerConfig;
  readonly #logger: Logger;
  readonly #host: HostClient;
  readonly #authenticator: Authenticator;
  readonly #directory: SessionDirectory;
  readonly #hostSession: number;
  readonly #sys: SysPublisher;
  #startedAtMs = 0;
  #supervisor: Supervisor | undefined;
  #address: Address | undefined;
  #state: State = 'new';
  #stopped: Promise<void> | undefined;
  readonly #claims: PortClaim[] = [];
  readonly #refusedOrigins = new Set<string>();

  /** Use {@link createBroker}. */
  constructor(config: BrokerConfig, hooks: AuthenticationHooks) {
    super();
    this.#config = config;
    this.#logger = createLogger(config.logLevel);
    this.#host = new HostClient(config.limits, (bytes) =>
      this.#supervisor?.send(hostWorker, { type: 'hostBytes', bytes }),
    );
    this.#authenticator = new Authenticator({
      authenticate: hooks.authenticate,
      methods: hooks.authenticationMethods ?? [],
      allowsAnonymous: config.allowAnonymous,
      timeoutMs: config.limits.connectTimeoutMs,
      clock: systemClock,
      sendChallenge: (worker, connection, data) =>
        this.#supervisor?.send(worker, { type: 'challenge', connection, data }),
      onFailed: (err) => this.#logger.error({ err }, 'authentication failed; the client is refused'),
    });
    this.#directory = new SessionDirectory({
      link: {
        send: (worker, message) => this.#supervisor?.send(worker, message) ?? false,
        request: (worker, message) =>
          this.#supervisor?.request(worker, message) ??
          Promise.reject(new BrokerError('NOT_RUNNING', 'The broker is not started.')),
      },
      clock: systemClock,
      connectionsMax: config.limits.connectionsMax,
      fullReasonCode: config.serverReference ? ReasonCode.useAnotherServer : ReasonCode.quotaExceeded,
      closedReasonCode: config.serverMoved ? ReasonCode.serverMoved : undefined,
      authenticate: (worker, connection, request) =>
        this.#authenticator.decide(worker, connection, authenticationOf(request)),
      publishWill: (will) => this.#publishWill(will),
      onConnected: (client) => this.#onConnected(client),
      onDisconnected: (client, cause, reasonCode) => this.#onDisconnected(client, cause, reasonCode),
    });
    this.#hostSession = this.#directory.nextKey();
    this.#sys = new SysPublisher({
      intervalSeconds: config.sysIntervalSeconds,
      clock: systemClock,
      sample: () => this.#sample(),
      publish: (topic, payload) => this.#publishSys(topic, payload),
    });
  }

  /**
   * Listens, and resolves when clients can connect. Errors: ALREADY_STARTED, ADDRESS_IN_USE,
   * ADDRESS_NOT_AVAILABLE, ADDRESS_NOT_PERMITTED, ADDON_MISSING, WORKER_FAILED.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new')
      throw new BrokerError('ALREADY_STARTED', 'A broker starts once; make another one.');
    this.#state = 'starting';
    try {
      this.#address = await this.#startWorkers();
      this.#assertNotStopped();
    } catch (error) {
      this.#release();
      this.#assertNotStopped(); // whatever else failed, that is why
      throw error;
    }
    this.#state = 'running';
    this.#startedAtMs = performance.now();
    this.#supervisor?.send(hostWorker, { type: 'openHost', session: this.#hostSession });
    if (this.#config.sysIntervalSeconds > 0) this.#sys.start();
    this.#logger.info({ ...this.#address, workers: this.#config.workers, version }, 'ready');
  }

  async #startWorkers(): Promise<Address> {
    const { host, port, tcpPort } = this.#config;
    const numericHost = await numericAddress(host);
    await this.#claim(numericHost, port, '--port');
    if (tcpPort !== false) await this.#claim(numericHost, tcpPort, '--tcp-port');
    this.#assertNotStopped();
    this.#supervisor = new Supervisor(loadAddon(), this.#config, version, this.#logger, {
      onMessage: (worker, message) => this.#onMessage(worker, message),
      onWorkerLost: (worker) => {
        this.#authenticator.workerLost(worker);
        this.#directory.workerLost(worker);
      },
      onWorkerRestarted: (worker) => this.#onWorkerRestarted(worker),
      onFatal: (error) => void this.#onFatal(error),
    });
    return await this.#supervisor.start(numericHost);
  }

  async #claim(host: string, port: number, flag: string): Promise<void> {
    if (port !== 0) this.#claims.push(await claimPort(host, port, flag));
    await assertPortIsFree(host, port, flag);
  }

  #assertNotStopped(): void {
    if (this.#state === 'stopped')
      throw new BrokerError('NOT_RUNNING', 'The broker was stopped while it started.');
  }

  #release(): void {
    for (const claim of this.#claims.splice(0)) claim.release();
  }

  /** Says goodbye to the clients (MQTT 5: DISCONNECT 0x8B) and stops. Resolves within stopMs. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#state = 'stopped';
    this.#sys.stop();
    this.#directory.stop();
    this.#host.close();
    const isElsewhere = this.#config.serverReference !== undefined;
    await this.#supervisor?.stop(isElsewhere ? ReasonCode.useAnotherServer : ReasonCode.serverShuttingDown);
    this.#release();
    this.#logger.info('stopped');
  }

  /** Where it listens, with the ports that were chosen for 0. Errors: NOT_RUNNING. */
  address(): Address & { readonly path: string } {
    if (this.#address === undefined)
      throw new BrokerError('NOT_RUNNING', 'The broker is not started; await start() first.');
    return { ...this.#address, path: this.#config.path };
  }

  /**
   * Publishes from the host program; no client is needed. Resolves when the broker has the message.
   * Errors: NOT_RUNNING, HOST_PUBLISH_INVALID, HOST_PUBLISH_REFUSED.
   */
  async publish(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): Promise<void> {
    void this.#running;
    await this.#host.publish(topic, payload, options);
  }

  /**
   * Calls `listener` for each message that matches the topic filter, with at most `qos` (default 1).
   * Resolves, when the broker has the subscription, to a function that ends it. Errors: NOT_RUNNING,
   * HOST_SUBSCRIBE_INVALID.
   */
  async subscribe(filter: string, listener: MessageListener, qos: QoS = 1): Promise<() => Promise<void>> {
    void this.#running;
    return await this.#host.subscribe(filter, listener, qos);
  }

  /** What the data plane has counted since the start, over all workers. Errors: NOT_RUNNING. */
  statistics(): Statistics {
    const values = this.#running.counters;
    const entries = counterNames.map((name, index) => [name, values[index] ?? 0] as const);
    return Object.fromEntries(entries) as Statistics;
  }

  #sample(): BrokerSample {
    return {
      version,
      uptimeSeconds: (performance.now() - this.#startedAtMs) / 1_000,
      counters: this.statistics(),
      clients: this.#directory.counts,
      memoryBytes: process.memoryUsage.rss(),
      memoryBytesPeak: process.resourceUsage().maxRSS * 1_024,
    };
  }

  get #running(): Supervisor {
    if (this.#supervisor !== undefined && this.#state === 'running') return this.#supervisor;
    throw new BrokerError(
      'NOT_RUNNING',
      'The broker is not running; start() it first, and not after stop().',
    );
  }

  #onMessage(worker: number, message: ToMain): void {
    switch (message.type) {
      case 'connect':
        this.#directory.connect(worker, message.connection, message.connect);
        break;
      case 'answered':
        this.#authenticator.answered(worker, message.connection, message.data);
        break;
      case 'renew':
        void this.#renew(worker, message.connection, message.renewal);
        break;
      case 'originRefused':
        this.#onOriginRefused(message.origin);
        break;
      case 'abandoned':
        this.#authenticator.abandoned(worker, message.connection);
        break;
      case 'closed':
        this.#directory.closed(
          message.session,
          message.cause,
          message.reasonCode,
          message.sessionExpirySeconds,
        );
        break;
      case 'hostBytes':
        this.#host.receive(message.bytes);
        break;
      case 'httpRequest':
        void this.#answerHttp(worker, message.id, message.request);
        break;
    }
  }

  /** A connected client authenticates again: it stays, or is ended (MQTT 5, 4.12.1). */
  async #renew(worker: number, connection: number, renewal: RenewalRequest): Promise<void> {
    const verdict = await this.#authenticator.decide(worker, connection, renewal);
    if (verdict === undefined) return;
    const { reasonCode, data } = verdict;
    const isRenewed = reasonCode === ReasonCode.success;
    this.#supervisor?.send(
      worker,
      isRenewed ? { type: 'renewed', connection, data } : { type: 'refuse', connection, reasonCode },
    );
  }

  async #answerHttp(worker: number, id: number, request: HttpRequest): Promise<void> {
    const reply = await this.#httpReply(request).catch((err: unknown): HttpReply => {
      this.#logger.debug({ err }, 'a request over HTTP could not be answered');
      return { type: 'unavailable' };
    });
    this.#supervisor?.send(worker, { type: 'httpReply', id, reply });
  }

  async #httpReply(request: HttpRequest): Promise<HttpReply> {
    if (request.type === 'retained') {
      const message = await this.#host.retained(request.topic);
      return { type: 'retained', message: message?.payload };
    }
    const { user, system } = process.cpuUsage();
    const statistics = {
      ...this.statistics(),
      uptimeMs: Math.round(performance.now() - this.#startedAtMs),
      cpuUs: user + system,
    };
    return { type: 'statistics', statistics };
  }

  #onWorkerRestarted(worker: number): void {
    const sessions = this.#directory.sessionsOf(worker);
    if (worker === hostWorker) sessions.push(this.#hostSession);
    this.#supervisor?.send(worker, { type: 'keepSessions', sessions });
    if (worker !== hostWorker) return;
    this.#supervisor?.send(hostWorker, { type: 'openHost', session: this.#hostSession });
    this.#host.resume();
    this.#sys.forget();
  }

  /** Says so once for each origin: pages try again and again. */
  #onOriginRefused(origin: string): void {
    if (this.#refusedOrigins.has(origin) || this.#refusedOrigins.size >= refusedOriginsMax) return;
    this.#refusedOrigins.add(origin);
    const advice =
      origin === 'null'
        ? 'a page that was opened as a file may not connect: serve it over HTTP, or allow null'
        : 'a page may not connect: allow its origin';
    this.#logger.warn({ origin }, `${advice} (allowedOrigins, --allowed-origins)`);
  }

  async #onFatal(error: BrokerError): Promise<void> {
    this.#logger.fatal({ err: error }, 'the broker cannot go on');
    await this.stop();
    this.emit('error', error);
  }

  #publishWill({ topic, payload, qos, retain, properties }: Will): void {
    const { willDelayInterval: _, ...others } = properties;
    this.#host.publish(topic, payload, { qos, retain, properties: others }).catch((err: unknown) => {
      this.#logger.warn({ err, topic }, 'a will could not be published');
    });
  }

  #publishSys(topic: string, payload: string): void {
    this.#host.publish(topic, payload, { qos: 0, retain: true }).catch((err: unknown) => {
      this.#logger.debug({ err, topic }, 'a $SYS topic is beyond the limits of the broker');
    });
  }

  #onConnected(client: ClientInfo): void {
    this.#logger.debug(client, 'connected');
    this.emit('clientConnected', client);
  }

  #onDisconnected(client: ClientInfo, cause: CloseCause, reasonCode: number): void {
    this.#logger.debug({ ...client, cause, reasonCode }, 'disconnected');
    this.emit('clientDisconnected', client, { cause, reasonCode });
  }
}

/**
 * A broker for the host program; `await broker.start()` starts it.
 *
 *     const broker = createBroker({ port: 0, tcpPort: false });
 *     await broker.start();
 *     await broker.publish('scores/court/1', '40-30', { retain: true });
 *
 * Errors: CONFIG_INVALID, OPEN_WITHOUT_AUTHENTICATION.
 */
export function createBroker(options: BrokerOptions = {}): Broker {
  return new Broker(resolveConfig(options), options);
}

/** For the command, which has resolved its configuration already. */
export function brokerOf(config: BrokerConfig): Broker {
  return new Broker(config, {});
}

function authenticationOf(request: ConnectRequest): AuthenticationRequest {
  const { clientId, username, password, remoteAddress, transport } = request;
  return {
    clientId,
    remoteAddress,
    transport,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    method: request.authenticationMethod,
    data: request.authenticationData,
  };
}
