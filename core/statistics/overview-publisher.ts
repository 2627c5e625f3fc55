/**
 * Publishes the overview of the broker for its dashboards (main thread): once a second, as long as somebody has
 * subscribed to it. Whether somebody has, the answer to the last one says.
 *
 *     resting --wake()--> publishing --no subscribers, several times in a row--> resting
 */
import type { Clock, Timer } from '../sessions/timers.ts';
import { ReasonCode } from '../wire/reason-code.ts';

export interface OverviewPublisherOptions {
  readonly clock: Clock;
  /** As JSON. Errors: NOT_RUNNING. */
  overview(): string;
  /** With QoS 1: resolves to the reason code of the answer. */
  publish(overview: string): Promise<number>;
}

const intervalMs = 1_000;
/** A dashboard subscribes a moment after it has connected: after 0.1 s it is tried, then after twice as long, and so on. */
const firstMs = 100;
const unheardMax = 5;

export class OverviewPublisher {
  readonly #options: OverviewPublisherOptions;
  #timer: Timer | undefined;
  /** How often nobody has got it. */
  #unheard = 0;
  #isUnderWay = false;
  #isStopped = false;

  constructor(options: OverviewPublisherOptions) {
    this.#options = options;
  }

  /** A dashboard is on its way. */
  wake(): void {
    this.#unheard = 1;
    if (!this.#isUnderWay) this.#wait();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#timer?.cancel();
    if (this.#isStopped || this.#unheard > unheardMax) return;
    const waitMs = this.#unheard === 0 ? intervalMs : firstMs * 2 ** (this.#unheard - 1);
    this.#timer = this.#options.clock.after(waitMs, () => void this.#publish());
  }

  /** Where a worker is starting again, the answer comes later, and until then nothing else. */
  async #publish(): Promise<void> {
    this.#isUnderWay = true;
    try {
      const reasonCode = await this.#options.publish(this.#options.overview());
      this.#unheard = reasonCode === ReasonCode.noMatchingSubscribers ? this.#unheard + 1 : 0;
    } catch {
      this.#unheard += 1; // beyond the limits of the broker, or it stops: dashboards ask over HTTP
    }
    this.#isUnderWay = false;
    this.#wait();
  }
}
