/**
 * A stand-in takes over the log of a lost node (main thread): a broker in this process without clients, created from
 * the second copy of that log. It joins the cluster in place of the lost node, with its sessions, and gives
 * everything it has to the others.
 *
 *   copy --workers/stand-in.ts--> a data directory below that of this node, to which no other node appends any more
 *   start    it joins, and the lost node is out       messages published for its sessions are stored again
 *   giveAll  sessions and retained messages to the others
 *   stop     it leaves, and the stream is deleted
 *
 * If it ends before that, the next node continues with the same stream.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BrokerConfig } from '../config/options.ts';
import { standInFolderName } from '../storage/store-files.ts';
import { type KnownCluster, writeKnownCluster } from './cluster-memory.ts';
import { type LogAccess, logAccessOf } from './log-access.ts';

/** The part of a broker that a stand-in needs. */
export interface StandInBroker {
  start(): Promise<void>;
  /** Gives all sessions and retained messages to other nodes; resolves when none are left. */
  giveAll(): Promise<void>;
  stop(): Promise<void>;
}

/** The start parameters of the thread that creates the directory. */
export interface CopyStart {
  readonly access: LogAccess;
  readonly stream: string;
  readonly directory: string;
}

/** Undefined: everything is there. Otherwise a sentence. */
export interface Copied {
  readonly refusal: string | undefined;
}

export interface StandInOptions {
  readonly config: BrokerConfig;
  /** Of this node. */
  readonly directory: string;
  readonly stream: string;
  /** The lost node's name and incarnation, if it is still in the cluster. */
  readonly lost: { readonly name: string; readonly incarnation: number } | undefined;
  readonly known: KnownCluster;
  makeBroker(config: BrokerConfig): StandInBroker;
}

export class StandIn {
  readonly #options: StandInOptions;
  readonly #directory: string;
  #copying: Worker | undefined;
  #broker: StandInBroker | undefined;
  #isStopped = false;

  constructor(options: StandInOptions) {
    this.#options = options;
    this.#directory = join(options.directory, standInFolderName, options.stream);
  }

  /** Resolves when it is in the cluster. Rejects: there will be no stand-in. */
  async start(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
    this.#assertRuns();
    await this.#copy();
    this.#assertRuns(); // stop() may be removing the directory
    const { known, stream, makeBroker } = this.#options;
    writeKnownCluster(this.#directory, { ...known, stream });
    const broker = makeBroker(this.#config());
    this.#broker = broker;
    await broker.start();
  }

  /** Resolves when nothing is left. Rejects: it has ended early. */
  async giveAll(): Promise<void> {
    await this.#broker?.giveAll();
    this.#assertRuns();
    await this.stop();
  }

  /** Its directory is of no use then: the next stand-in continues with the stream. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#copying?.terminate();
    await this.#broker?.stop().catch(() => {}); // it has ended already, or could not start: its log says why
    await rm(this.#directory, { recursive: true, force: true }).catch(() => {}); // start() removes it, or says why not
  }

  #assertRuns(): void {
    if (this.#isStopped) throw new Error('it was stopped');
  }

  async #copy(): Promise<void> {
    const { config, stream } = this.#options;
    const start: CopyStart = { access: logAccessOf(config), stream, directory: this.#directory };
    const worker = new Worker(new URL('../../workers/stand-in.js', import.meta.url), { workerData: start });
    this.#copying = worker;
    const { refusal } = await new Promise<Copied>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the thread that copies the log has ended')));
    });
    if (refusal !== undefined) throw new Error(refusal);
  }

  /** Without ports for clients. */
  #config(): BrokerConfig {
    const { config, lost, stream } = this.#options;
    const of = lost === undefined ? stream : `${lost.name.slice(0, 40)}-${lost.incarnation}`;
    return {
      ...config,
      port: false,
      tcpPort: false,
      tlsPort: false,
      mqttsPort: false,
      listeners: [],
      tlsCertificates: [],
      workers: 1,
      nodeName: `stand-in-${of}`,
      dataDirectory: this.#directory,
      banFile: undefined,
      sysIntervalSeconds: 0,
      standsFor: lost?.incarnation ?? 0,
    };
  }
}
