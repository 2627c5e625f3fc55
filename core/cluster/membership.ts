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
import { isRecord } from '../config/option-rules.ts';
import type { Clock, Timer } from '../sessions/timers.ts';
import type { KnownCluster } from './cluster-memory.ts';
import type { Post, Register, Subjects } from './ports.ts';
import {
  decodeView,
  encodeView,
  firstView,
  haveRoomFor,
  isCount,
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
  /** A new view that includes this node; the first one when it has joined. */
  onView(view: View, before: View | undefined): void;
  /**
   * A node whose log is replicated is lost. This node is to start a stand-in, which joins and removes the lost node in the same
   * view; `failed` is called, with a sentence, if this has not worked: then the next node tries. Undefined: this node cannot.
   */
  takeOver?: ((lost: NodeEntry, failed: (reason: string) => void) => void) | undefined;
  /** The others have removed this node: its incarnation is over. */
  onEvicted(): void;
  /** The node no longer hears its own beats, or hears them again. */
  onReach(isReached: boolean): void;
  onNote(level: 'info' | 'warn' | 'error', fields: object, sentence: string): void;
}

export type JoinRefusal =
  | { readonly why: 'nameTaken' }
  | { readonly why: 'full' }
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
/**
 * How often stand-ins for a lost node are started, by one node after the other, with the delay doubled before each
 * further attempt. Until one has joined, the lost node stays in the view: a client that connected without its session
 * would get an empty one. The delays add up to half a minute, for any number of nodes; after that, unserved slots are
 * the greater evil.
 */
const takeOversMax = 8;
const takeOverAgainMs = 250;
const takeOverAgainMsMax = 8_000;

interface Beat {
  readonly from: number;
  /** How many it has sent, except those that only announce something new. */
  readonly tick: number;
  readonly epoch: number;
  readonly applied: number;
  readonly move: number;
  /**
   * Lost nodes, the number of failed attempts to take over their logs, and whether the sender is trying (1) or not (0).
   * Absent: it tries alone, or not at all.
   */
  readonly takeOvers?: readonly (readonly [incarnation: number, failed: number, isUnderWay: number])[];
}

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

interface Peer {
  /** The number of own beats that had come back when it was last heard. */
  heardAt: number;
  applied: number;
  /** Lost nodes whose logs it is taking over. Undefined: it does not take turns with others. */
  takingOver: readonly number[] | undefined;
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #peers = new Map<number, Peer>();
  #view: View | undefined;
  #revision = 0;
  #node: NodeEntry | undefined;
  #isOver = false;
  #isLeaving = false;
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
  /** By incarnation: lost nodes whose logs are to be taken over. */
  readonly #takeOvers = new Map<number, TakeOver>();

  constructor(options: MembershipOptions) {
    this.#options = options;
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
    return this.#takeOvers.get(incarnation);
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
    const noteOnce = (sentence: string): void => {
      if (waitedMs === 0) this.#options.onNote('info', {}, sentence);
    };
    if (this.#isOver) return;
    this.#options.register.read((written) => {
      if (this.#isOver) return;
      if (written === undefined) {
        noteOnce('the state of the cluster cannot be read yet');
        again(retryMs);
        return;
      }
      const { name, id, workers, links, keepsData, known, clock } = this.#options;
      const isSilent = clock.nowMs() - this.#othersHeardMs > listenMs;
      if (written.revision === 0 && (waitedMs < listenMs || !isSilent)) {
        if (!isSilent)
          noteOnce('waiting until the running nodes have written the state of the cluster again');
        again(beatMs);
        return;
      }
      const read =
        written.revision === 0
          ? firstView(known?.keys ?? this.#options.makeKeys())
          : decodeView(written.bytes);
      if (typeof read === 'string') {
        done({ why: 'viewNotReadable', sentence: read });
        return;
      }
      if (known !== undefined && written.revision !== 0 && known.keys !== read.keys) {
        done({ why: 'otherCluster', known });
        return;
      }
      const found = known === undefined ? read : withPast(read, known.epoch, known.incarnation);
      const own = liveNodes(found).find((node) => node.id === id);
      if (own !== undefined) {
        this.#node = own;
        this.#tickHeard = this.#ticks; // of other newcomers too, until now
        this.#adopt(found, written.revision);
        this.#beat();
        done(undefined);
        return;
      }
      const namesake = liveNodes(found).find((node) => node.name === name);
      if (namesake !== undefined && this.#peers.has(namesake.incarnation)) {
        done({ why: 'nameTaken' });
        return;
      }
      if (namesake !== undefined && waitedMs < cutOffMs) {
        noteOnce('waiting until the previous node of this name is known to be lost');
        again(beatMs); // it may be this node's previous incarnation, whose end no node has noticed yet
        return;
      }
      const { stream, standsFor } = this.#options;
      const lost = namesake?.incarnation ?? (standsFor ? nodeOf(found, standsFor)?.incarnation : undefined);
      const others = lost === undefined ? found : withoutNode(found, lost);
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
      if (refusal !== undefined) {
        done(refusal);
        return;
      }
      const heard = liveNodes(others).filter(({ incarnation }) => this.#isHeard(incarnation));
      const isNobodyLeft = heard.length === 0 && this.#beats >= lostBeats;
      const next = withNode(isNobodyLeft ? { ...others, nodes: [] } : others, newcomer);
      // A stand-in does not wait: the lost node stays in the view, with its workers, until it is there.
      if (next === undefined && (standsFor !== undefined || !haveRoomFor(heard, newcomer))) {
        done({ why: 'full' });
        return;
      }
      if (next === undefined) {
        noteOnce('waiting until it is known which nodes are lost, and their workers are released');
        this.#ticks++;
        this.#sendBeat(); // to find out whether it would hear the others
        again(beatMs);
        return;
      }
      this.#options.register.write(encodeView(next), written.revision, () => again(0)); // the next read shows it
    });
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
      ...(this.#options.takeOver && {
        takeOvers: [...this.#takeOvers].map(
          ([incarnation, { failed, isUnderWay }]) => [incarnation, failed, isUnderWay ? 1 : 0] as const,
        ),
      }),
    };
    this.#options.post.publish(this.#options.subjects.beats, Buffer.from(JSON.stringify(beat)));
  }

  #onBeat(bytes: Uint8Array): void {
    const beat = readBeat(bytes);
    if (beat === undefined || this.#isOver) return;
    if (beat.from === (this.#node?.incarnation ?? nobody)) {
      if (beat.tick > this.#tickHeard) this.#beats++;
      this.#tickHeard = Math.max(this.#tickHeard, beat.tick);
      this.#heardMs = this.#options.clock.nowMs();
      this.#noteReach();
    } else {
      if (beat.from !== nobody) this.#othersHeardMs = this.#options.clock.nowMs();
      const takingOver = beat.takeOvers?.filter(([, , isUnderWay]) => isUnderWay === 1).map(([lost]) => lost);
      this.#peers.set(beat.from, { heardAt: this.#beats, applied: beat.applied, takingOver });
      if (this.#takeOvers.get(beat.from)?.isUnderWay === false) this.#takeOvers.delete(beat.from); // it was not lost
      for (const [incarnation, failed] of beat.takeOvers ?? []) this.#noteFailed(incarnation, failed);
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
      if (written.revision === 0) {
        this.#restore(0);
        return;
      }
      const view = decodeView(written.bytes);
      if (typeof view === 'string')
        this.#options.onNote('warn', { reason: view }, 'the state of the cluster cannot be read');
      else if (written.revision > this.#revision) this.#adopt(view, written.revision);
      else this.#takeEarlier(view, written.revision);
    });
  }

  /** The value is outdated, or the register was lost and has been written again: its revisions begin anew. */
  #takeEarlier(view: View, revision: number): void {
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
    for (const incarnation of this.#takeOvers.keys())
      if (!live.has(incarnation)) this.#takeOvers.delete(incarnation);
    for (const incarnation of live) this.#greet(incarnation);
    this.#options.onView(view, before);
    this.beatNow();
  }

  /** Counts the nodes in the view as heard: their silence begins now. */
  #greet(incarnation: number): void {
    if (incarnation !== this.#node?.incarnation && !this.#peers.has(incarnation))
      this.#peers.set(incarnation, { heardAt: this.#beats, applied: 0, takingOver: undefined });
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
    const lost = this.#lostNode(view, node);
    if (lost !== undefined && this.#isTakenOver(view, node, lost)) return undefined;
    if (lost !== undefined) {
      this.#options.onNote('warn', { node: lost.name }, 'a node is silent: the others get its slots');
      return withoutNode(view, lost.incarnation);
    }
    if (this.#isLeaving) {
      if (node.state === 'serving') return withNodeLeaving(view, node.incarnation);
      const isAlone = liveNodes(view).length === 1;
      if (isAlone || (slotsOf(view, node) === 0 && this.#isSettled(view)))
        return withoutNode(view, node.incarnation);
    }
    if (view.epoch === this.#finalEpoch || !this.#isFirst(view, node) || !this.#isSettled(view))
      return undefined;
    const next = nextStepOf(view);
    if (next === undefined) this.#finalEpoch = view.epoch;
    return next;
  }

  /**
   * Whether it stays in the view until another node takes over its log. The oldest node tries first, and after each
   * failure the next one. If two try at once, the stream of the log decides (log-streams.ts).
   */
  #isTakenOver(view: View, node: NodeEntry, lost: NodeEntry): boolean {
    const { takeOver, clock } = this.#options;
    const { incarnation } = lost;
    if (lost.stream === undefined || takeOver === undefined) return false;
    const known = this.#takeOvers.get(incarnation);
    if (known !== undefined && known.failed >= takeOversMax) return false;
    const failed = known?.failed ?? 0;
    if (this.#turnOf(view, failed, incarnation)?.incarnation !== node.incarnation) return true;
    if (known !== undefined && (known.isUnderWay || clock.nowMs() < known.notBeforeMs)) return true;
    const under: TakeOver = known ?? { failed, reason: '', isUnderWay: true, notBeforeMs: 0 };
    under.isUnderWay = true;
    this.#takeOvers.set(incarnation, under);
    this.beatNow();
    // It may have left: a leaving node writes the last view, and perhaps no other node has heard of it.
    this.#options.register.read((written) => {
      if (this.#isOver) return;
      if (written === undefined || written.revision > this.#revision) {
        under.isUnderWay = false;
        this.#read();
        return;
      }
      const attempt = under.failed + 1;
      this.#options.onNote(
        'warn',
        { node: lost.name, attempt },
        'a node is silent: this node takes over its log',
      );
      takeOver(lost, (reason) => this.#takeOverAgain(lost, under, reason));
    });
    return true;
  }

  #takeOverAgain({ name, incarnation }: NodeEntry, takeOver: TakeOver, reason: string): void {
    if (this.#isOver) return;
    const { onNote } = this.#options;
    takeOver.isUnderWay = false;
    if (this.#isHeard(incarnation)) {
      this.#takeOvers.delete(incarnation); // it was not lost
      return;
    }
    const againMs = this.#noteFailed(incarnation, takeOver.failed + 1);
    takeOver.reason = reason;
    if (takeOver.failed >= takeOversMax) {
      onNote(
        'error',
        { node: name, reason, attempts: takeOver.failed },
        'the log of a lost node cannot be taken over: the others get its slots, and its clients new sessions',
      );
    } else {
      const next = this.#view && this.#turnOf(this.#view, takeOver.failed, incarnation)?.name;
      onNote(
        'warn',
        { node: name, reason, attempts: takeOver.failed, againMs, next },
        'the log of a lost node could not be taken over yet: its clients and slots wait for the next attempt',
      );
    }
    this.beatNow();
  }

  /**
   * Notes the number of failed attempts to take over a node's log, here or elsewhere. Returns the time until the next
   * one.
   */
  #noteFailed(incarnation: number, failed: number): number {
    const { clock } = this.#options;
    const againMs = Math.min(takeOverAgainMs * 2 ** (failed - 1), takeOverAgainMsMax);
    const isOurs = incarnation === this.#node?.incarnation || this.#isHeard(incarnation);
    const known = this.#takeOvers.get(incarnation);
    if (isOurs || failed <= (known?.failed ?? 0) || this.#view === undefined) return againMs;
    if (nodeOf(this.#view, incarnation) === undefined) return againMs;
    const notBeforeMs = clock.nowMs() + againMs;
    const reason = 'another node could not, as its log says';
    if (known === undefined)
      this.#takeOvers.set(incarnation, { failed, reason, isUnderWay: false, notBeforeMs });
    else Object.assign(known, { failed, reason, notBeforeMs });
    clock.after(failed < takeOversMax ? againMs : 0, () => {
      if (!this.#isOver && this.isReached) this.#tend();
    });
    return againMs;
  }

  /** Whose turn it is after this many failed attempts. */
  #turnOf(view: View, failed: number, lost: number): NodeEntry | undefined {
    const able = this.#ableNodes(view, lost);
    const trying = able.find(({ incarnation }) => this.#peers.get(incarnation)?.takingOver?.includes(lost));
    if (trying !== undefined) return trying;
    const taking = able.filter(
      ({ incarnation }) =>
        incarnation === this.#node?.incarnation || this.#peers.get(incarnation)?.takingOver !== undefined,
    );
    // A node of the previous version, which does not report the fate of its attempts, is left to make them alone.
    return able[0] === taking[0] ? taking[failed % taking.length] : able[0];
  }

  #lostNode(view: View, node: NodeEntry): NodeEntry | undefined {
    if (node.standsFor !== undefined) return undefined; // its maker reports it
    return liveNodes(view).find(
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

/** Why the newcomer cannot join these nodes. */
function refusalOf(newcomer: Newcomer, nodes: readonly NodeEntry[]): JoinRefusal | undefined {
  for (const node of nodes) {
    if (linkVersionOf(newcomer, node) === undefined) return { why: 'otherVersion', node };
    if (node.keepsData !== undefined && node.keepsData !== newcomer.keepsData)
      return { why: 'otherStorage', node };
  }
  return undefined;
}

function readBeat(bytes: Uint8Array): Beat | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { from, tick, epoch, applied, move, takeOvers } = value;
  if (!isCount(from) || !isCount(tick) || !isCount(epoch) || !isCount(applied) || !isCount(move))
    return undefined;
  const beat = { from, tick, epoch, applied, move };
  return areTakeOvers(takeOvers) ? { ...beat, takeOvers } : beat;
}

function areTakeOvers(value: unknown): value is readonly (readonly [number, number, number])[] {
  return (
    Array.isArray(value) &&
    value.every((each) => Array.isArray(each) && each.length === 3 && each.every(isCount))
  );
}
