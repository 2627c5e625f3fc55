/**
 * The data plane from the main thread's point of view: its broker in the addon, created from the store or as
 * a node of a cluster, and the supervisor of its workers. When a cluster evicts its node, both are created
 * again.
 *
 *   rules -> join the cluster | open and read the store -> addon.createBroker() -> Supervisor -> workers listen
 */
import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerError, stoppedWhileStarting } from '../broker-error.ts';
import { type KnownCluster, readKnownCluster } from '../cluster/cluster-memory.ts';
import { Superseded, setLogAside } from '../cluster/superseded.ts';
import type { BrokerConfig } from '../config/options.ts';
import { takeOver } from '../config/reload.ts';
import { type Addon, loadAddon, type StoreState } from '../data-plane/addon.ts';
import { closeRecovering, serveRecovering } from '../http/recovering-server.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';
import { keepsData } from '../storage/keeps-data.ts';
import { Store } from '../storage/store.ts';
import { messageOf } from '../system-reason.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import type { ClusterControl } from './cluster-control.ts';
import { portError } from './free-port.ts';
import type { Logger } from './logger.ts';
import type { ToWorker } from './messages.ts';
import { type Address, Supervisor, type TlsSource, type WorkerEvents } from './supervisor.ts';

export interface DataPlaneOptions {
  readonly config: BrokerConfig;
  readonly version: string;
  readonly logger: Logger;
  readonly tls: TlsSource;
  readonly directory: SessionDirectory;
  readonly cluster: ClusterControl | undefined;
  readonly events: WorkerEvents;
  /** The broker is running, and not being stopped. */
  isRunning(): boolean;
  /**
   * As encodeRuleBook() returns them; undefined: no rules. Errors: ACCESS_FILE_UNREADABLE,
   * ACCESS_FILE_INVALID.
   */
  firstRules(): Uint8Array | undefined;
  /** The node has joined its cluster, and the keys of its sessions have changed. */
  onJoined(): void;
  /** There is a supervisor; its workers are about to be started. */
  onSupervisor(supervisor: Supervisor): void;
}

/** Where the workers listen. */
export interface ListeningPlace {
  readonly numericHost: string;
  /** The configured listeners' addresses, numeric. */
  readonly listenerHosts: readonly string[];
  readonly httpSocket: string;
}

/** Before a node tries to join its cluster again. Each attempt waits for NATS itself. */
const tryAgainMs = 1_000;

export class DataPlane {
  readonly #options: DataPlaneOptions;
  #supervisor: Supervisor | undefined;
  #store: Store | undefined;
  #place: ListeningPlace | undefined;
  /** With the ports that were assigned. */
  #address: Address | undefined;
  /** Of all workers so far. */
  #starts = 0;
  /** While workers are started: their incarnation is over already, or the broker stops. */
  #giveUpStart: (() => void) | undefined;
  #isStopped = false;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
  }

  /** Undefined: no worker has been started yet, or the node is joining its cluster again. */
  get supervisor(): Supervisor | undefined {
    return this.#supervisor;
  }

  get storeState(): StoreState {
    return this.#store?.state ?? 'open';
  }

  /** See Supervisor.send(). */
  send(worker: number, message: ToWorker, moved?: Uint8Array<ArrayBuffer>): boolean {
    return this.#supervisor?.send(worker, message, moved) ?? false;
  }

  /** To all workers that run. */
  broadcast(message: ToWorker): void {
    this.#supervisor?.broadcast(message);
  }

  /** Resolves when clients can connect. Errors: those of Broker.start(). */
  async start(place: ListeningPlace): Promise<Address> {
    const address = await this.#startIncarnation(place);
    this.#place = place;
    this.#address = address;
    return address;
  }

  /** A start under way fails then. */
  async stop(reasonCode: number): Promise<void> {
    this.#isStopped = true;
    this.#giveUpStart?.();
    await this.#supervisor?.stop(reasonCode);
    await this.#options.cluster?.stopReplication();
  }

  /**
   * To the other nodes, this incarnation's workers and sessions no longer exist. So clients are disconnected,
   * and find a node that has joined anew when they come back. Resolves when they can; false: whoever was starting the
   * incarnation starts the next one.
   */
  async joinAgain(): Promise<boolean> {
    if (this.#giveUpStart !== undefined) {
      this.#giveUpStart();
      return false;
    }
    await this.#replaceIncarnation();
    return true;
  }

  async #replaceIncarnation(): Promise<void> {
    const { config, logger, events, isRunning } = this.#options;
    try {
      await this.#stopIncarnation();
      if (this.#place === undefined || this.#address === undefined || !isRunning()) return;
      takeOver(config, withPortsOf(config, this.#address));
      await this.#startOnceReachable(this.#place);
      if (!isRunning()) {
        await this.#stopIncarnation();
        return;
      }
      for (let worker = 0; worker < config.workers; worker++) events.onWorkerRestarted(worker);
    } catch (cause) {
      if (!isRunning()) return;
      logger.error({ err: cause }, 'the node could not join its cluster again');
      const message = 'The node could not join its cluster again; see the log above.';
      events.onFatal(
        cause instanceof BrokerError ? cause : new BrokerError('CLUSTER_NOT_REACHABLE', message, { cause }),
      );
    }
  }

  async #stopIncarnation(): Promise<void> {
    const { config, events } = this.#options;
    const supervisor = this.#supervisor;
    await supervisor?.stop(ReasonCode.serverShuttingDown);
    this.#starts = supervisor?.starts ?? this.#starts;
    this.#supervisor = undefined; // its broker no longer exists
    await this.#options.cluster?.stopReplication();
    for (let worker = 0; worker < config.workers; worker++) events.onWorkerLost(worker);
  }

  /** Tries again for as long as NATS is away. */
  async #startOnceReachable(place: ListeningPlace): Promise<void> {
    const { logger, isRunning } = this.#options;
    for (;;) {
      try {
        await this.#startIncarnation(place);
        return;
      } catch (error) {
        if (!isRunning() || !isNotReachable(error)) throw error;
        logger.error(
          { reason: messageOf(error) },
          'the node cannot join its cluster again yet, and goes on trying',
        );
      }
      await this.#stopIncarnation();
      await delay(tryAgainMs);
    }
  }

  /** Starts one, and others if the cluster has removed it before its clients could connect. */
  async #startIncarnation(place: ListeningPlace): Promise<Address> {
    for (;;) {
      if (this.#isStopped) throw stoppedWhileStarting();
      let isOver = false;
      const over = new Promise<void>((resolve) => {
        this.#giveUpStart = () => {
          isOver = true;
          resolve();
        };
      });
      try {
        const address = await this.#startWorkers(place, over);
        if (!isOver) return address;
      } catch (error) {
        if (!isOver || this.#isStopped) {
          await this.#options.cluster?.stopReplication();
          throw error;
        }
      } finally {
        this.#giveUpStart = undefined;
      }
      await this.#stopIncarnation();
    }
  }

  /** Does not wait for the other nodes once its incarnation is over. */
  async #startWorkers(
    { numericHost, listenerHosts, httpSocket }: ListeningPlace,
    over: Promise<void>,
  ): Promise<Address> {
    const { config, version, logger, tls, events, cluster } = this.#options;
    const addon = loadAddon();
    const broker = await this.#openBroker(addon, numericHost);
    if (this.#isStopped) {
      addon.destroyBroker(broker);
      throw stoppedWhileStarting();
    }
    const supervisor = new Supervisor(
      addon,
      broker,
      config,
      version,
      logger,
      tls,
      events,
      undefined,
      (worker) => cluster?.workerStart(worker),
      this.#starts,
    );
    this.#supervisor = supervisor;
    this.#options.onSupervisor(supervisor);
    const address = await supervisor.start(numericHost, httpSocket, listenerHosts);
    await Promise.race([over, Promise.all([cluster?.heard, cluster?.whole])]);
    return address;
  }

  /**
   * Creates the broker in the addon, from its store if it has one. Errors: those of Store.open() and
   * ClusterControl.join().
   */
  async #openBroker(addon: Addon, host: string): Promise<number> {
    const { config, logger, directory, cluster, events } = this.#options;
    const { limits, workers } = config;
    const rules = this.#options.firstRules(); // invalid files are found before the store is read
    const dataPlaneRules = { ...config, ...limits };
    if (cluster !== undefined && !keepsData(config)) {
      const place = await cluster.join(undefined);
      directory.restore(place.incarnation);
      this.#options.onJoined();
      return addon.createBroker(workers, dataPlaneRules, place);
    }
    if (!keepsData(config)) return addon.createBroker(workers, dataPlaneRules);
    const store = new Store(addon, config, logger, (error) => events.onFatal(error));
    const known = readKnownCluster(store.directory);
    if (known !== undefined && cluster === undefined) throw ofCluster(store.directory, known);
    store.open();
    this.#store = store;
    const server = await this.#serveRecovering(store, host);
    try {
      if (cluster !== undefined) return await this.#recoverNode(store, known, rules, cluster);
      const { broker, recovered } = await store.recover(rules);
      directory.restore(recovered.run, recovered.sessions);
      return broker;
    } catch (error) {
      // A stand-in without the log would take the place of the lost node, with nothing.
      if (!(error instanceof Superseded) || config.standsFor !== undefined) throw error;
      logger.warn(
        { directory: store.directory },
        'other nodes have taken over what is in the data directory: this node starts with an empty one',
      );
      setLogAside(store.directory);
    } finally {
      if (server !== undefined) await closeRecovering(server);
    }
    return await this.#openBroker(addon, host);
  }

  /** Errors: those of assertPortIsFree(), if somebody has taken the port since. */
  async #serveRecovering(store: Store, host: string): Promise<Server | undefined> {
    const { port } = this.#options.config;
    if (port === false) return undefined;
    try {
      return await serveRecovering(host, port, () => store.progress);
    } catch (cause) {
      store.abandon();
      throw portError(cause as NodeJS.ErrnoException, host, port, 'port');
    }
  }

  /** The node joins with its data, which it reads first so that the others need not wait for that. */
  async #recoverNode(
    store: Store,
    known: KnownCluster | undefined,
    rules: Uint8Array | undefined,
    cluster: ClusterControl,
  ): Promise<number> {
    const { config, directory } = this.#options;
    try {
      const { runs, sessions } = await store.read();
      directory.restore(0, sessions); // the others hear of them as soon as it has joined
      const alone = { clusterName: config.clusterName, keys: undefined, epoch: 0, incarnation: runs };
      const data = {
        directory: store.directory,
        known: known ?? (runs > 0 ? alone : undefined),
        log: store.log,
        isEmpty: runs === 0,
      };
      const place = await cluster.join(data);
      directory.setRun(place.incarnation);
      const { broker } = await store.recover(rules, place);
      await cluster.replicate(broker);
      this.#options.onJoined();
      return broker;
    } catch (error) {
      store.abandon();
      throw error;
    }
  }
}

/** A BrokerError, also of another thread. */
function isNotReachable(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 'CLUSTER_NOT_REACHABLE';
}

function ofCluster(directory: string, { clusterName }: KnownCluster): BrokerError {
  return new BrokerError(
    'STORE_NOT_USABLE',
    `The data directory ${directory} belongs to a node of the cluster ${clusterName}: set the option cluster, or use another directory and transfer the data with rallymq store export and import.`,
  );
}

/** The same ports as before. */
function withPortsOf(config: BrokerConfig, address: Address): BrokerConfig {
  const { port, tcpPort, tlsPort, mqttsPort } = address;
  const listeners = config.listeners.map((listener, index) => ({
    ...listener,
    port: address.listeners[index]?.port ?? listener.port,
  }));
  return { ...config, port: port === 0 ? false : port, tcpPort, tlsPort, mqttsPort, listeners };
}
