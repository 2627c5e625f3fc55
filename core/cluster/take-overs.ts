/**
 * The logs of lost nodes that are to be taken over, and which node tries next (main thread; used by membership.ts).
 *
 *   lost --its turn--> under way --a stand-in has joined--> no longer in the view
 *    ^                     |
 *    `----after a delay----'  failed: the turn of the next node
 *
 * The oldest node tries first, and after each failure the next one: beats tell the others how many attempts have failed.
 * If two try at once, the stream of the log decides (log-streams.ts).
 */
import type { Clock } from '../sessions/timers.ts';
import type { ToldTakeOvers } from './beat.ts';
import type { NodeEntry } from './view.ts';

/**
 * Starts a stand-in; calls `failed`, with a sentence, if that has not worked. Without a sentence: no attempt is needed, as
 * the others have everything that was in the log.
 */
export type StartTakeOver = (lost: NodeEntry, failed: (reason: string | undefined) => void) => void;

export interface TakeOversOptions {
  readonly clock: Clock;
  /** Undefined: this node cannot. */
  readonly start: StartTakeOver | undefined;
  /** The node is in the view and silent, and not this one. */
  isLost(incarnation: number): boolean;
  /** Those that may act for the cluster, besides the lost one and those that are leaving, the oldest first. */
  ableNodes(lost: number): readonly NodeEntry[];
  isThisNode(incarnation: number): boolean;
  /** Calls back with whether this node still has the last view. */
  confirmView(done: (isLast: boolean) => void): void;
  /** The others should know immediately. */
  tell(): void;
  /** It may be time for an attempt. */
  due(): void;
  onNote(level: 'info' | 'warn' | 'error', fields: object, sentence: string): void;
}

/**
 * How often stand-ins for a lost node are started, by one node after the other, with the delay doubled before each
 * further attempt. Until one has joined, the lost node stays in the view: a client that connected without its session
 * would get an empty one. The delays add up to half a minute, for any number of nodes; after that, unserved slots are
 * the greater evil.
 */
const attemptsMax = 8;
const againMs = 250;
const againMsMax = 8_000;

/** The takeover of a lost node's log. */
interface TakeOver {
  /** Failed attempts, on any node, and why the last one failed. */
  failed: number;
  reason: string;
  /** On this node. */
  isUnderWay: boolean;
  /** When the next one may begin. */
  notBeforeMs: number;
}

export class TakeOvers {
  readonly #options: TakeOversOptions;
  /** By the incarnation of the lost node. */
  readonly #byLost = new Map<number, TakeOver>();
  /** By node: lost nodes whose logs it is taking over. Undefined: it does not take turns with others. */
  readonly #others = new Map<number, readonly number[] | undefined>();

  constructor(options: TakeOversOptions) {
    this.#options = options;
  }

  /** Another node is taking over its log. */
  isTried(lost: number): boolean {
    return [...this.#others.values()].some((tried) => tried?.includes(lost) === true);
  }

  /** For this node's beats. */
  get told(): ToldTakeOvers | undefined {
    if (this.#options.start === undefined) return undefined;
    return [...this.#byLost].map(
      ([lost, { failed, isUnderWay }]) => [lost, failed, isUnderWay ? 1 : 0] as const,
    );
  }

  of(lost: number): { readonly failed: number; readonly reason: string } | undefined {
    return this.#byLost.get(lost);
  }

  /** Another node's beat. */
  heard(from: number, told: ToldTakeOvers | undefined): void {
    this.#others.set(
      from,
      told?.filter(([, , isUnderWay]) => isUnderWay === 1).map(([lost]) => lost),
    );
    if (this.#byLost.get(from)?.isUnderWay === false) this.#byLost.delete(from); // it was not lost
    for (const [lost, failed] of told ?? []) this.#noteFailed(lost, failed);
  }

  /** Forgets all other nodes. */
  keepOnly(live: ReadonlySet<number>): void {
    for (const each of [this.#others, this.#byLost])
      for (const incarnation of each.keys()) if (!live.has(incarnation)) each.delete(incarnation);
  }

  /** Whether the lost node stays in the view, as a node is taking over its log, or is about to. Begins if it is this one. */
  isAwaited(lost: NodeEntry): boolean {
    const { start, clock, isThisNode } = this.#options;
    const { incarnation } = lost;
    if (lost.stream === undefined || start === undefined) return false;
    const known = this.#byLost.get(incarnation);
    if (known !== undefined && known.failed >= attemptsMax) return false;
    const next = this.#turnOf(known?.failed ?? 0, incarnation);
    if (next === undefined || !isThisNode(next.incarnation)) return true;
    if (known !== undefined && (known.isUnderWay || clock.nowMs() < known.notBeforeMs)) return true;
    const takeOver: TakeOver = known ?? { failed: 0, reason: '', isUnderWay: true, notBeforeMs: 0 };
    takeOver.isUnderWay = true;
    this.#byLost.set(incarnation, takeOver);
    this.#options.tell();
    // It may have left: a leaving node writes the last view, and perhaps no other node has heard of it. Or it has come back
    // meanwhile, with the same log.
    this.#options.confirmView((isLast) => {
      if (isLast && this.#options.isLost(incarnation)) this.#begin(start, lost, takeOver);
      else takeOver.isUnderWay = false;
    });
    return true;
  }

  #begin(start: StartTakeOver, lost: NodeEntry, takeOver: TakeOver): void {
    const attempt = takeOver.failed + 1;
    const sentence = 'a node is silent: this node takes over its log';
    this.#options.onNote('warn', { node: lost.name, attempt }, sentence);
    start(lost, (reason) => this.#onFailed(lost, takeOver, reason));
  }

  #onFailed({ name, incarnation }: NodeEntry, takeOver: TakeOver, reason: string | undefined): void {
    const { isLost, onNote, tell } = this.#options;
    takeOver.isUnderWay = false;
    if (!isLost(incarnation)) {
      this.#byLost.delete(incarnation);
      return;
    }
    const delayMs = this.#noteFailed(incarnation, reason === undefined ? attemptsMax : takeOver.failed + 1);
    takeOver.reason = reason ?? '';
    if (reason === undefined) {
      onNote('info', { node: name }, 'other nodes already have everything that a lost node had');
    } else if (takeOver.failed >= attemptsMax) {
      onNote(
        'error',
        { node: name, reason, attempts: takeOver.failed },
        'the log of a lost node cannot be taken over: the others get its slots, and its clients new sessions',
      );
    } else {
      const next = this.#turnOf(takeOver.failed, incarnation)?.name;
      onNote(
        'warn',
        { node: name, reason, attempts: takeOver.failed, againMs: delayMs, next },
        'the log of a lost node could not be taken over yet: its clients and slots wait for the next attempt',
      );
    }
    tell();
  }

  /** Notes the number of failed attempts for a node, here or elsewhere. Returns the time until the next one. */
  #noteFailed(lost: number, failed: number): number {
    const { clock, isLost, due } = this.#options;
    const delayMs = Math.min(againMs * 2 ** (failed - 1), againMsMax);
    const known = this.#byLost.get(lost);
    if (failed <= (known?.failed ?? 0) || !isLost(lost)) return delayMs;
    const notBeforeMs = clock.nowMs() + delayMs;
    const reason = 'another node could not, as its log says';
    if (known === undefined) this.#byLost.set(lost, { failed, reason, isUnderWay: false, notBeforeMs });
    else Object.assign(known, { failed, reason, notBeforeMs });
    clock.after(failed < attemptsMax ? delayMs : 0, due);
    return delayMs;
  }

  /** Whose turn it is after this many failed attempts. */
  #turnOf(failed: number, lost: number): NodeEntry | undefined {
    const able = this.#options.ableNodes(lost);
    const trying = able.find(({ incarnation }) => this.#others.get(incarnation)?.includes(lost));
    if (trying !== undefined) return trying;
    const taking = able.filter(
      ({ incarnation }) =>
        this.#options.isThisNode(incarnation) || this.#others.get(incarnation) !== undefined,
    );
    // A node of the previous version, which does not report the fate of its attempts, is left to make them alone.
    return able[0] === taking[0] ? taking[failed % taking.length] : able[0];
  }
}
