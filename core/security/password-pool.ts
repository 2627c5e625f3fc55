/**
 * The threads that verify passwords (owned by the main thread). They start when there is work, end when they are idle,
 * and have a lower priority than all others, so that a storm of logins uses only spare CPU time.
 */
import { availableParallelism } from 'node:os';
import type { Piscina } from 'piscina';

/** Below the data plane and the control plane, which have 0. */
const niceIncrement = 10;
const idleTimeoutMs = 10_000;
/** Each uses 46 MiB while it hashes. */
const threadsMax = 4;

export class PasswordPool {
  readonly #pendingMax: number;
  #pool: Promise<Piscina> | undefined;
  #pending = 0;

  constructor(pendingMax: number) {
    this.#pendingMax = pendingMax;
  }

  /** Whether the most allowed checks are pending. */
  get isFull(): boolean {
    return this.#pending >= this.#pendingMax;
  }

  async verify(hash: string, password: Uint8Array): Promise<boolean> {
    this.#pending++;
    try {
      const pool = await this.#threads;
      return (await pool.run({ kind: 'verify', hash, password })) === true;
    } finally {
      this.#pending--;
    }
  }

  async close(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  get #threads(): Promise<Piscina> {
    this.#pool ??= newPool();
    return this.#pool;
  }
}

/** Most brokers never need it. */
async function newPool(): Promise<Piscina> {
  const { Piscina } = await import('piscina');
  return new Piscina({
    filename: new URL('../../workers/passwords.js', import.meta.url).href,
    name: 'runPasswordTask',
    minThreads: 0,
    maxThreads: Math.max(1, Math.min(threadsMax, availableParallelism() >> 1)),
    idleTimeout: idleTimeoutMs,
    niceIncrement,
    // As for the threads of the data plane (supervisor.ts): this is a file, whatever the program is.
    ...(process.execArgv.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {}),
  });
}
