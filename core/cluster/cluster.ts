/**
 * This node among the others (main thread): membership, the directory of client identifiers and the messages
 * between nodes, on top of any post and register. The data plane applies each view, and reports when it has.
 */
import type { Claimed, Directory } from '../sessions/directory.ts';
import { ClientDirectory, type SessionHolder } from './client-directory.ts';
import { type JoinRefusal, Membership, type MembershipOptions } from './membership.ts';
import { Messenger } from './messenger.ts';
import type { MessageOf, NodeAnswer, NodeMessage, NodeQuestion, ToldWill } from './node-messages.ts';
import { Questions } from './questions.ts';
import { slotOfClientId } from './slots.ts';
import { liveNodes, type NodeEntry, nodeOf, ownerOfSlot, slotsOf, type View, withoutNode } from './view.ts';
import { Wills } from './wills.ts';

export interface ClusterOptions extends Omit<MembershipOptions, 'applied' | 'lastMove'> {
  /** Runs it later, but before timers: setImmediate. */
  soon(action: () => void): void;
  sessions(): SessionHolder;
  /** All nodes have heard which sessions this node brought: clients are accepted from now on. */
  onHeard?(): void;
  /** Another node has announced something to everyone. */
  onNews(news: Readonly<Record<string, unknown>>): void;
  /** Another node forwards an operator's request. */
  onQuestion(question: NodeQuestion): Promise<NodeAnswer>;
  /** The will of a client whose node is lost. */
  publishWill(will: ToldWill): void;
}

/** A node as operators see it. */
export interface NodeFigures {
  readonly name: string;
  readonly incarnation: number;
  readonly isHere: boolean;
  readonly state: 'serving' | 'leaving' | 'suspect';
  readonly workers: number;
  readonly slots: number;
  /** For a lost node whose log is to be taken over: the failed attempts, and why the last one failed. */
  readonly takeOver?: { readonly failed: number; readonly reason: string };
}

export class Cluster implements Directory {
  readonly #options: ClusterOptions;
  readonly #membership: Membership;
  #messenger: Messenger | undefined;
  #directory: ClientDirectory | undefined;
  readonly #questions: Questions;
  #wills: Wills | undefined;
  #adopted = 0;
  #dataPlaneApplied = 0;
  #lastMove = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#questions = new Questions({
      clock: options.clock,
      send: (to, message) => this.#messenger?.send(to, message),
      onQuestion: (question) => options.onQuestion(question),
    });
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

  /** Calls back when this node has left the cluster, and the others have its slots. */
  leave(left: () => void): void {
    this.#wills?.leave();
    this.#membership.leave(left);
  }

  stop(): void {
    this.#membership.stop();
    this.#questions.stop();
    this.#wills?.stop();
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
  /** All nodes have applied the last view. */
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
      ...this.#takeOverOf(node),
    }));
  }

  #takeOverOf({ incarnation }: NodeEntry): Pick<NodeFigures, 'takeOver'> {
    const { failed = 0, reason = '' } = this.#membership.takeOverOf(incarnation) ?? {};
    return failed === 0 ? {} : { takeOver: { failed, reason } };
  }

  #stateOf({ incarnation, state }: NodeEntry): NodeFigures['state'] {
    if (incarnation !== this.node?.incarnation && this.#membership.isSuspect(incarnation)) return 'suspect';
    return state === 'leaving' ? 'leaving' : 'serving';
  }

  #hasApplied({ incarnation }: NodeEntry, view: View): boolean {
    return this.#membership.appliedBy(incarnation) >= view.epoch;
  }

  /** The data plane has applied the view of this epoch, and knows moves up to this number. */
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
      if (incarnation !== node?.incarnation) this.tellOne(incarnation, news);
  }
  /** Tells another node. */
  tellOne(incarnation: number, news: Readonly<Record<string, unknown>>): void {
    this.#messenger?.send(incarnation, { type: 'news', news });
  }

  /** The answers of other nodes, by name: of all, or of one. Undefined: no answer. */
  async ask(question: NodeQuestion, name?: string): Promise<ReadonlyMap<string, NodeAnswer | undefined>> {
    const { view, node } = this;
    const others = view === undefined ? [] : liveNodes(view);
    const asked = others
      .filter((each) => each.incarnation !== node?.incarnation && (name === undefined || each.name === name))
      .map(async (each) => [each.name, await this.#questions.ask(each.incarnation, question)] as const);
    return new Map(await Promise.all(asked));
  }

  /**
   * Before this node stops: moves the sessions of these clients, which are disconnected, to others. False:
   * there is no other node.
   */
  giveSessions(clientIds: Iterable<string>): boolean {
    const { view, node } = this;
    if (view === undefined || node === undefined) return false;
    const serving = liveNodes(view).filter(
      ({ state, incarnation }) => state === 'serving' && incarnation !== node.incarnation,
    );
    if (serving.length === 0) return false;
    const without = withoutNode(view, node.incarnation);
    const key = Buffer.from(view.keys, 'hex');
    for (const clientId of clientIds) {
      const slot = slotOfClientId(clientId, key);
      const owner = ownerOfSlot(without, slot)?.incarnation;
      const taker =
        serving.find(({ incarnation }) => incarnation === owner) ?? serving[slot % serving.length];
      const will = this.#wills?.of(clientId);
      if (taker !== undefined)
        this.#messenger?.send(taker.incarnation, { type: 'adopt', clientId, ...(will && { will }) });
    }
    return true;
  }
  /** Sessions on their way to other nodes. */
  get sessionsLent(): number {
    return this.#directory?.lent ?? 0;
  }

  /** A client of this node has this will, or no longer has one. */
  setWill(clientId: string, will: ToldWill | undefined): void {
    if (will === undefined) this.#wills?.clear(clientId);
    else this.#wills?.set(clientId, will);
  }
  /** The wills kept for clients of other nodes. */
  get willsKept(): number {
    return this.#wills?.kept ?? 0;
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
    this.#wills?.onView(view);
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
      onMessage: (from, message) => this.#onMessage(from, message),
      onTooLarge: (type, bytes) =>
        this.#options.onNote('warn', { type, bytes }, 'a message for another node is too large for NATS'),
    });
    const key = Buffer.from(view.keys, 'hex');
    const send = (to: number, message: NodeMessage): void => this.#messenger?.send(to, message);
    this.#wills = new Wills({
      clock,
      incarnation,
      key,
      send,
      publish: (will) => this.#options.publishWill(will),
      isClaimed: (clientId) => this.#directory?.isClaimed(clientId) ?? false,
    });
    this.#directory = new ClientDirectory({
      incarnation,
      key,
      send,
      onClaimed: (clientId) => this.#wills?.claimed(clientId),
      isReached: () => this.isReached,
      onApplied: () => this.#membership.beatNow(),
      onHeard: () => this.#options.onHeard?.(),
    });
    this.#directory.serve(this.#options.sessions());
  }

  #adopt({ clientId, will }: MessageOf<'adopt'>): void {
    const worker = this.#adopted++ % this.#options.workers;
    const comes = this.#options.sessions().adopt(clientId, worker, will !== undefined);
    if (comes && will !== undefined) this.setWill(clientId, will);
  }

  #onMessage(from: number, message: NodeMessage): void {
    switch (message.type) {
      case 'news':
        this.#options.onNews(message.news);
        break;
      case 'adopt':
        this.#adopt(message);
        break;
      case 'asked':
        void this.#questions.onAsked(from, message);
        break;
      case 'answered':
        this.#questions.onAnswered(from, message);
        break;
      case 'will':
      case 'willOver':
      case 'willDue':
        this.#wills?.onMessage(from, message);
        break;
      default:
        this.#directory?.onMessage(from, message);
    }
  }
}
