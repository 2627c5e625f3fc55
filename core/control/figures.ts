/**
 * The figures of the broker (main thread): the counts of the data plane, the session directory and the
 * streams, for the embedding API, the HTTP API, the metrics and `$SYS`.
 */
import { getHeapStatistics } from 'node:v8';
import { type CounterName, counterNames } from '../data-plane/addon.ts';
import type { EventStreams } from '../http/sse/event-streams.ts';
import type { AuthenticationCount } from '../security/authenticator.ts';
import type { SessionDirectory } from '../sessions/session-directory.ts';
import type { ClientCounts } from '../statistics/client-counts.ts';
import { metricFamilies } from '../statistics/metric-families.ts';
import { type Family, type MetricsFormat, MetricsText } from '../statistics/metrics-text.ts';
import { residentBytes } from '../statistics/process-memory.ts';
import type { BrokerSample } from '../statistics/sys-topics.ts';
import type { TlsKeeper } from '../tls/tls-keeper.ts';
import type { ClusterControl } from './cluster-control.ts';
import type { Supervisor } from './supervisor.ts';

/**
 * What the data plane has counted since the start, as explained in native/counters.h. Also the number of
 * clients refused for any reason, and of those refused because of `sessionsMax`.
 */
export type Statistics = Readonly<
  Record<CounterName | 'clientsRefused' | 'sessionsRefused' | CertificateFigure, number>
>;

/**
 * How often certificates were renewed while the broker was running, and how often new ones were rejected. The
 * days until the first one expires, negative if it has; 0 without TLS.
 */
type CertificateFigure = 'certificateReloads' | 'certificateReloadsRefused' | 'certificateDaysLeft';

const withoutTls: Readonly<Record<CertificateFigure, number>> = {
  certificateReloads: 0,
  certificateReloadsRefused: 0,
  certificateDaysLeft: 0,
};

export interface FiguresOptions {
  readonly version: string;
  readonly directory: SessionDirectory;
  readonly counts: ClientCounts;
  readonly streams: EventStreams;
  readonly tls: TlsKeeper | undefined;
  readonly cluster: ClusterControl | undefined;
  /** Errors: NOT_RUNNING. */
  running(): Supervisor;
  clientsRefused(): number;
  authentications(): readonly AuthenticationCount[];
  /** Why the broker cannot do everything it should, though it runs; undefined: it can. */
  trouble(): string | undefined;
}

/** The broker at a glance. All that it counts is since the start. */
export interface Overview {
  readonly stats: Readonly<Record<string, number>>;
  readonly threads: {
    /** That the main thread has worked. */
    readonly mainSeconds: number;
    /** The upper bounds of the buckets of turns; one more bucket has none. */
    readonly turnBoundsUs: readonly number[];
    /** Turns of the event loop of each, by how long they took, and the seconds of all of them. */
    readonly workers: readonly { readonly turns: readonly number[]; readonly seconds: number }[];
  };
  /** Why it cannot do everything it should; null: it can. */
  readonly trouble: string | null;
  readonly isInCluster: boolean;
}

export class Figures {
  readonly #options: FiguresOptions;
  readonly #metricsText = new MetricsText();
  #startedAtMs = 0;
  /** Since 1970: measured once, or it would change with the clock, and look like a restart. */
  #startedAtSeconds = 0;

  constructor(options: FiguresOptions) {
    this.#options = options;
  }

  /** Clients can connect from now on. */
  start(): void {
    this.#startedAtMs = performance.now();
    this.#startedAtSeconds = Math.round(Date.now() / 1_000);
  }

  /** Errors: NOT_RUNNING. */
  statistics(): Statistics {
    const { directory, tls } = this.#options;
    const values = this.#options.running().counters;
    const { sessionsRefused, storageRefused: connectsRefused } = directory.counts;
    const counted = Object.fromEntries(counterNames.map((name, index) => [name, values[index] ?? 0]));
    const storageRefused = (counted['storageRefused'] ?? 0) + connectsRefused;
    return {
      ...counted,
      clientsRefused: this.#options.clientsRefused(),
      storageRefused,
      sessionsRefused,
      ...(tls?.counts ?? withoutTls),
    } as Statistics;
  }

  /** The content of `/api/statistics` and `/api/v1/stats`. Errors: NOT_RUNNING. */
  shown(): Record<string, number> {
    const { user, system } = process.cpuUsage();
    const uptimeMs = Math.round(performance.now() - this.#startedAtMs);
    const { connected, maximum } = this.#options.directory.counts;
    const clients = { clientsConnected: connected, clientsConnectedMost: maximum };
    const memoryBytes = residentBytes();
    return { ...this.statistics(), ...clients, memoryBytes, uptimeMs, cpuUs: user + system };
  }

  /** What the dashboard shows first. Errors: NOT_RUNNING. */
  overview(): Overview {
    const { boundsUs, distributions } = this.#options.running().times('loopLag');
    return {
      stats: this.shown(),
      threads: {
        mainSeconds: mainThreadSeconds(),
        turnBoundsUs: boundsUs,
        workers: distributions.map(({ counts, sumSeconds }) => ({ turns: counts, seconds: sumSeconds })),
      },
      trouble: this.#options.trouble() ?? null,
      isInCluster: this.#options.cluster !== undefined,
    };
  }

  /** Everything for Prometheus. Errors: NOT_RUNNING. */
  metrics(format: MetricsFormat): string {
    return this.#metricsText.write(this.families(), format);
  }

  /** Errors: NOT_RUNNING. */
  families(): Family[] {
    const { version, directory, counts, streams, tls, cluster } = this.#options;
    const running = this.#options.running();
    const { user, system } = process.cpuUsage();
    return metricFamilies({
      version,
      counters: this.statistics(),
      clients: directory.counts,
      counts,
      authentications: this.#options.authentications(),
      streams: streams.counts,
      loopLag: running.times('loopLag'),
      deliveryTime: running.times('deliveryTime'),
      logCommit: running.times('logCommit'),
      memoryBytes: residentBytes(),
      heapBytes: getHeapStatistics().used_heap_size,
      cpuSeconds: (user + system) / 1e6,
      mainThreadSeconds: mainThreadSeconds(),
      startedAtSeconds: this.#startedAtSeconds,
      isDegraded: this.#options.trouble() !== undefined,
      certificateExpirySeconds: tls?.firstExpirySeconds,
      cluster: cluster?.figures,
    });
  }

  /** The content of `$SYS`. Errors: NOT_RUNNING. */
  sample(): BrokerSample {
    const { version, directory } = this.#options;
    return {
      version,
      uptimeSeconds: (performance.now() - this.#startedAtMs) / 1_000,
      counters: this.statistics(),
      clients: directory.counts,
      memoryBytes: residentBytes(),
      memoryBytesPeak: process.resourceUsage().maxRSS * 1_024,
    };
  }
}

/** That it has been busy. */
function mainThreadSeconds(): number {
  return performance.eventLoopUtilization().active / 1_000;
}
