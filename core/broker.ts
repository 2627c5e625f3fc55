/**
 * The embedding API: a broker as an object of the host program. It owns the control plane (main thread);
 * the data plane runs in worker threads.
 */
import { EventEmitter } from 'node:events';
import { BrokerError, stoppedWhileStarting } from './broker-error.ts';
import { accountsBytesMax, accountsOf } from './config/limits.ts';
import type { BrokerConfig, BrokerOptions } from './config/options.ts';
import { resolveConfig } from './config/resolve.ts';
import type { Statistics } from './control/figures.ts';
import { assertPortIsFree, claimPort, numericAddress, type PortClaim } from './control/free-port.ts';
import { openFilesMax, openFilesNotice } from './control/open-files.ts';
import type { RefusalReason, RefusedClient } from './control/refusals.ts';
import type { Reloaded } from './control/reloads.ts';
import type { Address } from './control/supervisor.ts';
import { ControlPlane } from './control-plane.ts';
import type { CloseCause } from './data-plane/addon.ts';
import type { MessageListener } from './host/host-client.ts';
import type { PublishOptions } from './host/host-message.ts';
import type { Bans } from './security/ban-keeper.ts';
import type { SecurityHooks } from './security/gatekeeper.ts';
import type { ClientInfo } from './sessions/session-record.ts';
import { shownBytes } from './storage/store-text.ts';
import type { ReloadOutcome } from './tls/tls-keeper.ts';
import { version } from './version.ts';
import type { QoS } from './wire/packets.ts';

export { BrokerError, type BrokerErrorCode } from './broker-error.ts';
export type {
  Authenticate,
  AuthenticateAnswer,
  AuthenticationExchange,
  AuthenticationMethod,
  AuthenticationStep,
  ClientTls,
  ConnectingClient,
  Grant,
  Quotas,
  Refusal,
} from './config/authentication.ts';
export type {
  Authorization,
  AuthorizedClient,
  AuthorizePublish,
  AuthorizeSubscribe,
  PublishRequest,
  SubscribeRequest,
} from './config/authorization.ts';
export type { Limits } from './config/limits.ts';
export type { ListenerLimits, ListenerOptions, ListenerProtocol } from './config/listeners.ts';
export type {
  BroadFilters,
  BrokerOptions,
  CertificateFiles,
  ClientCertificates,
  ClientIdentity,
  DeniedPublish,
  LogLevel,
  ReasonStrings,
} from './config/options.ts';
export type { Statistics } from './control/figures.ts';
export type { RefusalReason, RefusedClient } from './control/refusals.ts';
export type { Reloaded } from './control/reloads.ts';
export type { Address, ListenerAddress } from './control/supervisor.ts';
export type { CloseCause, CounterName } from './data-plane/addon.ts';
export type { MessageListener } from './host/host-client.ts';
export type { HostMessage, PublishOptions } from './host/host-message.ts';
export type { Bans } from './security/ban-keeper.ts';
export type { Ban, BanKind, BanOrigin, BanRequest } from './security/bans.ts';
export {
  type ScramCredentials,
  type ScramOptions,
  scramCredentials,
  scramSha256,
} from './security/scram-sha-256.ts';
export type { ClientInfo } from './sessions/session-record.ts';
export type { ReloadOutcome } from './tls/tls-keeper.ts';
export { version } from './version.ts';
export type { QoS } from './wire/packets.ts';
export type { Properties } from './wire/properties.ts';

/** An error of a listener is uncaught, and changes nothing for clients. */
export interface BrokerEvents {
  clientConnected: [client: ClientInfo];
  /** `reasonCode`: the MQTT 5 reason code of the DISCONNECT, or of what broke the connection. */
  clientDisconnected: [client: ClientInfo, reason: { cause: CloseCause; reasonCode: number }];
  /** A client was not let in: a wrong password, no rights, no room, or no MQTT at all. */
  clientRefused: [client: RefusedClient, refusal: RefusalReason];
  /** The broker was drained, over the API or by drain(), and has stopped. */
  drained: [];
  /** The broker cannot go on; it has stopped. Without a listener the error is thrown. */
  error: [error: BrokerError];
}

type State = 'new' | 'started' | 'stopped';

export class Broker extends EventEmitter<BrokerEvents> {
  readonly #config: BrokerConfig;
  readonly #readConfig: (() => BrokerConfig) | undefined;
  readonly #control: ControlPlane;
  readonly #claims: PortClaim[] = [];
  #address: Address | undefined;
  #state: State = 'new';
  #stopped: Promise<void> | undefined;
  #drained: Promise<void> | undefined;

  /** Use {@link createBroker}. */
  constructor(config: BrokerConfig, hooks: SecurityHooks, readConfig?: () => BrokerConfig) {
    super();
    this.#config = config;
    this.#readConfig = readConfig;
    this.#control = new ControlPlane(config, version, hooks, {
      onConnected: (client) => this.#tell('clientConnected', client),
      onDisconnected: (client, cause, reasonCode) =>
        this.#tell('clientDisconnected', client, { cause, reasonCode }),
      onRefused: (client, refusal) => this.#tell('clientRefused', client, refusal),
      readConfig,
      onDrainAsked: () => void this.drain().catch(() => {}), // it stops already
      onFatal: (error) => void this.#onFatal(error),
      makeStandIn: (standIn) => standInOf(standIn, hooks),
    });
  }

  /**
   * Listens, and resolves when clients can connect. Errors: ALREADY_STARTED, ADDRESS_IN_USE,
   * ADDRESS_NOT_AVAILABLE, ADDRESS_NOT_PERMITTED, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID, ADDON_MISSING,
   * CERTIFICATE_INVALID, HTTP_NOT_AVAILABLE, TOO_FEW_FILES, WORKER_FAILED.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new')
      throw new BrokerError('ALREADY_STARTED', 'A broker can be started only once: create another one.');
    this.#state = 'started';
    let filesNotice: string | undefined;
    try {
      const { workers, limits } = this.#config;
      filesNotice = openFilesNotice(openFilesMax(), workers, limits.connectionsMax);
      this.#address = await this.#listen();
      this.#assertNotStopped();
    } catch (error) {
      this.#release();
      this.#assertNotStopped(); // whatever else failed, that is why
      throw error;
    }
    this.#control.run();
    const { workers, limits } = this.#config;
    if (filesNotice !== undefined) this.#control.logger.warn({ openFilesMax: openFilesMax() }, filesNotice);
    const bytesMax = accountsBytesMax(limits, workers);
    this.#control.logger.info(
      { bytesMax },
      `clients can make the broker use at most ${shownBytes(bytesMax)} of memory: lower its limits if the machine has less`,
    );
    this.#control.logger.debug(
      { accounts: accountsOf(limits, workers) },
      'what this memory is for, in bytes',
    );
    this.#control.logger.info({ ...this.#address, workers, version, ...this.#control.http }, 'ready');
  }

  async #listen(): Promise<Address> {
    const { host, port, tcpPort, tlsPort, mqttsPort, listeners } = this.#config;
    const numericHost = await numericAddress(host);
    if (port !== false) await this.#claim(numericHost, port, 'port');
    if (tcpPort !== false && (tcpPort !== port || port === 0))
      await this.#claim(numericHost, tcpPort, 'tcpPort');
    if (tlsPort !== false) await this.#claim(numericHost, tlsPort, 'tlsPort');
    if (mqttsPort !== false) await this.#claim(numericHost, mqttsPort, 'mqttsPort');
    const hosts: string[] = [];
    for (const listener of listeners) {
      const own = listener.host === undefined ? '' : await numericAddress(listener.host);
      hosts.push(own);
      if (own !== '') await this.#claim(own, listener.port, 'listeners');
    }
    this.#assertNotStopped();
    return await this.#control.start(numericHost, hosts);
  }

  async #claim(host: string, port: number, option: string): Promise<void> {
    if (port !== 0) this.#claims.push(await claimPort(host, port, option));
    assertPortIsFree(host, port, option);
  }

  #assertNotStopped(): void {
    if (this.#state === 'stopped') throw stoppedWhileStarting();
  }

  #release(): void {
    for (const claim of this.#claims.splice(0)) claim.release();
  }

  /** Says goodbye to the clients (MQTT 5: DISCONNECT 0x8B) and stops. Resolves within stopMs. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /**
   * Empties the broker, and stops it: new clients are refused, `/readyz` says 503, and clients are told to go,
   * `drainClientsPerSecond` of them, with 0x8B or, where there is a `serverReference`, with 0x9C and that. Resolves when
   * it has stopped; stop() cuts it short. Errors: NOT_RUNNING.
   */
  async drain(): Promise<void> {
    if (this.#drained === undefined) this.#control.assertRunning(); // too early is not for ever
    this.#drained ??= this.#drain();
    await this.#drained;
  }

  async #drain(): Promise<void> {
    await this.#control.drain();
    const isCutShort = this.#state === 'stopped';
    await this.stop();
    if (!isCutShort) this.#tell('drained');
  }

  /** An error of a listener becomes an uncaught error of the host program; it must not end our own work. */
  #tell<Name extends Exclude<keyof BrokerEvents, 'error'>>(name: Name, ...about: BrokerEvents[Name]): void {
    try {
      // TypeScript does not see that a name and what it is about belong together.
      (this.emit as (name: Name, ...about: BrokerEvents[Name]) => boolean).call(this, name, ...about);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  async #stop(): Promise<void> {
    this.#state = 'stopped';
    await this.#control.stop();
    this.#release();
    this.#control.logger.info('stopped');
  }

  /** @internal Of one that goes on with the log of a lost node: resolves when other nodes have all that it had. */
  async giveAll(): Promise<void> {
    await this.#control.giveAll();
  }

  /** The package that serves HTTP: 'uWebSockets.js' where its binary loads, else 'node:http'. */
  get http(): string {
    return this.#control.http.http;
  }

  /** Where it listens, with the ports that were chosen for 0. Errors: NOT_RUNNING. */
  address(): Address & { readonly path: string } {
    if (this.#address === undefined)
      throw new BrokerError('NOT_RUNNING', 'The broker has not been started: await start() first.');
    return { ...this.#address, path: this.#config.path };
  }

  /**
   * Publishes from the host program; no client is needed. Resolves when the broker has the
   * message; its payload must not change before that. However much is published at once waits, in order, and takes
   * no more memory than its payloads.
   * Errors: NOT_RUNNING, HOST_PUBLISH_INVALID, HOST_PUBLISH_REFUSED.
   */
  async publish(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): Promise<void> {
    this.#control.assertRunning();
    await this.#control.host.publish(topic, payload, options);
  }

  /**
   * Calls `listener` for each message that matches the topic filter, with at most `qos` (default 1). It may return a
   * promise: a message is acknowledged when that has settled, in the order of the messages. While it is slower than
   * what comes, QoS 1 and 2 wait in the session's queue, and QoS 0 beyond `outboxBytesMax` is dropped and counted
   * (`droppedQos0`). An error of the listener is uncaught, and the message acknowledged all the same. Resolves, when the broker has the subscription, to a function that ends it. Errors: NOT_RUNNING,
   * HOST_SUBSCRIBE_INVALID.
   */
  async subscribe(filter: string, listener: MessageListener, qos: QoS = 1): Promise<() => Promise<void>> {
    this.#control.assertRunning();
    return await this.#control.host.subscribe(filter, listener, qos);
  }

  /**
   * Reads the files of `passwordFile`, `rulesFile`, `aclFile`, `apiKeysFile` and what else says who may do what again. Resolves
   * when they are in force on all workers; clients whose user is gone or has another password are ended then, and live
   * subscriptions are judged again. With `options`, all of them as `createBroker` takes them, those that differ and can change
   * while the broker runs count from then on (docs/configuration.md says which), and the others are named; functions stay
   * those that they were. Where anything is wrong nothing changes. Errors: NOT_RUNNING, CONFIG_INVALID,
   * OPEN_WITHOUT_AUTHENTICATION, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID.
   */
  async reload(options?: BrokerOptions): Promise<Reloaded> {
    if (options !== undefined) return await this.#control.reload('program', () => resolveConfig(options));
    const isCommand = this.#readConfig !== undefined;
    return await this.#control.reload(isCommand ? 'SIGHUP' : 'program', this.#readConfig);
  }

  /** Who may not connect: a list to look at, to add to and to take from. */
  get bans(): Bans {
    return this.#control.bans;
  }

  /**
   * Reads the files of the certificates now, as happens by itself when they change. New ones are checked first, and hold
   * for handshakes from then on: no connection ends. Where they are no good the old ones stay ('refused'), and the log
   * says why. Errors: NOT_RUNNING, TLS_NOT_CONFIGURED.
   */
  reloadCertificates(): Promise<ReloadOutcome> {
    return this.#control.reloadCertificates();
  }

  /** What the data plane has counted since the start, over all workers. Errors: NOT_RUNNING. */
  statistics(): Statistics {
    return this.#control.statistics();
  }

  async #onFatal(error: BrokerError): Promise<void> {
    this.#control.logger.fatal({ err: error }, 'the broker cannot go on');
    await this.stop();
    this.emit('error', error);
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

function standInOf(config: BrokerConfig, hooks: SecurityHooks): Broker {
  const broker = new Broker(config, hooks);
  broker.on('error', () => {}); // it is in the log, and whoever waits for giveAll() hears that it does not run
  return broker;
}

/** For the command, which has resolved its configuration already, and can do so again. */
export function brokerOf(config: BrokerConfig, readConfig: () => BrokerConfig): Broker {
  return new Broker(config, {}, readConfig);
}
