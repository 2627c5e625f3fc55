/**
 * What the cluster needs from the engine that joins its nodes: a post that carries messages at most once and
 * in each sender's order, and a single register written by compare-and-set. nats-connection.ts and
 * nats-register.ts provide them, and so does the simulation of the tests.
 */

export interface Post {
  publish(subject: string, bytes: Uint8Array): void;
  /** A subject may end in `>`. */
  subscribe(subject: string, onMessage: (bytes: Uint8Array, subject: string) => void): void;
}

/** No bytes: nothing was ever written (`revision` 0), or it was deleted. */
export interface Written {
  readonly revision: number;
  readonly bytes: Uint8Array;
}

export interface Register {
  /** Undefined: the register cannot be reached. The value may be outdated. */
  read(told: (written: Written | undefined) => void): void;
  /** Writes if `revision` is the latest one. 'unknown': it may have been written. */
  write(bytes: Uint8Array, revision: number, told: (outcome: 'written' | 'outrun' | 'unknown') => void): void;
}

/** The subjects of a cluster. */
export class Subjects {
  readonly #prefix: string;

  constructor(clusterName: string) {
    this.#prefix = `rally.${clusterName}`;
  }

  /** Heartbeats. */
  get beats(): string {
    return `${this.#prefix}.beat`;
  }
  /** Messages to the main thread of a node. */
  node(incarnation: number): string {
    return `${this.#prefix}.node.${incarnation}`;
  }
  /** Frames of a worker's lanes; the last two levels name the sender. */
  frames(to: WorkerAddress, from?: WorkerAddress): string {
    const source = from === undefined ? '>' : `${from.incarnation}.${from.worker}`;
    return `${this.#prefix}.lane.${to.incarnation}.${to.worker}.${source}`;
  }
}

/** A worker of a node, numbered across the cluster. */
export interface WorkerAddress {
  readonly incarnation: number;
  readonly worker: number;
}
