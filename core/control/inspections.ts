/**
 * What operators ask the workers (main thread): asks one worker, or all, and gives a promise. One whose worker does not
 * run, or ends before it has answered, fails.
 */
import { BrokerError } from '../broker-error.ts';
import type { Inspection, InspectionAnswers } from '../data-plane/inspection.ts';
import type { Told } from './asks.ts';

/** Asks a worker (asks.ts). */
export type AskInspection = (worker: number, asked: Inspection, told: Told<'inspect'>) => void;

type About = Inspection['about'];

export class Inspections {
  readonly #workers: number;
  readonly #ask: AskInspection;
  /** Those that wait, to be told that the broker stops. */
  readonly #open = new Set<(error: unknown) => void>();

  constructor(workers: number, ask: AskInspection) {
    this.#workers = workers;
    this.#ask = ask;
  }

  /** Errors: WORKER_FAILED. */
  ask<Kind extends About>(
    worker: number,
    asked: Extract<Inspection, { about: Kind }>,
  ): Promise<InspectionAnswers[Kind]> {
    return new Promise((resolve, reject) => {
      this.#open.add(reject);
      this.#ask(worker, asked, (answer) => {
        this.#open.delete(reject);
        // The worker answers what it is asked.
        if (answer !== undefined) resolve(answer.reply as InspectionAnswers[Kind]);
        else reject(new BrokerError('WORKER_FAILED', 'A worker is being started again; ask once more.'));
      });
    });
  }

  /** Errors: WORKER_FAILED. */
  askAll<Kind extends About>(
    asked: Extract<Inspection, { about: Kind }>,
  ): Promise<InspectionAnswers[Kind][]> {
    return Promise.all(Array.from({ length: this.#workers }, (_, worker) => this.ask<Kind>(worker, asked)));
  }

  /** Nothing will be answered any more. */
  close(error: unknown): void {
    for (const reject of this.#open) reject(error);
    this.#open.clear();
  }
}
