/**
 * The control plane's part in the cluster (main thread): joins it, passes each view to the workers, and tells
 * the other nodes when they have applied it. Nothing of NATS is loaded before join().
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerError, stoppedWhileStarting } from '../broker-error.ts';
import type { SessionHolder } from '../cluster/client-directory.ts';
import type { NodeFigures } from '../cluster/cluster.ts';
import type { ClusterNode, ClusterNodeEvents, JoinedPlace } from '../cluster/cluster-node.ts';
import { type LaneFigures, lanesByNode } from '../cluster/lane-figures.ts';
import { logAccessOf } from '../cluster/log-access.ts';
import type { NodeData } from '../cluster/log-place.ts';
import {
  type LentSession,
  type NodeAnswer,
  type NodeQuestion,
  type ToldWill,
  usedStamp,
} from '../cluster/node-messages.ts';
import { Orphans } from '../cluster/orphans.ts';
import { Replication, type ReplicationFigures } from '../cluster/replication.ts';
import { StandIn, type StandInBroker } from '../cluster/stand-in.ts';
import { Superseded } from '../cluster/superseded.ts';
import { linkVersionOf, liveNodes, type NodeEntry, type View } from '../cluster/view.ts';
import type { BrokerConfig } from '../config/options.ts';
import { type LinkFigures, linkVersions, readLinkFigures } from '../data-plane/addon.ts';
import type { SessionRow } from '../data-plane/session-row.ts';
import type { Claimed, Directory } from '../sessions/directory.ts';
import { standInFolderName } from '../storage/store-files.ts';
import { messageOf } from '../system-reason.ts';
import type { Logger } from './logger.ts';
import type { ClusterView, ToWorker, WorkerCluster } from './messages.ts';

export interface ClusterControlOptions {
  readonly config: BrokerConfig;
  readonly logger: Logger;
  sessions(): ClusterSessions;
  /** To all workers that run. */
  broadcast(message: ToWorker): void;
  /** How a session of a worker here is. Undefined: the worker does not run. */
  askRow(worker: number, session: number): Promise<SessionRow | undefined>;
  /** How many sessions have not got all retained messages of the workers here that they subscribed to. */
  walksLeft(): Promise<number>;
  /** The others have removed this node: it has to join again, as a new one. */
  onEvicted(): void;
  /** Another node has announced something that every node has to do. */
  onNews(news: Readonly<Record<string, unknown>>): void;
  /** What a node that joins has to do, as it has not heard of it. */
  newsForNewcomer(): readonly Readonly<Record<string, unknown>>[];
  /** Another node forwards an operator's request. */
  onQuestion(question: NodeQuestion): Promise<NodeAnswer>;
  /** The will of a client whose node is lost. */
  publishWill(will: ToldWill): void;
  /** One that goes on with the log of a node that is lost. */
  makeStandIn(config: BrokerConfig): StandInBroker;
  /** The log cannot be replicated any more: the broker has to end. */
  onReplicationFailed(error: Error): void;
}

/** The session directory. */
export interface ClusterSessions extends Omit<SessionHolder, 'stampOf' | 'lookAtLent'> {
  restoredStampOf(clientId: string): number | undefined;
  /** For sessions whose clients are disconnected. */
  awayClientIds(): Iterable<string>;
}

/** How long the sessions of a stopping node may take to move to others. */
const giveSessionsMs = 5_000;
/**
 * How many are looked at in one turn. A session that was given away and is still here is given away again,
 * but not before this time.
 */
const givenAtOnce = 1_000;
const giveAgainMs = 250;
const lookMs = 20;
/** Longer than a lost node usually stays in the view. */
const greetingMs = 60_000;

/** Between two searches for logs without a node. */
const orphansMs = 5_000;

/** For JetStream to forget a log that is with other nodes; after that it is taken over once more, to be forgotten then. */
const endMs = 30_000;

/** What waits for JetStream longer than this is reported: a server that is restarted takes less. */
const lateMs = 5_000;

/** For the metrics and `$SYS`. */
export interface ClusterFigures {
  readonly nodes: readonly NodeFigures[];
  readonly epoch: number;
  readonly isReached: boolean;
  readonly isSettled: boolean;
  readonly clientIdentifiers: number;
  readonly messagesResent: number;
  /** To other nodes, by name. */
  readonly lanes: ReadonlyMap<string, LaneFigures>;
  /** Undefined: the log of this node is not replicated. */
  readonly replication?: ReplicationFigures | undefined;
  /** Of lost nodes: attempts to take them over have failed, on any node. */
  readonly logsNotTakenOver: number;
}

function isLate(figures: ReplicationFigures | undefined): boolean {
  return figures !== undefined && figures.waitingMs >= lateMs;
}

export class ClusterControl implements Directory {
  readonly #options: ClusterControlOptions;
  #node: ClusterNode | undefined;
  #place: JoinedPlace | undefined;
  #view: View | undefined;
  /** By epoch: views that the workers were told and not all have applied. */
  readonly #views = new Map<number, ClusterView>();
  /** By worker: the last epoch that it has applied. */
  #applied: (ClusterView | undefined)[] = [];
  /** Which node was to tell a newcomer what it has not heard of. */
  #greetings: { readonly newcomer: number; readonly by: number; readonly atMs: number }[] = [];
  #isEvicted = false;
  #hasLeft = false;
  /** Since this process has started. */
  #wasInCluster = false;
  /** Aborted when the node leaves: it does not join any more. */
  readonly #leaving = new AbortController();
  /** By worker: its last report on its links. */
  readonly #links = new Map<number, readonly LinkFigures[]>();
  #heard = Promise.resolve();
  #outdated = 0;
  #data: NodeData | undefined;
  #replication: Replication | undefined;
  #replicationFigures: ReplicationFigures | undefined;
  #onWhole: (() => void) | undefined;
  #whole = Promise.resolve();
  /** By stream. */
  readonly #standIns = new Map<string, StandIn>();
  readonly #orphans: Orphans;
  #orphansTimer: NodeJS.Timeout | undefined;
  /** The stream of the log that this node has set aside. */
  #obsolete: string | undefined;

  constructor(options: ClusterControlOptions) {
    this.#options = options;
    this.#orphans = new Orphans({
      view: () => (this.#isReached ? this.#view : undefined),
      incarnation: () => this.#place?.incarnation,
      streams: async () => (await this.#node?.streams?.ids()) ?? [],
      isEmpty: async (stream) => (await this.#node?.streams?.last(stream)) === undefined,
      hasStandIn: (stream) => this.#standIns.has(stream),
      standFor: (stream, areWillsOver) => this.#standFor(stream, undefined, areWillsOver),
      onNote: (level, fields, sentence) => options.logger[level](fields, sentence),
    });
  }

  /**
   * Joins, or joins again after an eviction, with the data on the disk. Errors: CLUSTER_NOT_REACHABLE,
   * CLUSTER_REFUSED, CLUSTER_FILE_UNREADABLE, STORE_NOT_USABLE; NOT_RUNNING after leave(). Again, only the other nodes refuse it.
   */
  async join(data: NodeData | undefined): Promise<JoinedPlace> {
    try {
      return await this.#join(data);
    } catch (error) {
      if (error instanceof Superseded) this.#obsolete = data?.known?.stream ?? data?.log;
      throw error;
    }
  }

  async #join(data: NodeData | undefined): Promise<JoinedPlace> {
    const { config, logger } = this.#options;
    await this.#node?.close();
    this.#place = undefined;
    this.#view = undefined;
    this.#views.clear();
    this.#links.clear();
    this.#greetings = [];
    this.#applied = new Array<undefined>(config.workers).fill(undefined);
    this.#whole = Promise.resolve();
    const { ClusterNode } = await import('../cluster/cluster-node.ts');
    let heard = (): void => {};
    this.#heard = new Promise((resolve) => {
      heard = resolve;
    });
    const sessions = this.#sessionHolder();
    const { signal } = this.#leaving;
    const events: ClusterNodeEvents = {
      sessions: () => sessions,
      onHeard: () => heard(),
      onView: (view, before) => this.#onView(view, before),
      onMove: (number) => this.#options.broadcast({ type: 'noteMove', number }),
      finishWalks: (done) => void this.#finishWalks(done),
      onEvicted: () => this.#onEvicted(),
      onReach: (isReached) => this.#onReach(isReached),
      onNews: (news) => this.#options.onNews(news),
      onQuestion: (question) => this.#options.onQuestion(question),
      publishWill: (will) => this.#options.publishWill(will),
      takeOver: (lost, failed) => void this.#takeOver(lost, failed),
    };
    this.#node = await ClusterNode.connect(config, logger, data, events, signal).catch((error: unknown) => {
      throw this.#wasInCluster ? asNotReachable(error) : error;
    });
    // What stand-ins have left that ended with an earlier process.
    if (this.#data === undefined && data !== undefined)
      await rm(join(data.directory, standInFolderName), { recursive: true, force: true });
    this.#data = data;
    signal.throwIfAborted();
    this.#place = await this.#node.join();
    this.#isEvicted = false;
    this.#hasLeft = false;
    this.#wasInCluster = true;
    const { incarnation, firstWorker } = this.#place;
    logger.info({ node: config.nodeName, incarnation, firstWorker }, 'joined the cluster');
    return this.#place;
  }

  /** From now on the log of this broker of the addon is stored elsewhere too, if that is wanted. */
  async replicate(broker: number): Promise<void> {
    const { config, onReplicationFailed } = this.#options;
    const place = this.#node?.logPlace;
    if (place === undefined) return;
    if (!place.isWhole)
      this.#whole = new Promise((resolve) => {
        this.#onWhole = resolve;
      });
    const { stream, base } = place;
    this.#replication = await Replication.start(
      { access: logAccessOf(config), stream, base, broker },
      {
        onFigures: (figures) => this.#onReplication(figures),
        onDeposed: () => this.#onEvicted(),
        onBeginningLost: () =>
          this.#options.logger.warn(
            { stream },
            'JetStream has lost the beginning of the log of this node: a checkpoint repeats it',
          ),
        onFailed: onReplicationFailed,
      },
    );
    if (config.standsFor === undefined)
      this.#orphansTimer = setInterval(() => {
        void this.#orphans.look();
        void this.#forgetObsolete();
      }, orphansMs).unref();
  }

  /** The log is closed: what was in it to the end is stored, if that can be done soon. */
  async stopReplication(): Promise<void> {
    clearInterval(this.#orphansTimer);
    await this.#replication?.stop();
    this.#replication = undefined;
    this.#replicationFigures = undefined;
  }

  #onReplication(figures: ReplicationFigures): void {
    const { logger } = this.#options;
    const wasLate = isLate(this.#replicationFigures);
    const wasBehind = this.#replicationFigures?.isBehind ?? false;
    if (figures.isBehind && !wasBehind)
      logger.error({ ...figures }, 'JetStream is far behind: messages that have to be stored are refused');
    else if (isLate(figures) && !wasLate)
      logger.error(
        { ...figures },
        'JetStream does not store the log of this node: what has to be stored waits',
      );
    else if ((wasBehind || wasLate) && !figures.isBehind && !isLate(figures))
      logger.info('JetStream has caught up');
    this.#replicationFigures = figures;
    if (figures.droppable > 0) this.#onWhole?.();
  }

  /** Why what would have to be stored is refused. */
  get isBehind(): boolean {
    return this.#replicationFigures?.isBehind ?? false;
  }

  /** Others need not remember that the log has ended, once it has. */
  async #forgetObsolete(): Promise<void> {
    const stream = this.#obsolete;
    const streams = this.#node?.streams;
    if (stream === undefined || streams === undefined) return;
    try {
      if (!(await streams.hasEnded(stream))) return; // whoever has taken it over has not given all to others yet
      await streams.forgetEnd(stream);
      this.#obsolete = undefined;
    } catch (err) {
      this.#options.logger.debug({ err, stream }, 'JetStream does not forget a log yet');
    }
  }

  // --- the logs of nodes that are lost --------------------------------------------------------------------

  async #takeOver(lost: NodeEntry, failed: (reason: string | undefined) => void): Promise<void> {
    const { stream = '', name } = lost;
    try {
      if (await this.#node?.streams?.hasEnded(stream)) failed(undefined);
      else if (this.#standIns.has(stream)) failed('an earlier attempt has not ended yet');
      else await this.#standFor(stream, lost, false);
    } catch (err) {
      this.#options.logger.debug({ err, node: name }, 'a stand-in could not be started');
      failed(messageOf(err));
    }
  }

  /** Resolves when the sessions of the log are in the cluster. */
  async #standFor(stream: string, lost: NodeEntry | undefined, areWillsOver: boolean): Promise<void> {
    const { config, logger, makeStandIn } = this.#options;
    const node = this.#node;
    const view = this.#view;
    const data = this.#data;
    const isLeaving = this.#leaving.signal.aborted;
    if (node?.streams === undefined || view === undefined || data === undefined || isLeaving)
      throw new Error('it is leaving');
    const { clusterName } = config;
    const { keys, epoch, lastIncarnation } = view;
    const standIn = new StandIn({
      config,
      directory: data.directory,
      stream,
      lost,
      known: { clusterName, keys, epoch, incarnation: lastIncarnation, hasLeft: !areWillsOver },
      makeBroker: makeStandIn,
    });
    this.#standIns.set(stream, standIn);
    try {
      await standIn.start();
    } catch (error) {
      await standIn.stop();
      this.#standIns.delete(stream);
      throw error;
    }
    const fields = { node: lost?.name, stream };
    logger.info(fields, 'this node has taken over the log of a lost node: its sessions are available again');
    void this.#giveAll(standIn, stream, fields);
  }

  async #giveAll(standIn: StandIn, stream: string, fields: object): Promise<void> {
    const { logger } = this.#options;
    try {
      await standIn.giveAll();
      await this.#node?.streams?.end(stream, { waitMs: endMs, onWait: () => {} });
      logger.info(fields, 'other nodes now have everything that a lost node had');
    } catch (err) {
      logger.warn({ err, ...fields }, 'not everything that a lost node had could be given to other nodes');
      await standIn.stop();
    }
    this.#standIns.delete(stream);
  }

  /**
   * Moves sessions of disconnected clients to other nodes, as far as they take them in time. `left` is called
   * repeatedly and returns how many sessions are left. Returns how many stay here.
   */
  async giveSessions(left: () => number): Promise<number> {
    const sessions = this.#options.sessions();
    const cluster = this.#node?.cluster;
    if (cluster === undefined) return left();
    const endMs = performance.now() + giveSessionsMs;
    let away = sessions.awayClientIds()[Symbol.iterator]();
    let begunAtMs = performance.now();
    while (performance.now() < endMs) {
      if (left() === 0 && cluster.sessionsLent === 0) return 0;
      const given = nextOf(away, givenAtOnce);
      if (!cluster.giveSessions(given)) break;
      if (given.length < givenAtOnce && performance.now() - begunAtMs > giveAgainMs) {
        away = sessions.awayClientIds()[Symbol.iterator]();
        begunAtMs = performance.now();
      }
      await delay(lookMs);
    }
    return left();
  }

  /** Whether other nodes can take over what this node has. */
  get hasOthers(): boolean {
    return this.#isReached && (this.#node?.cluster.giveSessions([]) ?? false);
  }

  #sessionHolder(): SessionHolder {
    const sessions = this.#options.sessions();
    return {
      yield: (clientId, isClean, done) => sessions.yield(clientId, isClean, done),
      lookAtLent: (session, answer) => void this.#lookAtLent(session, answer),
      takeBack: (clientId, session, row) => sessions.takeBack(clientId, session, row),
      endLent: (session) => sessions.endLent(session),
      adopt: (...wanted) => sessions.adopt(...wanted),
      clientIds: () => sessions.clientIds(),
      stampOf: (clientId) => sessions.restoredStampOf(clientId) ?? usedStamp,
      endOutdated: (clientId) => {
        this.#outdated++;
        this.#options.logger.warn(
          { clientId, outdated: this.#outdated },
          'a session from the disk ends, with its queued messages: its client has a newer one on another node',
        );
        sessions.endOutdated(clientId);
      },
    };
  }

  /** Its worker may be starting again, and not have heard yet that the session does not depart. */
  async #lookAtLent(
    { key, worker }: LentSession,
    answer: (row: SessionRow | undefined) => void,
  ): Promise<void> {
    const node = this.#node;
    while (this.#node === node && !this.#isEvicted && !this.#hasLeft) {
      const row = await this.#options.askRow(worker - this.firstWorker, key);
      if (row !== undefined && row.state !== 'departing') {
        answer(row.state === 'absent' ? undefined : row);
        return;
      }
      await delay(lookMs);
    }
  }

  /** All nodes have heard which sessions this one has brought: clients are accepted from now on. */
  get heard(): Promise<void> {
    return this.#heard;
  }

  /** Resolves when the whole log is replicated, if it is to be: clients may connect then. */
  get whole(): Promise<void> {
    return this.#whole;
  }

  /** Gives the slots to the other nodes, and ends. A node that is just joining gives that up. */
  async leave(): Promise<void> {
    this.#leaving.abort(stoppedWhileStarting());
    await Promise.all([...this.#standIns.values()].map((standIn) => standIn.stop()));
    await this.#node?.leave();
    this.#hasLeft = true;
  }

  async #finishWalks(done: () => void): Promise<void> {
    const node = this.#node;
    while (this.#node === node && !this.#isEvicted && !this.#hasLeft) {
      if ((await this.#options.walksLeft()) === 0) {
        done();
        return;
      }
      await delay(lookMs);
    }
  }

  /** The data that a worker is started with. */
  workerStart(worker: number): WorkerCluster | undefined {
    const view = this.#views.get(this.#view?.epoch ?? 0);
    if (this.#place === undefined || view === undefined) return undefined;
    const { incarnation, firstWorker } = this.#place;
    return { incarnation, firstWorker, view, applied: this.#applied[worker] };
  }
  get firstWorker(): number {
    return this.#place?.firstWorker ?? 0;
  }
  /** Sessions that another node may not have yet. */
  get sessionsLent(): number {
    return this.#node?.cluster.sessionsLent ?? 0;
  }
  get figures(): ClusterFigures {
    const cluster = this.#node?.cluster;
    return {
      nodes: cluster?.nodes ?? [],
      epoch: this.#view?.epoch ?? 0,
      isReached: this.#isReached,
      isSettled: cluster?.isSettled ?? false,
      clientIdentifiers: cluster?.clientIdentifiers ?? 0,
      messagesResent: cluster?.messagesResent ?? 0,
      lanes: lanesByNode(cluster?.nodes ?? [], [...this.#links.values()].flat()),
      replication: this.#replicationFigures,
      logsNotTakenOver: this.#notTakenOver.length,
    };
  }

  /** Why the logs of lost nodes have not been taken over. */
  get #notTakenOver(): string[] {
    const lost = (this.#node?.cluster.nodes ?? []).flatMap(({ name, takeOver }) =>
      takeOver === undefined ? [] : [`of ${name} (${takeOver.failed} attempts): ${takeOver.reason}`],
    );
    return [
      ...lost,
      ...[...this.#orphans.abandoned].map(([stream, reason]) => `in the stream ${stream}: ${reason}`),
    ];
  }

  /** What is stored waits for JetStream, or sessions of lost nodes are not available yet. Undefined: neither. */
  get trouble(): string | undefined {
    const { refusal = 'it does not answer' } = this.#replicationFigures ?? {};
    if (isLate(this.#replicationFigures))
      return `JetStream does not store the log of this node (${refusal}): what has to be stored waits`;
    const [first] = this.#notTakenOver;
    return first && `the log of a lost node could not be taken over yet, ${first}`;
  }
  /** Why no client should be sent here; undefined: clients are accepted. */
  get unreadiness(): string | undefined {
    if (this.#place === undefined || this.#isEvicted) return 'the node is joining its cluster';
    return this.#isReached ? undefined : 'the node is cut off from its cluster';
  }
  get #isReached(): boolean {
    return !this.#isEvicted && (this.#node?.cluster.isReached ?? false);
  }

  /** A worker has applied a view. */
  viewApplied(worker: number, epoch: number, lastMove: number): void {
    this.#applied[worker] = this.#views.get(epoch) ?? this.#applied[worker];
    const byAll = Math.min(...this.#applied.map((view) => view?.epoch ?? 0));
    const last = this.#view?.epoch ?? 0;
    for (const known of this.#views.keys()) if (known < byAll && known !== last) this.#views.delete(known);
    this.#node?.cluster.dataPlaneApplied(byAll, lastMove);
  }

  /** The links of a worker, as readLinkFigures() returns them. */
  linksTold(worker: number, figures: readonly number[]): void {
    this.#links.set(worker, readLinkFigures(figures));
  }

  /** A client of this node has this will, or no longer has one. */
  setWill(clientId: string, will: ToldWill | undefined): void {
    if (!this.#isEvicted) this.#node?.cluster.setWill(clientId, will);
  }

  /** The answers of other nodes, by name: of all, or of one. Undefined: no answer. */
  async ask(question: NodeQuestion, node?: string): Promise<ReadonlyMap<string, NodeAnswer | undefined>> {
    return (await this.#node?.cluster.ask(question, node)) ?? new Map();
  }

  /** Announces to all other nodes what has to be done there too. */
  tell(news: Readonly<Record<string, unknown>>): void {
    this.#node?.cluster.tell(news);
  }

  claim(clientId: string, isClean: boolean, later: (outcome: Claimed) => void): boolean | undefined {
    return this.#isReached ? this.#node?.cluster.claim(clientId, isClean, later) : false;
  }
  release(clientId: string): void {
    if (!this.#isEvicted) this.#node?.cluster.release(clientId);
  }
  used(clientId: string): void {
    this.#node?.cluster.used(clientId);
  }
  isLent(key: number): boolean {
    return this.#node?.cluster.isLent(key) ?? false;
  }

  #onView(view: View, before: View | undefined): void {
    this.#view = view;
    const { logger } = this.#options;
    const nodes = liveNodes(view);
    const here = new Set(nodes.map(({ incarnation }) => incarnation));
    const known = new Set((before === undefined ? [] : liveNodes(before)).map((node) => node.incarnation));
    const lost = before === undefined ? [] : liveNodes(before).filter((node) => !here.has(node.incarnation));
    const newcomers = before === undefined ? [] : nodes.filter(({ incarnation }) => !known.has(incarnation));
    for (const { name, incarnation } of newcomers)
      logger.info({ node: name, incarnation }, 'a node has joined the cluster');
    this.#greet(newcomers, nodes);
    this.#greetAgain(lost, nodes);
    this.#orphans.onView(view, before);
    for (const { name, incarnation } of lost)
      logger.warn({ node: name, incarnation }, 'a node is no longer in the cluster');
    const told = planeView(view, linkVersions);
    this.#views.set(view.epoch, told);
    this.#options.broadcast({ type: 'clusterView', view: told });
  }

  /** The oldest node that was there before tells the new ones. */
  #greet(newcomers: readonly NodeEntry[], nodes: readonly NodeEntry[]): void {
    const clients = newcomers.filter(({ standsFor }) => standsFor === undefined);
    const oldest = nodes.find((node) => node.standsFor === undefined && !newcomers.includes(node));
    if (clients.length === 0 || oldest === undefined) return;
    const nowMs = performance.now();
    this.#greetings = this.#greetings.filter(({ atMs }) => nowMs - atMs < greetingMs);
    for (const { incarnation } of clients)
      this.#greetings.push({ newcomer: incarnation, by: oldest.incarnation, atMs: nowMs });
    if (oldest.incarnation !== this.#place?.incarnation) return;
    for (const news of this.#options.newsForNewcomer())
      for (const { incarnation } of clients) this.#node?.cluster.tellOne(incarnation, news);
  }

  /** Whoever was to tell nodes that have just joined is lost, and perhaps was already. */
  #greetAgain(lost: readonly NodeEntry[], nodes: readonly NodeEntry[]): void {
    const isLost = (incarnation: number): boolean => lost.some((node) => node.incarnation === incarnation);
    const due = this.#greetings.filter(({ by, atMs }) => isLost(by) && performance.now() - atMs < greetingMs);
    this.#greetings = this.#greetings.filter(({ by }) => !isLost(by));
    const untold = new Set(due.map(({ newcomer }) => newcomer));
    this.#greet(
      nodes.filter(({ incarnation }) => untold.has(incarnation)),
      nodes,
    );
  }

  /** Whatever was in transit is lost: the node can only start again. */
  linkBroken(worker: number): void {
    this.#options.logger.error({ worker }, 'a worker of another node has sent malformed data');
    this.#onEvicted();
  }

  #onEvicted(): void {
    if (this.#isEvicted) return;
    this.#isEvicted = true;
    this.#node?.cluster.stop(); // the others need not wait for the end of its workers
    this.#options.logger.error('the cluster has removed this node; it joins again as a new one');
    this.#options.onEvicted();
  }

  #onReach(isReached: boolean): void {
    const { logger } = this.#options;
    if (isReached) logger.info('the node has reached its cluster again');
    else logger.error('the node is cut off from its cluster: new clients are refused');
  }
}

/**
 * NATS has accepted this node before: its credentials may be renewed, and JetStream may be on again, so this is waited for as if NATS
 * were away.
 */
function asNotReachable(error: unknown): unknown {
  if (!(error instanceof BrokerError)) return error;
  const isOfNats = error.code === 'CLUSTER_REFUSED' || error.code === 'CLUSTER_FILE_UNREADABLE';
  return isOfNats ? new BrokerError('CLUSTER_NOT_REACHABLE', error.message, { cause: error }) : error;
}

function nextOf<Item>(items: Iterator<Item>, most: number): Item[] {
  const taken: Item[] = [];
  while (taken.length < most) {
    const { value, done } = items.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}

function planeView(view: View, links: readonly [number, number]): ClusterView {
  const nodes = liveNodes(view).map((node) => ({
    incarnation: node.incarnation,
    firstWorker: node.firstWorker,
    workers: node.workers,
    linkVersion: linkVersionOf({ links }, node) ?? links[0],
    standsIn: node.standsFor !== undefined,
  }));
  return { epoch: view.epoch, nodes, owners: view.owners };
}
