/**
 * Whether the broker is overloaded (main thread): measures how long a worker takes to answer, and the
 * process's share of the memory it may use. First new clients are refused, then connected ones may send only
 * half as fast; none is disconnected.
 *
 *   normal --overload for a second--> refusing --still overload--> slowing --enough room for some seconds--> normal
 */
import type { Limits } from '../config/limits.ts';
import type { Clock, Timer } from '../sessions/timers.ts';

const loadStates = ['normal', 'refusing', 'slowing'] as const;
export type LoadState = (typeof loadStates)[number];

export interface OverloadWatchOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly workers: number;
  /** Sends a worker a question that answer() answers; false if it does not run. */
  ask(worker: number): boolean;
  /** The memory of the process, and its maximum. */
  memory(): { readonly usedBytes: number; readonly availableBytes: number };
  onState(state: LoadState, reason: string): void;
}

const lookMs = 500;
/**
 * How long an overload lasts before connected clients are slowed, and how long it must be over before all is
 * normal.
 */
const patienceMs = 5_000;
/** A check that is this late means that the process was paused, which says nothing about the load. */
const stoodStillMs = 2_000;

export class OverloadWatch {
  readonly #options: OverloadWatchOptions;
  /** When each worker was sent the question it has not answered yet. */
  readonly #askedMs: (number | undefined)[] = [];
  #state: LoadState = 'normal';
  #changedMs = 0;
  #troubleMs = Number.NEGATIVE_INFINITY;
  #lookedMs = 0;
  #timer: Timer | undefined;

  constructor(options: OverloadWatchOptions) {
    this.#options = options;
  }

  get state(): LoadState {
    return this.#state;
  }

  start(): void {
    const { overloadLagMs, overloadMemoryPercent } = this.#options.limits;
    if (overloadLagMs === 0 && overloadMemoryPercent === 0) return;
    this.#lookedMs = this.#options.clock.nowMs();
    this.#wait();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  answered(worker: number): void {
    this.#askedMs[worker] = undefined;
  }

  workerLost(worker: number): void {
    this.#askedMs[worker] = undefined;
  }

  #wait(): void {
    this.#timer = this.#options.clock.after(lookMs, () => {
      this.#look();
      this.#wait();
    });
  }

  #look(): void {
    const nowMs = this.#options.clock.nowMs();
    const passedMs = nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    if (passedMs > lookMs + stoodStillMs) this.#forgive(nowMs);
    this.#judge(nowMs, this.#slowWorker(nowMs) ?? this.#memoryTrouble());
    this.#askAll(nowMs);
  }

  #forgive(nowMs: number): void {
    for (const [worker, askedMs] of this.#askedMs.entries())
      if (askedMs !== undefined) this.#askedMs[worker] = nowMs;
  }

  #slowWorker(nowMs: number): string | undefined {
    const { overloadLagMs } = this.#options.limits;
    if (overloadLagMs === 0) return undefined;
    const lagsMs = this.#askedMs.map((askedMs) => (askedMs === undefined ? 0 : nowMs - askedMs));
    const lagMs = Math.max(0, ...lagsMs);
    return lagMs < overloadLagMs ? undefined : `a worker has not answered for ${Math.round(lagMs)} ms`;
  }

  #memoryTrouble(): string | undefined {
    const { overloadMemoryPercent } = this.#options.limits;
    if (overloadMemoryPercent === 0) return undefined;
    const { usedBytes, availableBytes } = this.#options.memory();
    const percent = (usedBytes / availableBytes) * 100;
    return percent < overloadMemoryPercent ? undefined : `${Math.round(percent)} % of the memory is in use`;
  }

  #judge(nowMs: number, trouble: string | undefined): void {
    if (trouble !== undefined) this.#troubleMs = nowMs;
    const isPatient = nowMs - this.#changedMs >= patienceMs;
    if (trouble !== undefined && this.#state === 'normal') this.#become('refusing', nowMs, trouble);
    else if (trouble !== undefined && this.#state === 'refusing' && isPatient)
      this.#become('slowing', nowMs, trouble);
    else if (this.#state !== 'normal' && nowMs - this.#troubleMs >= patienceMs)
      this.#become('normal', nowMs, 'the overload is over');
  }

  #become(state: LoadState, nowMs: number, reason: string): void {
    this.#state = state;
    this.#changedMs = nowMs;
    this.#options.onState(state, reason);
  }

  #askAll(nowMs: number): void {
    const { workers, ask, limits } = this.#options;
    if (limits.overloadLagMs === 0) return;
    for (let worker = 0; worker < workers; worker++) {
      if (this.#askedMs[worker] === undefined && ask(worker)) this.#askedMs[worker] = nowMs;
    }
  }
}
