/**
 * What the cluster needs from the engine that joins its nodes: a post that carries messages, at most once and each sender's
 * in order, and one register that is written by compare-and-set. nats.ts has both; the simulation of the tests too.
 */

export interface Post {
  publish(subject: string, bytes: Uint8Array): void;
  /** A subject may end in `>`. */
  subscribe(subject: string, onMessage: (bytes: Uint8Array, subject: string) => void): void;
}

/** `revision` 0: nothing was ever written. */
export interface Written {
  readonly revision: number;
  readonly bytes: Uint8Array;
}

export interface Register {
  /** Undefined: it cannot be reached. What is read may be old. */
  read(told: (written: Written | undefined) => void): void;
  /** Writes if `revision` is the last one. 'unknown': it may have been written. */
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
  /** What the main thread of a node is told. */
  node(incarnation: number): string {
    return `${this.#prefix}.node.${incarnation}`;
  }
  /** Frames of a worker's lanes; the last two levels say from whom. */
  frames(to: WorkerAddress, from?: WorkerAddress): string {
    const source = from === undefined ? '>' : `${from.incarnation}.${from.worker}`;
    return `${this.#prefix}.lane.${to.incarnation}.${to.worker}.${source}`;
  }
}

/** A worker of a node, by its number in the cluster. */
export interface WorkerAddress {
  readonly incarnation: number;
  readonly worker: number;
}
