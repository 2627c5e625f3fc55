/**
 * The store of a broker: its data directory, opened and read before the workers start. Its content and format
 * are native (native/log/, native/durable/); this file adds sentences, progress and log lines for people.
 */
import { resolve } from 'node:path';
import { BrokerError, type BrokerErrorCode } from '../broker-error.ts';
import type { BrokerConfig } from '../config/options.ts';
import type { Logger } from '../control/logger.ts';
import type {
  Addon,
  ClusterPlace,
  RecoveredSessions,
  RecoveredStore,
  StoreFault,
  StoreState,
} from '../data-plane/addon.ts';
import { systemReason } from '../system-reason.ts';
import { removeLeftCopies } from './backup.ts';
import { makeDirectory } from './make-directory.ts';
import { isIncomplete, whyIncomplete } from './store-files.ts';

/** What has been read while a broker starts. */
export interface RecoveryProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface OpenStore {
  /** The number of the broker in the addon. */
  readonly broker: number;
  readonly recovered: RecoveredStore;
}

const progressMs = 1_000;
/** A line for each part up to here; a disk that fails may damage thousands. */
const damageLinesMax = 20;

const warnings: Readonly<Record<string, string>> = {
  memoryFileSystem: 'the data directory is in memory (tmpfs): its contents are lost when the machine stops',
  networkFileSystem: 'the data directory is on a network file system: locks and syncs may not be reliable',
  overlayFileSystem:
    'the data directory is in a layer of a container: mount a volume, or it is lost with the container',
};

const faultCodes: Readonly<Record<StoreFault, BrokerErrorCode>> = {
  held: 'STORE_IN_USE',
  newerFormat: 'STORE_TOO_NEW',
  notUsable: 'STORE_NOT_USABLE',
};

export class Store {
  readonly #addon: Addon;
  readonly #config: BrokerConfig;
  readonly #logger: Logger;
  readonly #directory: string;
  readonly #onFailed: (error: BrokerError) => void;
  #broker = 0;
  #log = '';
  #state: StoreState = 'open';

  /** `onFailed`: the disk has failed, and nothing more is acknowledged: the process must end. */
  constructor(addon: Addon, config: BrokerConfig, logger: Logger, onFailed: (error: BrokerError) => void) {
    this.#addon = addon;
    this.#config = config;
    this.#logger = logger;
    this.#directory = resolve(String(config.dataDirectory));
    this.#onFailed = onFailed;
  }

  get state(): StoreState {
    return this.#state;
  }

  get progress(): RecoveryProgress {
    return this.#addon.storeProgress(this.#broker);
  }

  /** Errors: STORE_IN_USE, STORE_TOO_NEW, STORE_NOT_USABLE. */
  open(): void {
    const { durability, limits, workers } = this.#config;
    try {
      makeDirectory(this.#directory);
    } catch (cause) {
      throw new BrokerError('STORE_NOT_USABLE', this.#sentence('notUsable', systemReason(cause)), {
        cause,
      });
    }
    const opened = this.#addon.openStore(this.#directory, durability, workers, {
      ...limits,
      isReplicated: this.#config.replicas > 1,
      onStoreState: (state, why) => this.#onState(state, why),
    });
    if ('fault' in opened)
      throw new BrokerError(faultCodes[opened.fault], this.#sentence(opened.fault, opened.detail));
    this.#broker = opened.broker;
    if (isIncomplete(this.#directory)) {
      this.abandon();
      throw new BrokerError('STORE_NOT_USABLE', this.#sentence('notUsable', whyIncomplete));
    }
    this.#log = opened.log;
    removeLeftCopies(this.#addon, this.#directory).catch(() => {}); // the next check tries again
    const warning = warnings[opened.warning];
    if (warning !== undefined) this.#logger.warn({ directory: this.#directory }, warning);
  }

  /** The number of the broker in the addon. */
  get broker(): number {
    return this.#broker;
  }
  /** The identity of the log: see Addon.openStore(). */
  get log(): string {
    return this.#log;
  }

  get directory(): string {
    return this.#directory;
  }

  /** For a cluster node, before it joins: reads the store. `runs`: how often a broker has started with it. */
  async read(): Promise<{ readonly runs: number; readonly sessions: RecoveredSessions }> {
    const { workers, limits } = this.#config;
    return await this.#withProgress(() =>
      this.#addon.readStore(this.#broker, workers, { ...this.#config, ...limits }),
    );
  }

  /** Reads the store, unless that is done, and makes the broker. `rules`: from encodeRuleBook(). */
  async recover(rules: Uint8Array | undefined, place?: ClusterPlace): Promise<OpenStore> {
    const { workers, limits } = this.#config;
    const startedAtMs = performance.now();
    const dataPlaneRules = { ...this.#config, ...limits };
    const recovered = await this.#withProgress(() =>
      this.#addon.recoverStore(this.#broker, workers, dataPlaneRules, rules, place),
    );
    this.#tell(recovered, performance.now() - startedAtMs);
    return { broker: this.#broker, recovered };
  }

  /** Logs a line per second meanwhile. */
  async #withProgress<Result>(read: () => Promise<Result>): Promise<Result> {
    const timer = setInterval(() => {
      const { bytesDone, bytesTotal } = this.progress;
      this.#logger.info({ bytesDone, bytesTotal }, 'reading the store');
    }, progressMs);
    try {
      return await read();
    } finally {
      clearInterval(timer);
    }
  }

  /** It was opened, but no broker was made of it. */
  abandon(): void {
    this.#addon.destroyBroker(this.#broker);
  }

  #tell({ sessions, damage, lostDeliveries, unknownRecords }: RecoveredStore, tookMs: number): void {
    const directory = this.#directory;
    const parts = damage.filter(({ isKnown }) => !isKnown);
    for (const part of parts.slice(0, damageLinesMax))
      this.#logger.error(
        { directory, ...part },
        part.setAside === ''
          ? 'a part of the store is lost or damaged; the rest is used'
          : 'a part of the store is damaged; it is set aside, and the rest is used',
      );
    const more = parts.length - damageLinesMax;
    if (more > 0)
      this.#logger.error(
        { directory, parts: more },
        'more parts of the store are damaged: `rallymq store check` lists them',
      );
    if (lostDeliveries > 0)
      this.#logger.error(
        { lostDeliveries },
        'queued messages of sessions are lost, or there is no room for them',
      );
    if (unknownRecords > 0)
      this.#logger.warn({ unknownRecords }, 'some records of the store are unknown and were skipped');
    const { durability } = this.#config;
    const details = { directory, durability, sessions: sessions.keys.length, tookMs: Math.round(tookMs) };
    this.#logger.info(details, 'the store is open');
  }

  #onState(state: StoreState, why: string): void {
    this.#state = state;
    const directory = this.#directory;
    if (state === 'failed') {
      this.#onFailed(
        new BrokerError(
          'STORE_FAILED',
          `The disk of ${directory} has failed, nothing more is acknowledged: ${why}.`,
        ),
      );
    } else if (state === 'open') {
      this.#logger.info({ directory, why }, 'the disk has free space again');
    } else if (state === 'scarce') {
      this.#logger.warn({ directory, why }, 'the disk is almost full');
    } else {
      this.#logger.error({ directory, why }, 'the disk is full: messages that have to be stored are refused');
    }
  }

  #sentence(fault: StoreFault, detail: string): string {
    const directory = this.#directory;
    switch (fault) {
      case 'held':
        return `The data directory ${directory} is in use by another broker (${detail}); stop that one, or give this one its own with the option dataDirectory.`;
      case 'newerFormat':
        return `The data directory ${directory} was written by a newer version of RallyMQ (${detail}); use that, or another directory with the option dataDirectory.`;
      case 'notUsable':
        return unusableDirectory(directory, detail);
    }
  }
}

export function unusableDirectory(directory: string, detail: string): string {
  const reason = detail.charAt(0).toLowerCase() + detail.slice(1);
  return `The data directory ${directory} cannot be used (${reason}); give another one with the option dataDirectory, or none to keep everything in memory.`;
}
