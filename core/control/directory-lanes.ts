/**
 * The session directory's side of the lanes to the workers (main thread; native/lanes/directory-lane.h): in a storm most
 * CONNECTs come in these, in batches, and most clients are accepted through them. Everything else is posted.
 */
import type { Addon } from '../data-plane/addon.ts';
import type { ToMain, ToWorker } from './messages.ts';
import { readToMain } from './posted.ts';

type Accept = Extract<ToWorker, { type: 'accept' }>;

/** A batch with more is rare, and grows the memory for it. */
const firstNumbers = 256;

/** What waits for the end of the batch: numbers of connections and sessions. */
interface Waiting {
  numbers: Float64Array;
  count: number;
}

export class DirectoryLanes {
  readonly #addon: Addon;
  readonly #broker: number;
  readonly #onMessage: (worker: number, message: ToMain) => void;
  readonly #accepts: Waiting[];
  #isFlushDue = false;

  /** Before the workers start. `onMessage`: for CONNECTs. */
  constructor(
    addon: Addon,
    broker: number,
    workers: number,
    onMessage: (worker: number, message: ToMain) => void,
  ) {
    this.#addon = addon;
    this.#broker = broker;
    this.#onMessage = onMessage;
    this.#accepts = Array.from({ length: workers }, () => ({
      numbers: new Float64Array(firstNumbers),
      count: 0,
    }));
    addon.hearConnects(broker, (worker) => this.take(worker));
  }

  /** Handles what the worker has asked for. What it has posted since is to be handled behind it. */
  take(worker: number): void {
    const records = this.#addon.takeConnects(this.#broker, worker);
    if (records === undefined) return;
    const wasFlushDue = this.#isFlushDue;
    this.#isFlushDue = true;
    try {
      readToMain([records], (message) => this.#onMessage(worker, message));
    } finally {
      this.#isFlushDue = wasFlushDue;
      this.flush();
    }
  }

  /** False: the message has to be posted. */
  accept(worker: number, { connection, session, isNew, authenticationData, admission }: Accept): boolean {
    const waiting = this.#accepts[worker];
    if (waiting === undefined || !isNew || authenticationData !== undefined || admission !== undefined)
      return false;
    if (waiting.count === waiting.numbers.length) {
      const numbers = new Float64Array(waiting.numbers.length * 2);
      numbers.set(waiting.numbers);
      waiting.numbers = numbers;
    }
    waiting.numbers[waiting.count++] = connection;
    waiting.numbers[waiting.count++] = session;
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      setImmediate(() => {
        this.#isFlushDue = false;
        this.flush();
      });
    }
    return true;
  }

  /** What is posted to a worker afterwards comes behind it. */
  flush(): void {
    for (const [worker, waiting] of this.#accepts.entries()) {
      if (waiting.count === 0) continue;
      const { numbers, count } = waiting;
      waiting.count = 0;
      if (count > firstNumbers) waiting.numbers = new Float64Array(firstNumbers);
      this.#addon.acceptPlains(this.#broker, worker, numbers.subarray(0, count));
    }
  }
}
