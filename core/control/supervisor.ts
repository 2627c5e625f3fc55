/**
 * Starts, restarts and stops the workers (main thread). A worker that ended in an orderly way is started
 * again and takes over its sessions, subscriptions and retained messages, which survive in the data plane.
 */
import { Worker } from 'node:worker_threads';
import {
  BrokerError,
  type BrokerErrorCode,
  isBrokerErrorCode,
  stoppedWhileStarting,
} from '../broker-error.ts';
import type { ListenerConfig } from '../config/listeners.ts';
import type { BrokerConfig } from '../config/options.ts';
import { type Addon, type TimeName, type Times, type TlsMaterial, timesOf } from '../data-plane/addon.ts';
import type { Logger } from './logger.ts';
import type { ListenerPlace, ToMain, ToWorker, WorkerCluster, WorkerStart } from './messages.ts';
import { Outgoing } from './outgoing.ts';
import { type Posted, readToMain, writeToWorker } from './posted.ts';
import { UnixSocket } from './unix-socket.ts';

/** Events of the workers. */
export interface WorkerEvents {
  onMessage(worker: number, message: ToMain): void;
  /** The worker has ended, and its clients' connections with it. */
  onWorkerLost(worker: number): void;
  /** The worker runs again. */
  onWorkerRestarted(worker: number): void;
  /** A worker cannot be kept running: the broker must end. */
  onFatal(error: BrokerError): void;
}

export interface Address {
  readonly host: string;
  /** 0: it listens on no port. */
  readonly port: number;
  readonly tcpPort: number | false;
  /** Of wss, https and mqtts. */
  readonly tlsPort: number | false;
  /** For mqtts alone. */
  readonly mqttsPort: number | false;
  /** In the order of the configuration. */
  readonly listeners: readonly ListenerAddress[];
}

/** The address of a listener: a port, or a Unix socket. */
export interface ListenerAddress {
  readonly name: string;
  readonly tls: boolean;
  readonly host?: string;
  readonly port?: number;
  readonly socket?: string;
}

/** The workers' current TLS material. */
export interface TlsSource {
  readonly material: TlsMaterial | undefined;
  readonly ticketKeys: Uint8Array;
}

/** A worker's thread, as far as the supervisor knows it. */
export interface WorkerThread {
  postMessage(posted: Posted<ToWorker>[], moved: ArrayBuffer[]): void;
  on(event: 'message', listener: (posted: Posted<ToMain>[]) => void): this;
  once(event: 'error', listener: (error: Error) => void): this;
  once(event: 'exit', listener: () => void): this;
}

/** After this many restarts of one worker within a minute, the fault is one that restarts do not cure. */
const restartsPerMinuteMax = 5;

/**
 * A worker's JavaScript creates little garbage, nearly all of it in storms of CONNECTs. With the nursery size
 * that V8 would choose, memory would grow and never be returned. `npm start` and the command set the same
 * size for the main thread.
 */
const maxYoungGenerationSizeMb = 3;

export class Supervisor {
  readonly #addon: Addon;
  readonly #broker: number;
  readonly #config: BrokerConfig;
  readonly #version: string;
  readonly #logger: Logger;
  readonly #events: WorkerEvents;
  readonly #tls: TlsSource;
  readonly #makeThread: (start: WorkerStart) => WorkerThread;
  readonly #cluster: (worker: number) => WorkerCluster | undefined;
  readonly #workers: (WorkerThread | undefined)[] = [];
  readonly #outgoing: Outgoing<ToWorker>[] = [];
  readonly #restarts: number[][] = [];
  #starts = 0;
  #isStopping = false;
  #address: Address | undefined;
  #httpSocket = '';
  #places: readonly ListenerPlace[] = [];
  readonly #sockets: UnixSocket[] = [];

  /** `broker`: of the addon; the supervisor destroys it in the end. */
  constructor(
    addon: Addon,
    broker: number,
    config: BrokerConfig,
    version: string,
    logger: Logger,
    tls: TlsSource,
    events: WorkerEvents,
    makeThread: (start: WorkerStart) => WorkerThread = startThread,
    cluster: (worker: number) => WorkerCluster | undefined = () => undefined,
    startsBefore = 0,
  ) {
    this.#cluster = cluster;
    this.#starts = startsBefore;
    this.#tls = tls;
    this.#addon = addon;
    this.#config = config;
    this.#version = version;
    this.#logger = logger;
    this.#events = events;
    this.#makeThread = makeThread;
    this.#broker = broker;
  }

  /** From encodeRuleBook(). In force once the workers have adopted them. */
  setRules(rules: Uint8Array): void {
    this.#addon.setRules(this.#broker, rules);
  }
  /** Whether the last rules allow this to a client, identified by encodeAccess(). */
  mayPublish(access: Uint8Array, topic: string): boolean {
    return this.#addon.mayPublish(this.#broker, access, topic);
  }
  mayReceive(access: Uint8Array, topic: string): boolean {
    return this.#addon.mayReceive(this.#broker, access, topic);
  }

  get counters(): number[] {
    return this.#addon.readCounters(this.#broker);
  }

  times(name: TimeName): Times {
    return timesOf(this.#addon, this.#broker, name);
  }

  /**
   * Starts all workers on `host`, a numeric address, with the HTTP server behind them on `httpSocket`.
   * `listenerHosts`: numeric addresses of the configured listeners. Errors: those the workers report,
   * ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE.
   */
  async start(host: string, httpSocket: string, listenerHosts: readonly string[] = []): Promise<Address> {
    this.#httpSocket = httpSocket;
    const descriptors: number[] = [];
    const chosen = <Port extends number | false>(port: Port, where = host): Port | number => {
      if (port !== 0) return port;
      const [descriptor, freePort] = this.#addon.bindPort(where, 0, true);
      descriptors.push(descriptor);
      return freePort;
    };
    try {
      const places: ListenerPlace[] = [];
      for (const [index, listener] of this.#config.listeners.entries())
        places.push(await this.#placeOf(listener, listenerHosts[index] ?? host, chosen));
      this.#places = places;
      this.#assertNotStopping();
      const address: Address = {
        host,
        port: chosen(this.#config.port) || 0,
        tcpPort: chosen(this.#config.tcpPort),
        tlsPort: chosen(this.#config.tlsPort),
        mqttsPort: chosen(this.#config.mqttsPort),
        listeners: this.#config.listeners.map((listener, index) => addressOf(listener, places[index])),
      };
      await Promise.all(
        Array.from({ length: this.#config.workers }, (_, index) => this.#startWorker(index, address)),
      );
      this.#assertNotStopping();
      this.#address = address;
      for (const [index, worker] of this.#workers.entries())
        if (worker === undefined) this.#lose(index, address);
      return address;
    } catch (error) {
      await this.stop(0);
      throw error;
    } finally {
      for (const descriptor of descriptors) this.#addon.releasePort(descriptor);
    }
  }

  /** stop() was called while start() waited. */
  #assertNotStopping(): void {
    if (this.#isStopping) throw stoppedWhileStarting();
  }

  async #placeOf(
    { port, socket }: ListenerConfig,
    host: string,
    chosen: (port: number, where: string) => number,
  ): Promise<ListenerPlace> {
    if (socket === undefined) return { host, port: chosen(port, host), descriptor: undefined };
    const open = await UnixSocket.open(this.#addon, socket);
    this.#sockets.push(open);
    return { host, port: 0, descriptor: open.descriptor };
  }

  /**
   * False if the worker does not run. A message to a worker that is ending is lost; its successor reports
   * which sessions it has, and then the caller can repeat the message. `moved`: see Outgoing.
   */
  send(worker: number, message: ToWorker, moved?: Uint8Array<ArrayBuffer>): boolean {
    if (this.#workers[worker] === undefined) return false;
    this.#outgoing[worker]?.send(message, moved);
    return true;
  }

  /** How many workers were ever started, for the next supervisor. */
  get starts(): number {
    return this.#starts;
  }

  get running(): number[] {
    return [...this.#workers.keys()].filter((worker) => this.#workers[worker] !== undefined);
  }

  /** To all workers that run. */
  broadcast(message: ToWorker): void {
    for (const worker of this.#workers.keys()) this.send(worker, message);
  }

  /** Stops all workers in an orderly way; those that take longer than stopMs end with the process. */
  async stop(reasonCode: number): Promise<void> {
    this.#isStopping = true;
    const { stopMs } = this.#config.limits;
    const running = this.#workers.filter((worker) => worker !== undefined);
    const exits = running.map(
      (worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())),
    );
    this.broadcast({ type: 'stop', reasonCode });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), stopMs);
    });
    const outcome = await Promise.race([Promise.all(exits), timeout]);
    clearTimeout(timer);
    if (outcome === 'late') this.#logger.warn({ stopMs }, 'a worker did not stop in time');
    else this.#addon.destroyBroker(this.#broker);
    for (const socket of this.#sockets.splice(0)) socket.close();
  }

  #startWorker(index: number, address: Address): Promise<WorkerThread> {
    const worker = this.#makeThread({
      broker: this.#broker,
      worker: index,
      version: this.#version,
      config: this.#config,
      startedBefore: this.#starts++,
      cluster: this.#cluster(index),
    });
    this.#workers[index] = worker;
    this.#outgoing[index] = new Outgoing<ToWorker>(
      (posted, moved) => worker.postMessage(posted, moved),
      writeToWorker,
    );
    return new Promise((resolve, reject) => {
      const take = (message: ToMain): void => {
        if (message.type === 'listening') resolve(worker);
        if (message.type === 'failed') {
          this.#logger.error({ worker: index, err: message.message }, 'a worker failed');
          reject(new BrokerError(message.code as BrokerErrorCode, message.message));
        }
        this.#events.onMessage(index, message);
      };
      worker.on('message', (posted) => readToMain(posted, take));
      worker.once('error', (err) => {
        this.#logger.error({ worker: index, err }, 'a worker failed');
        reject(startError(index, err));
      });
      worker.once('exit', () => {
        reject(new BrokerError('WORKER_FAILED', `Worker ${index} ended while it was starting.`));
        this.#onExit(index, worker);
      });
      const { material: tls, ticketKeys } = this.#tls;
      this.send(index, {
        type: 'listen',
        ...address,
        tls,
        ticketKeys,
        httpSocket: this.#httpSocket,
        listeners: this.#places,
      });
    });
  }

  #onExit(index: number, worker: WorkerThread): void {
    if (this.#workers[index] !== worker) return;
    this.#workers[index] = undefined;
    if (this.#isStopping || this.#address === undefined) return; // while the broker starts, start() handles this
    this.#lose(index, this.#address);
  }

  #lose(index: number, address: Address): void {
    this.#events.onWorkerLost(index);
    void this.#restart(index, address);
  }

  async #restart(index: number, address: Address): Promise<void> {
    const now = Date.now();
    const recent = (this.#restarts[index] ?? []).filter((at) => now - at < 60_000);
    this.#restarts[index] = [...recent, now];
    if (recent.length >= restartsPerMinuteMax) {
      this.#events.onFatal(
        new BrokerError('WORKER_FAILED', `Worker ${index} keeps failing; see the log above.`),
      );
      return;
    }
    try {
      const worker = await this.#startWorker(index, address);
      // It may have ended in the turn in which it reported that it listens: then its successor is already being
      // started.
      if (this.#workers[index] !== worker) return;
      this.#logger.warn({ worker: index }, 'a worker was restarted');
      this.#events.onWorkerRestarted(index);
    } catch (cause) {
      this.#logger.error({ worker: index, err: cause }, 'a worker could not be restarted');
    }
  }
}

function addressOf({ name, tls, socket }: ListenerConfig, place: ListenerPlace | undefined): ListenerAddress {
  if (socket !== undefined) return { name, tls, socket };
  return { name, tls, ...(place === undefined ? {} : { host: place.host, port: place.port }) };
}

function startThread(start: WorkerStart): WorkerThread {
  return new Worker(new URL('../../workers/data-plane.js', import.meta.url), {
    workerData: start,
    resourceLimits: { maxYoungGenerationSizeMb },
    name: `rallymq-${start.worker}`,
    // Workers inherit Node's flags, except one: the worker is a file, whatever the program is. (A list of flags given
    // here may not contain those of V8 and of the process, so they cannot be filtered.)
    ...(process.execArgv.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {}),
  });
}

/** A BrokerError thrown in a thread arrives as a plain Error with its code. */
function startError(worker: number, cause: Error & { code?: unknown }): BrokerError {
  if (isBrokerErrorCode(cause.code)) return new BrokerError(cause.code, cause.message, { cause });
  return new BrokerError('WORKER_FAILED', `Worker ${worker} did not start: ${cause.message}`, { cause });
}
