/**
 * Looks up retained messages (main thread). Any worker can be asked: its data plane asks the shard that keeps the topic.
 *
 *     lookUp() --> a worker that runs --> the topic's shard --> that worker --> answered()
 *
 * When the worker ends before it has answered, another one is asked, or the next that runs.
 */
import { isProtocolError } from '../wire/protocol-error.ts';
import { decodedPublish, type HostMessage, hostMessageOf } from './host-message.ts';

interface LookUp {
  readonly topic: string;
  /** Undefined: none runs. */
  worker: number | undefined;
  resolve(message: HostMessage | undefined): void;
  reject(error: unknown): void;
}

export class RetainedLookUps {
  readonly #workers: number;
  readonly #ask: (worker: number, request: number, topic: string) => boolean;
  readonly #pending = new Map<number, LookUp>();
  #requests = 0;
  #nextWorker = 0;

  /** `ask` asks one of so many workers; it gives false if that does not run. */
  constructor(workers: number, ask: (worker: number, request: number, topic: string) => boolean) {
    this.#workers = workers;
    this.#ask = ask;
  }

  /** `topic` is a valid topic name. */
  lookUp(topic: string): Promise<HostMessage | undefined> {
    return new Promise((resolve, reject) => {
      const request = ++this.#requests;
      const lookUp: LookUp = { topic, worker: undefined, resolve, reject };
      this.#pending.set(request, lookUp);
      this.#send(request, lookUp);
    });
  }

  /** `packet`: the message as a PUBLISH, or nothing. */
  answered(request: number, packet: Uint8Array): void {
    const lookUp = this.#pending.get(request);
    if (lookUp === undefined) return; // an answer to the worker before the last came too
    this.#pending.delete(request);
    if (packet.length === 0) {
      lookUp.resolve(undefined);
      return;
    }
    const decoded = decodedPublish(packet);
    if (isProtocolError(decoded))
      lookUp.reject(new Error(`the data plane sent a bad packet: ${decoded.why}`));
    else lookUp.resolve(hostMessageOf(decoded));
  }

  workerLost(worker: number): void {
    for (const [request, lookUp] of this.#pending) {
      if (lookUp.worker === worker) this.#send(request, lookUp);
    }
  }

  workerStarted(): void {
    for (const [request, lookUp] of this.#pending) {
      if (lookUp.worker === undefined) this.#send(request, lookUp);
    }
  }

  /** Nothing will be answered any more. */
  close(error: unknown): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #send(request: number, lookUp: LookUp): void {
    lookUp.worker = undefined;
    for (let tries = 0; tries < this.#workers && lookUp.worker === undefined; tries++) {
      const worker = this.#nextWorker;
      this.#nextWorker = (worker + 1) % this.#workers;
      if (this.#ask(worker, request, lookUp.topic)) lookUp.worker = worker;
    }
  }
}
