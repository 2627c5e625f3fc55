/**
 * What operators ask the workers (main thread), one or all, with a promise for the answers. It rejects if a
 * worker does not run, or ends before it has answered.
 */
import { BrokerError } from '../broker-error.ts';
import type { Inspection, InspectionAnswers } from '../data-plane/inspection.ts';
import type { Asks, CallName, Calls } from './asks.ts';

type About = Inspection['about'];

export class Inspections {
  readonly #workers: number;
  readonly #asks: Pick<Asks, 'ask'>;
  /** Pending requests, which fail when the broker stops. */
  readonly #open = new Set<(error: unknown) => void>();

  constructor(workers: number, asks: Pick<Asks, 'ask'>) {
    this.#workers = workers;
    this.#asks = asks;
  }

  /** How many workers there are. */
  get workers(): number {
    return this.#workers;
  }

  /** Errors: WORKER_FAILED. */
  async ask<Kind extends About>(
    worker: number,
    asked: Extract<Inspection, { about: Kind }>,
  ): Promise<InspectionAnswers[Kind]> {
    // The worker answers what it is asked.
    return (await this.call(worker, 'inspect', asked)) as InspectionAnswers[Kind];
  }

  /** Does something for an operator. Errors: WORKER_FAILED. */
  call<Name extends CallName>(
    worker: number,
    call: Name,
    ask: Calls[Name]['ask'],
  ): Promise<Calls[Name]['reply']> {
    return new Promise((resolve, reject) => {
      this.#open.add(reject);
      this.#asks.ask(worker, call, ask, (answer) => {
        this.#open.delete(reject);
        if (answer !== undefined) resolve(answer.reply);
        else reject(new BrokerError('WORKER_FAILED', 'A worker is restarting; try again.'));
      });
    });
  }

  /** Errors: WORKER_FAILED. */
  askAll<Kind extends About>(
    asked: Extract<Inspection, { about: Kind }>,
  ): Promise<InspectionAnswers[Kind][]> {
    return Promise.all(Array.from({ length: this.#workers }, (_, worker) => this.ask<Kind>(worker, asked)));
  }

  /** Nothing will be answered from now on. */
  close(error: unknown): void {
    for (const reject of this.#open) reject(error);
    this.#open.clear();
  }
}
