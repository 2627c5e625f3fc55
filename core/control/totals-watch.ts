/**
 * Logs that clients have reached a total of the data plane, and who was affected, once a minute for each kind
 * (main thread). The counters are in native/counters.h.
 */
import type { CounterName } from '../data-plane/addon.ts';
import type { Clock, Timer } from '../sessions/timers.ts';
import { Pace } from './pace.ts';

export interface TotalsWatchOptions {
  readonly clock: Clock;
  /** Since the node has joined its cluster; undefined: it is joining again. */
  counters(): Readonly<Record<CounterName, number>> | undefined;
  warn(figures: Readonly<Record<string, number>>, sentence: string): void;
}

const lookMs = 1_000;
const saidAgainMs = 60_000;

const sentences = {
  connectionsCut:
    'connections that do not read, leave packets unfinished or set many topic aliases use most of the memory for all connections, and are closed: raise outboxTotalBytesMax, inputTotalBytesMax or topicAliasesTotalBytesMax if these clients are legitimate',
  droppedTotalFull:
    'all sessions together have reached their limit, and the largest ones lose messages: raise sessionsTotalBytesMax, or lower sessionQueueBytesMax or sessionExpiryIntervalMax',
  droppedUnreadable:
    'queued messages cannot be read back from the log, and their sessions lose them: check the disk, and the store (rallymq store check)',
  sessionsCut:
    'clients do not release their QoS 2 packet identifiers, and the sessions with the most of them are ended: raise packetIdsTotalBytesMax if these clients are legitimate',
} as const satisfies Readonly<Partial<Record<CounterName, string>>>;

export class TotalsWatch {
  readonly #options: TotalsWatchOptions;
  readonly #kinds = (Object.keys(sentences) as (keyof typeof sentences)[]).map((name) => ({
    name,
    pace: new Pace(saidAgainMs),
    said: 0,
  }));
  #timer: Timer | undefined;

  constructor(options: TotalsWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#look();
    this.#timer = this.#options.clock.after(lookMs, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const counters = this.#options.counters();
    if (counters === undefined) return;
    for (const kind of this.#kinds) {
      const count = counters[kind.name];
      kind.said = Math.min(kind.said, count);
      if (count === kind.said || !kind.pace.isDue(this.#options.clock.nowMs())) continue;
      kind.said = count;
      this.#options.warn({ [kind.name]: count }, sentences[kind.name]);
    }
  }
}
