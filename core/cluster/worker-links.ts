/**
 * The links of one worker to those of other nodes (worker thread): its own connection to NATS carries the
 * frames that the data plane creates and reads, and each view is applied to the data plane. The data plane is
 * responsible for order, repetition and the amount in transit (native/cluster/link.h), and for moving slots
 * (native/front-end/slot-moves.h).
 *
 *   view --> lost workers, new workers, slots that this worker is to take --slotsTaken--> applied
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerError } from '../broker-error.ts';
import type { ClusterView } from '../control/messages.ts';
import { type Engine, FrameOutcome } from '../data-plane/addon.ts';
import { connectToNats, type NatsPost, type NatsSettings } from './nats-connection.ts';
import { Subjects, type WorkerAddress } from './ports.ts';

const figuresMs = 1_000;
/** The main thread is already connected, or there would be no worker. */
const connectMs = 10_000;
/** Between two attempts of a worker that is restarted. */
const againMs = 500;

/** At most this many are started at the same time. */
const movesPerEpoch = 2 ** 32;

export interface WorkerPlace extends WorkerAddress {
  readonly clusterName: string;
  readonly nodeName: string;
}

type PlaneNode = ClusterView['nodes'][number];

interface Link {
  readonly incarnation: number;
  /** Where its frames are sent. */
  readonly subject: string;
}

export class WorkerLinks {
  readonly #engine: Engine;
  readonly #place: WorkerPlace;
  readonly #subjects: Subjects;
  readonly #onApplied: (epoch: number, lastMove: number) => void;
  readonly #onBroken: (worker: number) => void;
  readonly #onFigures: (figures: readonly number[]) => void;
  #figuresTimer: NodeJS.Timeout | undefined;
  #post: NatsPost | undefined;
  /** By worker. */
  readonly #links = new Map<number, Link>();
  #view: ClusterView | undefined;
  /** Moves of slots to this worker. */
  readonly #takings = new Set<number>();
  /** Lost workers. */
  readonly #forgetting = new Set<number>();

  /**
   * `onBroken`: a worker has sent something invalid, so this node can only continue as a new one. `onFigures`:
   * each second, as returned by readLinkFigures().
   */
  constructor(
    engine: Engine,
    place: WorkerPlace,
    onApplied: (epoch: number, lastMove: number) => void,
    onBroken: (worker: number) => void,
    onFigures: (figures: readonly number[]) => void,
  ) {
    this.#onFigures = onFigures;
    this.#onBroken = onBroken;
    this.#engine = engine;
    this.#place = place;
    this.#subjects = new Subjects(place.clusterName);
    this.#onApplied = onApplied;
  }

  /**
   * Connects and applies the view: from then on, clients' packets reach their destinations. `applied`: what the
   * data plane has already done, if its worker is being restarted: then it waits for NATS, however long that takes.
   * Otherwise: errors of connectToNats().
   */
  async open(settings: NatsSettings, view: ClusterView, applied: ClusterView | undefined): Promise<void> {
    const post = await this.#connect(settings, applied !== undefined);
    post.subscribe(this.#subjects.frames(this.#place), (bytes, subject) => this.#receive(bytes, subject));
    this.#post = post;
    this.#figuresTimer = setInterval(() => this.#onFigures(this.#engine.linkFigures()), figuresMs).unref();
    if (applied !== undefined) this.#goOn(applied);
    this.apply(view);
  }

  async #connect(settings: NatsSettings, isRestarted: boolean): Promise<NatsPost> {
    const { nodeName, worker } = this.#place;
    const listener = { onUp: () => this.#reconnect(), onWait: () => {} };
    for (;;) {
      try {
        return await connectToNats(settings, `rallymq ${nodeName} worker ${worker}`, connectMs, listener);
      } catch (error) {
        // The other workers wait too. If this one failed, it would soon be one that keeps failing, and end the broker.
        if (!isRestarted || !(error instanceof BrokerError)) throw error;
      }
      await delay(againMs);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#figuresTimer);
    await this.#post?.close();
  }

  /** The data plane has something for a worker of another node. */
  send(worker: number, frame: Uint8Array): void {
    const link = this.#links.get(worker);
    if (link !== undefined) this.#post?.publish(link.subject, frame);
  }

  /** Older views change nothing, nor do views before open() has finished. */
  apply(view: ClusterView): void {
    if (this.#post === undefined || view.epoch <= (this.#view?.epoch ?? 0)) return;
    const before = this.#view;
    this.#view = view;
    // Anything in this view is later than everything in earlier views, also on lost nodes.
    this.#engine.noteMove(view.epoch * movesPerEpoch);
    const nodes = nodesByWorker(view);
    for (const [worker, { incarnation }] of this.#links)
      if (nodes.get(worker)?.incarnation !== incarnation) this.#lose(worker);
    for (const [worker, node] of nodes)
      if (node.incarnation !== this.#place.incarnation && !this.#links.has(worker)) this.#open(worker, node);
    if (before !== undefined) this.#awaitStandIns(view, before);
    this.#engine.setPresent([...nodes.keys()], [...this.#links.keys()]);
    this.#takeSlots(view, before);
    this.#tellApplied();
  }

  /** Messages published for their sessions wait for them. */
  #awaitStandIns(view: ClusterView, before: ClusterView): void {
    const known = nodesByWorker(before);
    const come = view.nodes
      .filter(({ standsIn, incarnation }) => standsIn && incarnation !== this.#place.incarnation)
      .flatMap(({ firstWorker, workers, incarnation }) =>
        Array.from({ length: workers }, (_, index) => firstWorker + index).filter(
          (worker) => known.get(worker)?.incarnation !== incarnation,
        ),
      );
    this.#engine.awaitFilters(come);
  }

  #goOn(applied: ClusterView): void {
    this.#view = applied;
    for (const [worker, node] of nodesByWorker(applied))
      if (node.incarnation !== this.#place.incarnation) this.#open(worker, node);
  }

  #open(worker: number, { incarnation, linkVersion }: PlaneNode): void {
    const subject = this.#subjects.frames({ incarnation, worker }, this.#place);
    this.#links.set(worker, { incarnation, subject });
    this.#engine.openLink(worker, incarnation, linkVersion);
  }

  #lose(worker: number): void {
    this.#links.delete(worker);
    this.#forgetting.add(worker);
    this.#engine.workerGone(worker);
    this.#engine.closeLink(worker);
  }

  #takeSlots(view: ClusterView, before: ClusterView | undefined): void {
    const { worker } = this.#place;
    const slots: number[] = [];
    for (const [slot, owner] of view.owners.entries())
      if (owner === worker && before?.owners[slot] !== worker) slots.push(slot);
    if (slots.length > 0) this.#takings.add(this.#engine.takeSlots(slots));
  }

  /** The data plane serves slots that it was to take. */
  slotsTaken(taking: number): void {
    this.#takings.delete(taking);
    this.#tellApplied();
  }

  /** The data plane has nothing left of a lost worker. */
  workerForgotten(worker: number): void {
    this.#forgetting.delete(worker);
    this.#tellApplied();
  }

  #tellApplied(): void {
    if (this.#view === undefined || this.#takings.size > 0 || this.#forgetting.size > 0) return;
    this.#onApplied(this.#view.epoch, this.#engine.lastMove());
  }

  #reconnect(): void {
    for (const worker of this.#links.keys()) this.#engine.reconnectLink(worker);
  }

  #receive(bytes: Uint8Array, subject: string): void {
    const [worker, incarnation] = subject.split('.').slice(-2).toReversed().map(Number);
    if (worker === undefined || this.#links.get(worker)?.incarnation !== incarnation) return; // not in the view
    if (this.#engine.receiveFrame(worker, bytes) === FrameOutcome.malformed) this.#onBroken(worker);
  }
}

/** All workers of a view, with their nodes. */
function nodesByWorker({ nodes }: ClusterView): Map<number, PlaneNode> {
  const byWorker = new Map<number, PlaneNode>();
  for (const node of nodes)
    for (let worker = node.firstWorker; worker < node.firstWorker + node.workers; worker++)
      byWorker.set(worker, node);
  return byWorker;
}
