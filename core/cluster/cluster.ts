/**
 * This node among the others (main thread): membership, the directory of client identifiers and what nodes tell each
 * other, put together over any post and register. What becomes of a view is for the data plane to do, which says when it
 * has done it.
 */
import type { Claimed, Directory } from '../sessions/directory.ts';
import { ClientDirectory, type SessionHolder } from './client-directory.ts';
import { type JoinRefusal, Membership, type MembershipOptions } from './membership.ts';
import { Messenger } from './messenger.ts';
import { liveNodes, type NodeEntry, nodeOf, slotsOf, type View } from './view.ts';

export interface ClusterOptions extends Omit<MembershipOptions, 'applied' | 'lastMove'> {
  /** Later, before time passes: setImmediate. */
  soon(action: () => void): void;
  sessions(): SessionHolder;
  /** All nodes have heard which sessions this one has brought: clients may come. */
  onHeard?(): void;
  /** What another node has told everyone. */
  onNews(news: Readonly<Record<string, unknown>>): void;
}

/** A node as operators see it. */
export interface NodeFigures {
  readonly name: string;
  readonly incarnation: number;
  readonly isHere: boolean;
  readonly state: 'serving' | 'leaving' | 'suspect';
  readonly workers: number;
  readonly slots: number;
}

export class Cluster implements Directory {
  readonly #options: ClusterOptions;
  readonly #membership: Membership;
  #messenger: Messenger | undefined;
  #directory: ClientDirectory | undefined;
  #dataPlaneApplied = 0;
  #lastMove = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#membership = new Membership({
      ...options,
      lastMove: () => this.#lastMove,
      onMove: (number) => {
        this.#lastMove = number;
        options.onMove(number);
      },
      applied: () => Math.min(this.#dataPlaneApplied, this.#directory?.applied ?? 0),
      onView: (view, before) => this.#onView(view, before),
    });
  }

  /** Calls back once: undefined when this node has joined. */
  join(done: (refusal: JoinRefusal | undefined) => void): void {
    this.#membership.join(done);
  }

  /** Calls back when this node is in the cluster no more, and its slots are the others'. */
  leave(left: () => void): void {
    this.#membership.leave(left);
  }

  stop(): void {
    this.#membership.stop();
    this.#messenger?.stop();
  }

  get view(): View | undefined {
    return this.#membership.view;
  }
  /** Once it has joined. */
  get node(): NodeEntry | undefined {
    return this.#membership.node;
  }
  /** False: cut off from the others. */
  get isReached(): boolean {
    return this.#membership.isReached;
  }
  /** All nodes have done with the last view. */
  get isSettled(): boolean {
    const { view } = this;
    return view !== undefined && liveNodes(view).every((node) => this.#hasApplied(node, view));
  }
  get messagesResent(): number {
    return this.#messenger?.resent ?? 0;
  }
  get clientIdentifiers(): number {
    return this.#directory?.size ?? 0;
  }

  get nodes(): NodeFigures[] {
    const { view } = this;
    if (view === undefined) return [];
    return liveNodes(view).map((node) => ({
      name: node.name,
      incarnation: node.incarnation,
      isHere: node.incarnation === this.node?.incarnation,
      state: this.#stateOf(node),
      workers: node.workers,
      slots: slotsOf(view, node),
    }));
  }

  #stateOf({ incarnation, state }: NodeEntry): NodeFigures['state'] {
    if (incarnation !== this.node?.incarnation && this.#membership.isSuspect(incarnation)) return 'suspect';
    return state === 'leaving' ? 'leaving' : 'serving';
  }

  #hasApplied({ incarnation }: NodeEntry, view: View): boolean {
    return this.#membership.appliedBy(incarnation) >= view.epoch;
  }

  /** The data plane has done what the view of this epoch asks for, and knows moves up to this number. */
  dataPlaneApplied(epoch: number, lastMove: number): void {
    this.#lastMove = Math.max(this.#lastMove, lastMove);
    if (epoch <= this.#dataPlaneApplied) return;
    this.#dataPlaneApplied = epoch;
    this.#membership.beatNow();
  }

  /** Tells all other nodes. */
  tell(news: Readonly<Record<string, unknown>>): void {
    const { view, node } = this;
    if (view === undefined) return;
    for (const { incarnation } of liveNodes(view))
      if (incarnation !== node?.incarnation) this.#messenger?.send(incarnation, { type: 'news', news });
  }

  claim(clientId: string, isClean: boolean, later: (outcome: Claimed) => void): boolean | undefined {
    return this.#directory === undefined ? false : this.#directory.claim(clientId, isClean, later);
  }
  release(clientId: string): void {
    this.#directory?.release(clientId);
  }
  used(clientId: string): void {
    this.#directory?.used(clientId);
  }
  isLent(key: number): boolean {
    return this.#directory?.isLent(key) ?? false;
  }

  #onView(view: View, before: View | undefined): void {
    if (before === undefined) this.#begin(view);
    this.#messenger?.setPeers(liveNodes(view).map(({ incarnation }) => incarnation));
    this.#options.onView(view, before);
    this.#directory?.onView(view);
  }

  #begin(view: View): void {
    const incarnation = this.node?.incarnation;
    if (incarnation === undefined || nodeOf(view, incarnation) === undefined)
      throw new Error('a view has come that this node is not in');
    const { clock, post, subjects, soon } = this.#options;
    this.#messenger = new Messenger({
      clock,
      post,
      subjects,
      incarnation,
      soon,
      onMessage: (from, message) => {
        if (message.type === 'news') this.#options.onNews(message.news);
        else this.#directory?.onMessage(from, message);
      },
    });
    this.#directory = new ClientDirectory({
      incarnation,
      key: Buffer.from(view.keys, 'hex'),
      send: (to, message) => this.#messenger?.send(to, message),
      isReached: () => this.isReached,
      onApplied: () => this.#membership.beatNow(),
      onHeard: () => this.#options.onHeard?.(),
    });
    this.#directory.serve(this.#options.sessions());
  }
}
