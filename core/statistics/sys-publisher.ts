/**
 * Publishes the $SYS topics (main thread), retained: all of them at startup, and at each interval those
 * whose value has changed. When the interval becomes 0, they are cleared.
 */
import type { BrokerConfig } from '../config/options.ts';
import type { Clock, Timer } from '../sessions/timers.ts';
import { LoadAverages, loadPeriods } from './load-averages.ts';
import { type BrokerSample, loadNames, type SysMessage, sysMessages, totalsOf } from './sys-topics.ts';

export interface SysPublisherOptions {
  /** In seconds; 0: nothing is published. */
  readonly config: Pick<BrokerConfig, 'sysIntervalSeconds'>;
  readonly clock: Clock;
  /** Undefined: the node is joining its cluster again. */
  sample(): BrokerSample | undefined;
  /** Further topics. */
  more(): readonly SysMessage[];
  publish(topic: string, payload: string): void;
}

export class SysPublisher {
  readonly #options: SysPublisherOptions;
  readonly #loads = new Map(loadNames.map((name) => [name, new LoadAverages()]));
  /** The last published values, by topic; undefined if they may be lost. */
  readonly #published = new Map<string, string | undefined>();
  #sampledAtSeconds = 0;
  #timer: Timer | undefined;

  constructor(options: SysPublisherOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, config } = this.#options;
    if (config.sysIntervalSeconds === 0) return;
    this.#publish();
    this.#timer = clock.after(config.sysIntervalSeconds * 1_000, () => this.start());
  }

  /** Changes the interval. With 0 the topics are cleared, so that nobody takes old values for current ones. */
  restart(): void {
    this.stop();
    if (this.#options.config.sysIntervalSeconds === 0) this.#clear();
    else this.start();
  }

  #clear(): void {
    for (const topic of this.#published.keys()) this.#options.publish(topic, '');
    this.#published.clear();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Published values may be lost: everything is published again at the next interval. */
  forget(): void {
    for (const topic of this.#published.keys()) this.#published.set(topic, undefined);
  }

  #publish(): void {
    const sample = this.#options.sample();
    if (sample === undefined) return;
    this.#sampleLoads(sample);
    for (const [topic, payload] of [
      ...sysMessages(sample),
      ...this.#loadMessages(),
      ...this.#options.more(),
    ]) {
      if (this.#published.get(topic) === payload) continue;
      this.#published.set(topic, payload);
      this.#options.publish(topic, payload);
    }
  }

  #sampleLoads(sample: BrokerSample): void {
    const elapsedSeconds = sample.uptimeSeconds - this.#sampledAtSeconds;
    if (elapsedSeconds <= 0) return;
    this.#sampledAtSeconds = sample.uptimeSeconds;
    const totals = totalsOf(sample);
    for (const [name, load] of this.#loads) load.sample(totals[name], elapsedSeconds);
  }

  #loadMessages(): SysMessage[] {
    return [...this.#loads].flatMap(([name, load]) =>
      loadPeriods.map(
        ([period]): SysMessage => [`$SYS/broker/load/${name}/${period}`, load.perMinute(period).toFixed(2)],
      ),
    );
  }
}
