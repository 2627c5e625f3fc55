/**
 * This node's membership in the cluster (main thread): it joins, follows the views, signals to the others that
 * it is alive, and removes nodes that are not.
 *
 *   beat, each 500 ms --post--> everyone, itself too: only a node that hears itself may judge that others are silent
 *   a later epoch in a beat --> the view is read --> onView
 *   silent for 3 s          --> a view without the node, by compare-and-set: without writing, no node is removed
 *
 * Time is measured in the node's own beats that have come back, so a node that was paused or cut off does not
 * mistake its own silence for that of the others.
 */
import type { Clock, Timer } from '../sessions/timers.ts';
import { type Beat, decodeBeat, encodeBeat } from './beat.ts';
import type { KnownCluster } from './cluster-memory.ts';
import type { Post, Register, Subjects, Written } from './ports.ts';
import { type StartTakeOver, TakeOvers } from './take-overs.ts';
import {
  decodeView,
  encodeView,
  firstView,
  haveRoomFor,
  linkVersionOf,
  liveNodes,
  type Newcomer,
  type NodeEntry,
  nextStepOf,
  nodeOf,
  slotsOf,
  type View,
  withNode,
  withNodeLeaving,
  withoutNode,
  withPast,
} from './view.ts';

export interface MembershipOptions {
  readonly clock: Clock;
  readonly post: Post;
  readonly register: Register;
  readonly subjects: Subjects;
  readonly name: string;
  readonly workers: number;
  readonly keepsData: boolean;
  readonly links: readonly [oldest: number, newest: number];
  /** Unique to this node. */
  readonly id: string;
  /** As in its entry in the view. */
  readonly stream?: string | undefined;
  readonly standsFor?: number | undefined;
  /** For a cluster that begins with this node. */
  makeKeys(): string;
  /** The cluster that the node's data belongs to; undefined: it has no data. */
  readonly known?: KnownCluster | undefined;
  /** The epoch that this node's data plane and directory have applied. */
  applied(): number;
  /** The highest number of a session or slot move that this node knows. */
  lastMove(): number;
  /** Another node knows a higher one: moves that begin here must have even higher ones from now on. */
  onMove(number: number): void;
  /**
   * Calls back when sessions on other nodes have the retained messages that this node still had to send them. It is
   * asked once, when the node is leaving and owns no slots.
   */
  finishWalks?(done: () => void): void;
  /** A new view that includes this node; the first one when it has joined. */
  onView(view: View, before: View | undefined): void;
  /**
   * A node whose log is replicated is lost. This node is to start a stand-in, which joins and removes the lost node in the same
   * view. Undefined: this node cannot.
   */
  takeOver?: StartTakeOver | undefined;
  /** The others have removed this node: its incarnation is over. */
  onEvicted(): void;
  /** The node no longer hears its own beats, or hears them again. */
  onReach(isReached: boolean): void;
  onNote(level: 'info' | 'warn' | 'error', fields: object, sentence: string): void;
}

export type JoinRefusal =
  | { readonly why: 'nameTaken' }
  | { readonly why: 'full' }
  /** A stand-in continues this node's log, or its own node continues the one that this stand-in is for. */
  | { readonly why: 'superseded' }
  /** The node's data belongs to another cluster, or was never in one. */
  | { readonly why: 'otherCluster'; readonly known: KnownCluster }
  /** This node keeps data and the other does not, or vice versa. */
  | { readonly why: 'otherStorage'; readonly node: NodeEntry }
  /** No frame version in common. */
  | { readonly why: 'otherVersion'; readonly node: NodeEntry }
  | { readonly why: 'viewNotReadable'; readonly sentence: string };

export const beatMs = 500;
/** Own beats heard without one of another node until that node is suspect, and until it is lost. */
const suspectBeats = 4;
const lostBeats = 6;
/** After this long without hearing its own beat, the node is cut off. */
const cutOffMs = lostBeats * beatMs;
/** How often the view is read even if no node announces a new one: its writer may have failed at that moment. */
const beatsPerRead = 10;
/** The sender of beats from nodes that wait for room. */
const nobody = 0;
/** Between two attempts to read or write. */
const retryMs = 100;
/** How long a node that finds no state listens for others before it founds a cluster: the state may be lost. */
const listenMs = 3 * beatMs;
/** How long a node waits for others that take over the log of its previous incarnation. */
const takeOverMs = 20 * beatMs;
/** The same for a node that does not have that log itself: longer than all their attempts take. */
const lostLogMs = 120 * beatMs;
/** How long a node that leaves waits for walks: within leaveMs of cluster-node.ts, with room for the moves of its slots. */
const walksMs = 2_500;

/** What a node that wants to join does next. */
type JoinStep =
  /** The sentence is for the log, once. */
  | { readonly kind: 'wait'; readonly ms: number; readonly sentence: string | undefined }
  | { readonly kind: 'refused'; readonly refusal: JoinRefusal }
  /** The node is in this view, if nobody else writes before. */
  | { readonly kind: 'write'; readonly view: View; readonly revision: number }
  | { readonly kind: 'joined'; readonly node: NodeEntry; readonly view: View; readonly revision: number };

interface Peer {
  /** The number of own beats that had come back when it was last heard. */
  heardAt: number;
  applied: number;
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #peers = new Map<number, Peer>();
  #view: View | undefined;
  #revision = 0;
  #node: NodeEntry | undefined;
  #isOver = false;
  #isLeaving = false;
  /** Over retained messages. */
  #walks: 'notAsked' | 'unfinished' | 'finished' = 'notAsked';
  /** Own beats that have come back, and the last of them. */
  #beats = 0;
  #tickHeard = 0;
  #ticks = 0;
  #heardMs = 0;
  /** When a node of the cluster was last heard. */
  #othersHeardMs = Number.NEGATIVE_INFINITY;
  #wasReached = true;
  /** The epoch of the view that needs no further step. */
  #finalEpoch = 0;
  #isReading = false;
  #isWriting = false;
  #timer: Timer | undefined;
  #left: (() => void) | undefined;
  readonly #takeOvers: TakeOvers;

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { clock, takeOver, onNote } = options;
    this.#takeOvers = new TakeOvers({
      clock,
      start:
        takeOver &&
        ((lost, failed) => takeOver(lost, (reason) => (this.#isOver ? undefined : failed(reason)))),
      isLost: (incarnation) => this.#isLost(incarnation),
      ableNodes: (lost) =>
        this.#view === undefined
          ? []
          : this.#ableNodes(this.#view, lost).filter(({ state }) => state === 'serving'),
      isThisNode: (incarnation) => incarnation === this.#node?.incarnation,
      confirmView: (done) => this.#confirmView(done),
      tell: () => this.beatNow(),
      due: () => {
        if (!this.#isOver && this.isReached) this.#tend();
      },
      onNote,
    });
  }

  /** The last view that included this node. */
  get view(): View | undefined {
    return this.#view;
  }
  /** Set once it has joined. */
  get node(): NodeEntry | undefined {
    return this.#node;
  }
  /** False: it is cut off, or has just resumed after a pause. */
  get isReached(): boolean {
    return this.#options.clock.nowMs() - this.#heardMs < cutOffMs;
  }
  isSuspect(incarnation: number): boolean {
    return this.#silence(incarnation) >= suspectBeats;
  }
  /** For a lost node whose log is to be taken over. */
  takeOverOf(incarnation: number): { readonly failed: number; readonly reason: string } | undefined {
    return this.#takeOvers.of(incarnation);
  }
  appliedBy(incarnation: number): number {
    if (incarnation === this.#node?.incarnation) return this.#options.applied();
    return this.#peers.get(incarnation)?.applied ?? 0;
  }

  // --- joining and leaving ------------------------------------------------------------------------------

  /** Calls back once: undefined when it has joined. Keeps trying while the register cannot be reached. */
  join(done: (refusal: JoinRefusal | undefined) => void): void {
    this.#heardMs = this.#options.clock.nowMs();
    this.#options.post.subscribe(this.#options.subjects.beats, (bytes) => this.#onBeat(bytes));
    this.#tryToJoin(done, 0);
  }

  #tryToJoin(done: (refusal: JoinRefusal | undefined) => void, waitedMs: number): void {
    const again = (ms: number): void => {
      this.#options.clock.after(ms, () => this.#tryToJoin(done, waitedMs + ms));
    };
    if (this.#isOver) return;
    this.#options.register.read((written) => {
      if (this.#isOver) return;
      const step = this.#joinStep(written, waitedMs);
      switch (step.kind) {
        case 'wait':
          if (waitedMs === 0 && step.sentence !== undefined) this.#options.onNote('info', {}, step.sentence);
          again(step.ms);
          break;
        case 'refused':
          done(step.refusal);
          break;
        case 'write':
          this.#options.register.write(
            encodeView(step.view),
            step.revision,
            (outcome) => again(outcome === 'unknown' ? retryMs : 0), // the next read shows it
          );
          break;
        case 'joined':
          this.#node = step.node;
          this.#heardMs = this.#options.clock.nowMs(); // while it waited it had no reason to hear itself
          this.#tickHeard = this.#ticks; // of other newcomers too, until now
          this.#adopt(step.view, step.revision);
          this.#beat();
          done(undefined);
          break;
      }
    });
  }

  /** What follows from what is in the register, if it can be read. */
  #joinStep(written: Written | undefined, waitedMs: number): JoinStep {
    if (written === undefined) return wait(retryMs, 'the state of the cluster cannot be read yet');
    const { id, known, clock, makeKeys } = this.#options;
    const { revision, bytes } = written;
    const isEmpty = bytes.length === 0;
    const isSilent = clock.nowMs() - this.#othersHeardMs > listenMs;
    if (isEmpty && !isSilent)
      return wait(beatMs, 'waiting until the running nodes have written the state of the cluster again');
    if (isEmpty && waitedMs < listenMs) return wait(beatMs);
    const read = isEmpty ? firstView(known?.keys ?? makeKeys()) : decodeView(bytes);
    if (typeof read === 'string') return refuse({ why: 'viewNotReadable', sentence: read });
    if (known !== undefined && known.keys !== read.keys) return refuse({ why: 'otherCluster', known });
    const view = known === undefined ? read : withPast(read, known.epoch, known.incarnation);
    const node = liveNodes(view).find((each) => each.id === id);
    return node === undefined
      ? this.#newcomerStep(view, revision, waitedMs)
      : { kind: 'joined', node, view, revision };
  }

  /** This node is not in the view yet. */
  #newcomerStep(view: View, revision: number, waitedMs: number): JoinStep {
    const { name, id, workers, links, keepsData, stream, standsFor, known } = this.#options;
    const nodes = liveNodes(view);
    const namesake = nodes.find((node) => node.name === name);
    if (namesake !== undefined && this.#peers.has(namesake.incarnation)) return refuse({ why: 'nameTaken' });
    // One node at a time has a log: a stand-in, or its own node, which may have come back.
    const holders = nodes.filter((node) => stream !== undefined && node.stream === stream);
    const isSuperseded = holders.some((node) =>
      standsFor === undefined ? node.standsFor !== undefined : node.incarnation !== standsFor,
    );
    if (isSuperseded) return refuse({ why: 'superseded' });
    // It may be this node's previous incarnation, even under another name, whose end no node has noticed yet.
    const isSilent = ({ incarnation }: NodeEntry): boolean => !this.#peers.has(incarnation);
    const former = namesake ?? (standsFor === undefined ? holders.find(isSilent) : undefined);
    if (former !== undefined && waitedMs < cutOffMs)
      return wait(
        beatMs,
        'waiting until the previous node of this name, or with this log, is known to be lost',
      );
    if (former !== undefined && waitedMs < takeOverMs && this.#takeOvers.isTried(former.incarnation))
      return wait(beatMs); // its data here would be obsolete a moment later
    const hasItsLog = former?.stream === undefined || [stream, known?.stream].includes(former.stream);
    if (!hasItsLog && waitedMs < lostLogMs) {
      const isAnyLeft = nodes.some((node) => node !== former && this.#isHeard(node.incarnation));
      // Without its previous incarnation in the view, clients would get new sessions in place of those in that log.
      if (isAnyLeft) return wait(beatMs);
    }
    const lost = former?.incarnation ?? (standsFor ? nodeOf(view, standsFor)?.incarnation : undefined);
    const others = lost === undefined ? view : withoutNode(view, lost);
    const newcomer: Newcomer = {
      name,
      id,
      workers,
      links,
      keepsData,
      ...(stream !== undefined && { stream }),
      ...(standsFor !== undefined && { standsFor }),
    };
    const refusal = refusalOf(newcomer, liveNodes(others));
    if (refusal !== undefined) return refuse(refusal);
    const heard = liveNodes(others).filter(({ incarnation }) => this.#isHeard(incarnation));
    const isNobodyLeft = heard.length === 0 && this.#beats >= lostBeats;
    const next = withNode(isNobodyLeft ? { ...others, nodes: [] } : others, newcomer);
    if (next !== undefined) return { kind: 'write', view: next, revision };
    // A stand-in does not wait: the lost node stays in the view, with its workers, until it is there.
    if (standsFor !== undefined || !haveRoomFor(heard, newcomer)) return refuse({ why: 'full' });
    this.#ticks++;
    this.#sendBeat(); // to find out whether it would hear the others
    return wait(beatMs, 'waiting until it is known which nodes are lost, and their workers are released');
  }

  /** Gives away the node's slots, and calls back when it has left the cluster. */
  leave(left: () => void): void {
    if (this.#isOver || this.#node === undefined) {
      left();
      return;
    }
    this.#isLeaving = true;
    this.#left = left;
    this.#tend();
  }

  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  // --- beats ------------------------------------------------------------------------------------------

  /** The others should know immediately: this node has applied or written a view. */
  beatNow(): void {
    if (!this.#isOver && this.#node !== undefined) this.#sendBeat();
  }

  #beat(): void {
    if (this.#isOver) return;
    this.#timer = this.#options.clock.after(beatMs, () => this.#beat());
    this.#ticks++;
    this.#sendBeat();
    this.#noteReach();
    if (this.#ticks % beatsPerRead === 0) this.#read();
    if (this.isReached) this.#tend();
  }

  #sendBeat(): void {
    const beat: Beat = {
      from: this.#node?.incarnation ?? nobody,
      tick: this.#ticks,
      epoch: this.#view?.epoch ?? 0,
      applied: this.#options.applied(),
      move: this.#options.lastMove(),
      takeOvers: this.#takeOvers.told,
    };
    this.#options.post.publish(this.#options.subjects.beats, encodeBeat(beat));
  }

  #onBeat(bytes: Uint8Array): void {
    const beat = decodeBeat(bytes);
    if (beat === undefined || this.#isOver) return;
    if (beat.from === (this.#node?.incarnation ?? nobody)) {
      if (beat.tick > this.#tickHeard) this.#beats++;
      this.#tickHeard = Math.max(this.#tickHeard, beat.tick);
      this.#heardMs = this.#options.clock.nowMs();
      this.#noteReach();
    } else {
      if (beat.from !== nobody) this.#othersHeardMs = this.#options.clock.nowMs();
      this.#peers.set(beat.from, { heardAt: this.#beats, applied: beat.applied });
      this.#takeOvers.heard(beat.from, beat.takeOvers);
      if (beat.move > this.#options.lastMove()) this.#options.onMove(beat.move);
    }
    if (this.#view !== undefined && beat.epoch > this.#view.epoch) this.#read();
  }

  #noteReach(): void {
    const { isReached } = this;
    if (isReached === this.#wasReached) return;
    this.#wasReached = isReached;
    if (isReached) this.#read();
    this.#options.onReach(isReached);
  }

  #isHeard(incarnation: number): boolean {
    return this.#peers.has(incarnation) && this.#silence(incarnation) < lostBeats;
  }

  /** It is in the view and silent. */
  #isLost(incarnation: number): boolean {
    const isThere = this.#view !== undefined && nodeOf(this.#view, incarnation) !== undefined;
    return isThere && incarnation !== this.#node?.incarnation && !this.#isHeard(incarnation);
  }

  #silence(incarnation: number): number {
    return this.#beats - (this.#peers.get(incarnation)?.heardAt ?? 0);
  }

  // --- views ------------------------------------------------------------------------------------------

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#options.register.read((written) => {
      this.#isReading = false;
      if (this.#isOver || written === undefined || written.revision === this.#revision) return;
      if (written.bytes.length === 0) {
        this.#restore(written.revision);
        return;
      }
      const view = decodeView(written.bytes);
      if (typeof view === 'string')
        this.#options.onNote('warn', { reason: view }, 'the state of the cluster cannot be read');
      else this.#take(view, written.revision);
    });
  }

  /** Whether this node has the last view; reads it otherwise. */
  #confirmView(done: (isLast: boolean) => void): void {
    this.#options.register.read((written) => {
      if (this.#isOver) return;
      const isLast = written !== undefined && written.revision <= this.#revision;
      done(isLast);
      if (!isLast) this.#read();
    });
  }

  /**
   * It may be outdated, or have been lost and written again: then its revisions have begun anew, or the same view has a
   * later one.
   */
  #take(view: View, revision: number): void {
    const epoch = this.#view?.epoch ?? 0;
    if (view.epoch > epoch) this.#adopt(view, revision);
    else if (view.epoch === epoch) this.#revision = revision;
    else this.#restore(revision);
  }

  /** Writes the view into a register that was lost, or to which a node has restored an older one. */
  #restore(revision: number): void {
    const view = this.#view;
    if (view === undefined || this.#isWriting || !this.isReached) return;
    this.#isWriting = true;
    this.#options.register.write(encodeView(view), revision, (outcome) => {
      this.#isWriting = false;
      if (outcome === 'written')
        this.#options.onNote(
          'warn',
          {},
          'NATS had lost the state of the cluster: this node has written it again',
        );
      this.#read();
    });
  }

  #adopt(view: View, revision: number): void {
    const before = this.#view;
    if (before !== undefined && view.keys !== before.keys) {
      this.stop();
      this.#options.onEvicted(); // another cluster was founded in its place
      return;
    }
    if (before !== undefined && view.epoch <= before.epoch) return;
    const own = this.#node === undefined ? undefined : nodeOf(view, this.#node.incarnation);
    if (own === undefined) {
      this.stop();
      if (this.#isLeaving) this.#left?.();
      else this.#options.onEvicted();
      return;
    }
    this.#node = own;
    this.#view = view;
    this.#revision = revision;
    const live = new Set(liveNodes(view).map(({ incarnation }) => incarnation));
    for (const incarnation of this.#peers.keys()) if (!live.has(incarnation)) this.#peers.delete(incarnation);
    this.#takeOvers.keepOnly(live);
    for (const incarnation of live) this.#greet(incarnation);
    this.#options.onView(view, before);
    this.beatNow();
  }

  /** Counts the nodes in the view as heard: their silence begins now. */
  #greet(incarnation: number): void {
    if (incarnation !== this.#node?.incarnation && !this.#peers.has(incarnation))
      this.#peers.set(incarnation, { heardAt: this.#beats, applied: 0 });
  }

  /** Takes the next step for which this node is responsible, one at a time. */
  #tend(): void {
    const view = this.#view;
    const node = this.#node;
    if (view === undefined || node === undefined || this.#isWriting || this.#isOver) return;
    const next = this.#nextView(view, node);
    if (next === undefined) return;
    this.#isWriting = true;
    this.#options.register.write(encodeView(next), this.#revision, () => {
      this.#isWriting = false;
      this.#read();
    });
  }

  #nextView(view: View, node: NodeEntry): View | undefined {
    const lost = this.#lostNodes(view, node);
    const gone = lost.find((each) => !this.#takeOvers.isAwaited(each));
    if (gone !== undefined) {
      this.#options.onNote('warn', { node: gone.name }, 'a node is silent: the others get its slots');
      return withoutNode(view, gone.incarnation);
    }
    if (lost.length > 0) return undefined;
    if (this.#isLeaving) {
      if (node.state === 'serving') return withNodeLeaving(view, node.incarnation);
      const isAlone = liveNodes(view).length === 1;
      const hasGiven = slotsOf(view, node) === 0 && this.#isSettled(view);
      if (isAlone || (hasGiven && this.#areWalksFinished())) return withoutNode(view, node.incarnation);
    }
    if (view.epoch === this.#finalEpoch || !this.#isFirst(view, node) || !this.#isSettled(view))
      return undefined;
    const next = nextStepOf(view);
    if (next === undefined) this.#finalEpoch = view.epoch;
    return next;
  }

  /** A slow client may take longer than others can wait. */
  #areWalksFinished(): boolean {
    const { finishWalks, clock } = this.#options;
    if (finishWalks === undefined) return true;
    if (this.#walks === 'notAsked') {
      this.#walks = 'unfinished';
      const done = (): void => {
        this.#walks = 'finished';
        this.#tend();
      };
      clock.after(walksMs, done);
      finishWalks(done);
    }
    return this.#walks === 'finished';
  }

  #lostNodes(view: View, node: NodeEntry): NodeEntry[] {
    if (node.standsFor !== undefined) return []; // its maker reports them
    return liveNodes(view).filter(
      ({ incarnation }) =>
        incarnation !== node.incarnation &&
        this.#silence(incarnation) >= lostBeats + this.#rankOf(view, node, incarnation),
    );
  }

  /** The node that acts for the cluster: the oldest. If it does not act, the others follow. */
  #isFirst(view: View, node: NodeEntry): boolean {
    return this.#rankOf(view, node, 0) === 0;
  }

  #rankOf(view: View, node: NodeEntry, besides: number): number {
    return this.#ableNodes(view, besides).findIndex(({ incarnation }) => incarnation === node.incarnation);
  }
  /** Oldest first. */
  #ableNodes(view: View, besides: number): NodeEntry[] {
    return liveNodes(view).filter(
      ({ incarnation, standsFor }) =>
        standsFor === undefined &&
        incarnation !== besides &&
        (incarnation === this.#node?.incarnation || !this.isSuspect(incarnation)),
    );
  }

  #isSettled(view: View): boolean {
    return liveNodes(view).every(({ incarnation }) => this.appliedBy(incarnation) >= view.epoch);
  }
}

function wait(ms: number, sentence?: string): JoinStep {
  return { kind: 'wait', ms, sentence };
}

function refuse(refusal: JoinRefusal): JoinStep {
  return { kind: 'refused', refusal };
}

/** Why the newcomer cannot join these nodes. */
function refusalOf(newcomer: Newcomer, nodes: readonly NodeEntry[]): JoinRefusal | undefined {
  for (const node of nodes) {
    if (linkVersionOf(newcomer, node) === undefined) return { why: 'otherVersion', node };
    if (node.keepsData !== undefined && node.keepsData !== newcomer.keepsData)
      return { why: 'otherStorage', node };
  }
  return undefined;
}
