/**
 * Looks up retained messages (main thread). Any worker can be asked: its data plane asks the shard that keeps the topic.
 *
 *     lookUp() --> a worker that runs --> the topic's shard --> that worker --> the message, or nothing
 *
 * If the worker ends before it has answered, another one is asked, or the next that starts.
 */
import type { Told } from '../control/asks.ts';
import { isProtocolError } from '../wire/protocol-error.ts';
import { decodedPublish, type HostMessage, hostMessageOf } from './host-message.ts';

/** Asks a worker (control/asks.ts). */
export type AskRetained = (worker: number, topic: string, told: Told<'retained'>) => void;

interface LookUp {
  readonly topic: string;
  resolve(message: HostMessage | undefined): void;
  reject(error: unknown): void;
}

export class RetainedLookUps {
  readonly #workers: number;
  readonly #ask: AskRetained;
  readonly #open = new Set<LookUp>();
  /** Those for which no worker is running. */
  readonly #waiting = new Set<LookUp>();
  #nextWorker = 0;

  constructor(workers: number, ask: AskRetained) {
    this.#workers = workers;
    this.#ask = ask;
  }

  /** `topic` is a valid topic name. */
  lookUp(topic: string): Promise<HostMessage | undefined> {
    return new Promise((resolve, reject) => {
      const lookUp: LookUp = { topic, resolve, reject };
      this.#open.add(lookUp);
      this.#tryEach(lookUp, this.#workers);
    });
  }

  workerStarted(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const lookUp of waiting) this.#tryEach(lookUp, this.#workers);
  }

  /** There will be no more answers. */
  close(error: unknown): void {
    for (const { reject } of this.#open) reject(error);
    this.#open.clear();
    this.#waiting.clear();
  }

  /** Asks the next worker, and if that fails the others: `tries` are left. */
  #tryEach(lookUp: LookUp, tries: number): void {
    if (!this.#open.has(lookUp)) return;
    if (tries === 0) {
      this.#waiting.add(lookUp);
      return;
    }
    const worker = this.#nextWorker;
    this.#nextWorker = (worker + 1) % this.#workers;
    this.#ask(worker, lookUp.topic, (answer) => {
      if (answer === undefined) this.#tryEach(lookUp, tries - 1);
      else this.#settle(lookUp, answer.reply);
    });
  }

  /** `packet`: the message as a PUBLISH, or nothing. */
  #settle(lookUp: LookUp, packet: Uint8Array): void {
    if (!this.#open.delete(lookUp)) return;
    if (packet.length === 0) {
      lookUp.resolve(undefined);
      return;
    }
    const decoded = decodedPublish(packet);
    if (isProtocolError(decoded))
      lookUp.reject(new Error(`the data plane sent a bad packet: ${decoded.why}`));
    else lookUp.resolve(hostMessageOf(decoded));
  }
}
