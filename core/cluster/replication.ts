/** The main thread's side of the thread that replicates this node's log (workers/replication.ts). */
import { Worker } from 'node:worker_threads';
import type { ReplicaFigures } from '../data-plane/addon.ts';
import type { LogAccess } from './log-access.ts';

/** The start parameters of the thread. */
export interface ReplicationStart {
  readonly access: LogAccess;
  /** The stream of the log (log-streams.ts). */
  readonly stream: string;
  /** The sequence behind which this log continues. */
  readonly base: number;
  /** The addon's broker number. */
  readonly broker: number;
}

export interface ReplicationFigures extends ReplicaFigures {
  readonly chunksResent: number;
  /** Why JetStream has stored nothing most recently. Undefined: it has. */
  readonly refusal?: string | undefined;
}

export type FromReplication =
  | { readonly type: 'started' }
  | { readonly type: 'figures'; readonly figures: ReplicationFigures }
  /** Another node has taken over the log. */
  | { readonly type: 'deposed' }
  /** As ReplicatorOptions says. */
  | { readonly type: 'beginningLost' };

export interface ReplicationEvents {
  onFigures(figures: ReplicationFigures): void;
  onDeposed(): void;
  onBeginningLost(): void;
  /** The thread has ended, which should never happen. */
  onFailed(error: Error): void;
}

/** Time for the last chunks, and to end. */
const stopMs = 4_000;

export class Replication {
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #isStopping = false;

  private constructor(worker: Worker, events: ReplicationEvents) {
    this.#worker = worker;
    this.#ended = new Promise((resolve) => worker.once('exit', () => resolve()));
    worker.on('message', (message: FromReplication) => {
      if (this.#isStopping) return;
      if (message.type === 'figures') events.onFigures(message.figures);
      else if (message.type === 'deposed') events.onDeposed();
      else if (message.type === 'beginningLost') events.onBeginningLost();
    });
    worker.once('error', (error) => {
      if (!this.#isStopping) events.onFailed(error);
    });
  }

  /** Resolves when it works. Rejects with the reason why it does not. */
  static async start(start: ReplicationStart, events: ReplicationEvents): Promise<Replication> {
    const worker = new Worker(new URL('../../workers/replication.js', import.meta.url), {
      workerData: start,
    });
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', () => {
        worker.off('error', reject);
        resolve();
      });
    });
    return new Replication(worker, events);
  }

  /** Called once the log is closed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#worker.postMessage('stop');
    const late = setTimeout(() => void this.#worker.terminate(), stopMs);
    await this.#ended;
    clearTimeout(late);
  }
}
