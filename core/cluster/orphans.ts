/**
 * Logs that no node continues (main thread): their nodes have left, or were lost when no other node could take them over.
 * Such a log is found in several looks, in which its node may come back. Then the oldest node takes it over; if it cannot,
 * the next one tries as many looks later.
 */
import { messageOf } from '../system-reason.ts';
import { liveNodes, nodeOf, type View } from './view.ts';

export interface OrphansOptions {
  /** The last view; undefined: this node is cut off from its cluster. */
  view(): View | undefined;
  /** Of this node; undefined: it is joining. */
  incarnation(): number | undefined;
  /** All logs with a second copy. Rejects: JetStream does not answer. */
  streams(): Promise<readonly string[]>;
  /** Nothing was ever stored there: its node has not joined yet, or was lost before. */
  isEmpty(stream: string): Promise<boolean>;
  /** Whether this node is taking it over. */
  hasStandIn(stream: string): boolean;
  /**
   * Takes it over. `areWillsOver`: others have published the wills in it, or will. Rejects with the reason why that is not
   * possible.
   */
  standFor(stream: string, areWillsOver: boolean): Promise<void>;
  onNote(level: 'debug' | 'error', fields: object, sentence: string): void;
}

/** In how many looks a log is found before it gets a stand-in, and between the attempts of two nodes. */
const looksMax = 6;

export class Orphans {
  readonly #options: OrphansOptions;
  /** By stream: in how many looks it was nobody's. */
  readonly #looks = new Map<string, number>();
  /** By stream: why it is still nobody's. */
  readonly #abandoned = new Map<string, string>();
  /** Streams of nodes that were lost, and removed although nobody had taken over their logs: others had their wills (wills.ts). */
  readonly #withoutWills = new Set<string>();

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** By stream: why this node could not take it over. */
  get abandoned(): ReadonlyMap<string, string> {
    return this.#abandoned;
  }

  /** A node that is leaving has taken its wills back, and one that comes back knows that others had them. */
  onView(view: View, before: View | undefined): void {
    const nodes = liveNodes(view);
    for (const { stream, standsFor } of nodes)
      if (stream !== undefined && standsFor === undefined) this.#withoutWills.delete(stream);
    for (const { stream, incarnation, state } of before === undefined ? [] : liveNodes(before)) {
      const isOut = state === 'serving' && nodeOf(view, incarnation) === undefined;
      if (stream !== undefined && isOut && !nodes.some((node) => node.stream === stream))
        this.#withoutWills.add(stream);
    }
  }

  /** To be called regularly. Resolves when the logs that are due have stand-ins, or cannot have any yet. */
  async look(): Promise<void> {
    const { streams, onNote } = this.#options;
    if (this.#round === undefined) return;
    let found: readonly string[];
    try {
      found = await streams();
    } catch (err) {
      onNote('debug', { err }, 'JetStream does not list the logs');
      return;
    }
    for (const known of [this.#looks, this.#abandoned])
      for (const stream of known.keys())
        if (!found.includes(stream) || this.#isOwned(stream)) known.delete(stream);
    for (const stream of this.#withoutWills) if (!found.includes(stream)) this.#withoutWills.delete(stream);
    const due = found.filter((stream) => this.#isDue(stream));
    for (const stream of due) await this.#takeOver(stream);
  }

  /** Whose turn it is: this node's in one of so many. Undefined: it takes none over. */
  get #round(): { readonly length: number; readonly own: number } | undefined {
    const view = this.#options.view();
    const serving = view === undefined ? [] : liveNodes(view).filter(({ state }) => state === 'serving');
    const rank = serving.findIndex(({ incarnation }) => incarnation === this.#options.incarnation());
    return rank < 0 ? undefined : { length: looksMax * serving.length, own: looksMax * (rank + 1) };
  }

  #isOwned(stream: string): boolean {
    const view = this.#options.view();
    return view === undefined || liveNodes(view).some((node) => node.stream === stream);
  }

  #isDue(stream: string): boolean {
    if (this.#isOwned(stream) || this.#options.hasStandIn(stream)) return false;
    const looks = (this.#looks.get(stream) ?? 0) + 1;
    this.#looks.set(stream, looks);
    const round = this.#round;
    return round !== undefined && looks % round.length === round.own % round.length;
  }

  async #takeOver(stream: string): Promise<void> {
    const { hasStandIn, isEmpty, standFor, onNote } = this.#options;
    try {
      if (await isEmpty(stream)) return;
      // Taking over the previous one may have taken long: its node may have come back.
      if (this.#isOwned(stream) || hasStandIn(stream)) return;
      await standFor(stream, this.#withoutWills.has(stream));
      this.#abandoned.delete(stream);
    } catch (err) {
      this.#abandoned.set(stream, messageOf(err));
      onNote(
        'error',
        { err, stream },
        'this node cannot take over the log of a lost node yet: the next one tries',
      );
    }
  }
}
