/**
 * Reloads (main thread): the files of users and rules, the configuration, and the certificates it names, one reload
 * after the other. Everything is read and checked before anything changes.
 *
 *   read the configuration -> compare -> read the files of users and rules, apply them -> apply live options
 */
import type { BrokerConfig } from '../config/options.ts';
import { type ConfigChange, changesOf, takeOver, withLive } from '../config/reload.ts';
import { shownValue } from '../config/shown-config.ts';
import type { AuditLog } from './audit-log.ts';

/** The options that a reload has changed, by name; limits begin with `limits.`. */
export interface Reloaded {
  /** In force from now on. */
  readonly changed: readonly string[];
  /** Changed in the configuration that was read last, and in force after a restart. */
  readonly needsRestart: readonly string[];
}

/** How many there are of each kind. */
export type AccessCounts = Readonly<Record<string, number>>;

export interface ReloadsOptions {
  /** Changed in place. */
  readonly config: BrokerConfig;
  readonly audit: AuditLog;
  /** What the files of users and rules say. */
  accessCounts(): AccessCounts;
  /** Reads them again, and resolves when they are in force. If it rejects, nothing has changed. */
  reloadAccess(): Promise<void>;
  /** Tells every part that does not read the configuration each time. */
  onChanged(names: ReadonlySet<string>): Promise<void>;
  warn(fields: Readonly<Record<string, unknown>>, sentence: string): void;
}

export class Reloads {
  readonly #options: ReloadsOptions;
  #last: Promise<unknown> = Promise.resolve();
  #needsRestart: readonly string[] = [];

  constructor(options: ReloadsOptions) {
    this.#options = options;
  }

  /** What the last reload has found that needs a restart. */
  get needsRestart(): readonly string[] {
    return this.#needsRestart;
  }

  /**
   * `by`: who requested it. `read` returns the current configuration; undefined: it cannot have changed.
   * Errors: those of `read`, CONFIG_INVALID, ACCESS_FILE_UNREADABLE, ACCESS_FILE_INVALID; then nothing has
   * changed.
   */
  reload(by: string, read: (() => BrokerConfig) | undefined): Promise<Reloaded> {
    const next = this.#last.then(() => this.#reload(by, read));
    this.#last = next.catch(() => {});
    return next;
  }

  async #reload(by: string, read: (() => BrokerConfig) | undefined): Promise<Reloaded> {
    const { config, audit } = this.#options;
    const before = this.#options.accessCounts();
    let changes: readonly ConfigChange[];
    try {
      changes = read === undefined ? [] : changesOf(config, read());
      withLive(config, changes); // for its errors
      await this.#options.reloadAccess();
    } catch (err) {
      audit.add('reloadRefused', { by, err });
      throw err;
    }
    const live = changes.filter(({ reload }) => reload === 'live');
    takeOver(config, withLive(config, changes)); // the log level may have been set meanwhile
    const changed = live.map(({ name }) => name);
    await this.#options.onChanged(new Set(changed));
    if (read !== undefined) this.#needsRestart = namesOf(changes, 'restart');
    audit.add('reloaded', {
      by,
      files: { before, after: this.#options.accessCounts() },
      options: live.map(({ name, before: old, after }) => ({
        name,
        before: shownValue(old),
        after: shownValue(after),
      })),
    });
    if (this.#needsRestart.length > 0)
      this.#options.warn({ options: this.#needsRestart }, 'changes of these options need a restart');
    return { changed, needsRestart: this.#needsRestart };
  }
}

function namesOf(changes: readonly ConfigChange[], kind: ConfigChange['reload']): string[] {
  return changes.filter(({ reload }) => reload === kind).map(({ name }) => name);
}
