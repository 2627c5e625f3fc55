/**
 * A broker for several tests of a file, since starting one takes more of the processor than most tests do. For tests that neither
 * change nor count what the others see.
 */
import type { BrokerOptions } from '../../core/broker.ts';
import { atEnd, type Ends } from './at-end.ts';
import { type RunningBroker, startBroker } from './broker.ts';

/** The tests of a file run one after the other: the next one has begun long before this. */
const idleMs = 200;

const brokers = new Map<BrokerOptions, SharedBroker>();
const byDefault: BrokerOptions = {};

/** The same broker for the same object of options. It stops when no test has used it for a moment. */
export async function sharedBroker(test: Ends, options: BrokerOptions = byDefault): Promise<RunningBroker> {
  const shared = brokers.get(options) ?? new SharedBroker(options);
  brokers.set(options, shared);
  return await shared.use(test);
}

class SharedBroker {
  readonly #options: BrokerOptions;
  readonly #running: Promise<RunningBroker>;
  #stop: () => unknown = () => {};
  #users = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
    const ends: Ends = {
      after: (end) => {
        this.#stop = end;
      },
    };
    this.#running = startBroker(ends, options);
  }

  async use(test: Ends): Promise<RunningBroker> {
    clearTimeout(this.#idle);
    this.#users++;
    atEnd(test, () => this.#leave());
    return await this.#running;
  }

  #leave(): void {
    this.#users--;
    if (this.#users > 0) return;
    this.#idle = setTimeout(() => {
      brokers.delete(this.#options);
      void this.#stop();
    }, idleMs);
  }
}
