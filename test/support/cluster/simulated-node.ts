/**
 * A node of a simulated cluster: the real main thread as far as clients and sessions are concerned, with simulated
 * workers. Sessions are in a data plane shared by all nodes, as if carried by the lanes.
 */
import { Cluster } from '../../../core/cluster/cluster.ts';
import { usedStamp } from '../../../core/cluster/node-messages.ts';
import { Subjects } from '../../../core/cluster/ports.ts';
import { toldWill } from '../../../core/cluster/told-will.ts';
import { liveNodes, type NodeEntry, nodeOf, type View, workersOf } from '../../../core/cluster/view.ts';
import { defaultLimits } from '../../../core/config/limits.ts';
import type { ConnectRequest, ToWorker } from '../../../core/control/messages.ts';
import { linkVersions } from '../../../core/data-plane/addon.ts';
import type { SessionRow } from '../../../core/data-plane/session-row.ts';
import { SessionDirectory } from '../../../core/sessions/session-directory.ts';
import type { Random } from '../random.ts';
import { recoveredSessions } from '../recovered-sessions.ts';
import type { SimulatedNats } from './simulated-nats.ts';
import { Actor, type SimulatedTime } from './simulated-time.ts';

/** A session in its place: of a worker, by its number in the cluster, of one incarnation of a node. */
export interface PlayedSession {
  readonly clientId: string;
  incarnation: number;
  worker: number;
  expirySeconds: number;
  connection: number | undefined;
  /** The contents added by its client. */
  notes: number;
  /** The later of two has the higher one. */
  stamp: number;
}

/** A node's data when it ended, by key. */
export type Disk = ReadonlyMap<number, PlayedSession>;

/** What the nodes share, and their observer. */
export interface Stage {
  readonly time: SimulatedTime;
  readonly nats: SimulatedNats;
  readonly random: Random;
  readonly sessions: Map<number, PlayedSession>;
  /** Nodes with running processes, including those removed from the cluster without knowing it. */
  readonly running: Set<SimulatedNode>;
  /**
   * By incarnation: sessions that have moved to another node, whose log has them, and that are still in this node's
   * log.
   */
  readonly leftBehind: Map<number, Map<number, PlayedSession>>;
  /** For the next use of a session. */
  nextStamp(): number;
  onAccepted(node: SimulatedNode, connection: number, request: ConnectRequest, isNew: boolean): void;
  onRefused(node: SimulatedNode, connection: number): void;
  onClosed(node: SimulatedNode, connection: number): void;
  onEvicted(node: SimulatedNode): void;
  /** A node publishes the will of another node's client. */
  onWill(node: SimulatedNode, text: string): void;
}

/** A session on its way here: its state while its old node still has it. */
interface Landing {
  readonly copy: PlayedSession;
  /** It is on the disk here. */
  isStored: boolean;
}

interface Client {
  readonly request: ConnectRequest;
  readonly worker: number;
  session: number | undefined;
}

/** A node whose log has a second copy, and one that takes over the log of a lost one. */
export interface Replicated {
  readonly stream: string;
  readonly standsFor?: number;
  takeOver?(node: SimulatedNode, lost: NodeEntry, failed: (reason: string) => void): void;
}

let ids = 0;

export class SimulatedNode {
  readonly actor: Actor;
  readonly cluster: Cluster;
  readonly directory: SessionDirectory;
  readonly name: string;
  readonly workers: number;
  readonly clients = new Map<number, Client>();
  /** Also, clients may connect. */
  hasJoined = false;
  #connections = 0;
  /** By worker: when its last message to the main thread arrives there. */
  readonly #told: number[] = [];
  readonly #stage: Stage;
  readonly #disk: Disk;
  /** From its disk, under keys that another node now has. */
  readonly #twins = new Map<number, PlayedSession>();
  readonly #landings = new Map<number, Landing>();

  constructor(stage: Stage, name: string, workers: number, disk: Disk = new Map(), replicated?: Replicated) {
    const { stream, standsFor, takeOver } = replicated ?? {};
    this.#stage = stage;
    this.#disk = disk;
    stage.running.add(this);
    this.name = name;
    this.workers = workers;
    this.actor = new Actor(stage.time);
    const { clock } = this.actor;
    this.cluster = new Cluster({
      clock,
      post: stage.nats.postOf(this.actor),
      register: stage.nats.registerOf(this.actor),
      subjects: new Subjects('test'),
      name,
      workers,
      keepsData: true,
      links: linkVersions,
      id: `${name}-${++ids}`,
      stream,
      standsFor,
      takeOver: takeOver && ((lost, failed) => takeOver(this, lost, failed)),
      makeKeys: () => '00112233'.repeat(8),
      soon: (action) => void clock.after(0, action),
      sessions: () => ({
        yield: (...wanted) => this.directory.yield(...wanted),
        lookAtLent: ({ key, worker }, answer) =>
          this.#later(worker - this.firstWorker, () =>
            answer(this.#isHere(key) ? this.#rowOf(key) : undefined),
          ),
        takeBack: (...session) => this.directory.takeBack(...session),
        endLent: (session) => this.directory.endLent(session),
        adopt: (...wanted) => this.directory.adopt(...wanted),
        clientIds: () => this.directory.clientIds(),
        stampOf: (clientId) => this.directory.restoredStampOf(clientId) ?? usedStamp,
        endOutdated: (clientId) => this.directory.endOutdated(clientId),
      }),
      onView: (view, before) => this.#onView(view, before),
      onQuestion: () => Promise.resolve({ status: 0, text: '' }),
      publishWill: ({ packet }) => stage.onWill(this, Buffer.from(packet, 'base64').toString()),
      onEvicted: () => stage.onEvicted(this),
      onHeard: () => {
        this.hasJoined = true;
      },
      onMove: () => {},
      onReach: () => {},
      onNote: () => {},
      onNews: () => {},
    });
    this.directory = new SessionDirectory({
      link: { send: (worker, message) => this.#toWorker(worker, message) },
      directory: this.cluster,
      firstWorker: () => this.firstWorker,
      clock,
      limits: { ...defaultLimits, sessionWaitMs: 5_000 },
      isStoreFull: () => false,
      isListenerFull: () => false,
      refusalOf: () => undefined,
      fullReasonCode: () => 0x97,
      closedReasonCode: undefined,
      authenticate: () => ({ reasonCode: 0 }),
      onSessionsFull: () => {},
      onWill: (clientId, will) =>
        this.cluster.setWill(clientId, will && toldWill(will, stream !== undefined)),
      onRefused: () => {},
      onConnected: () => {},
      onDisconnected: () => {},
    });
  }

  get firstWorker(): number {
    return this.cluster.node?.firstWorker ?? 0;
  }
  get incarnation(): number {
    return this.cluster.node?.incarnation ?? 0;
  }

  /** `refused`: by default it must not be. */
  join(refused?: () => void): void {
    const restored = [...this.#disk].map(([session, { clientId, stamp }], index) => ({
      session,
      worker: index % this.workers,
      clientId,
      stamp,
    }));
    this.directory.restore(0, recoveredSessions(restored));
    this.cluster.join((refusal) => {
      if (refusal !== undefined && refused !== undefined) refused();
      else if (refusal !== undefined)
        throw new Error(`${this.name} may not join: ${JSON.stringify(refusal)}`);
    });
  }

  /** The process ends, with its connections. Returns the contents of its disk, if it has one. */
  end(): Disk {
    this.actor.isGone = true;
    this.#stage.running.delete(this);
    this.#stage.nats.forget(this.actor);
    for (const connection of [...this.clients.keys()]) this.#lose(connection);
    if (this.incarnation === 0) return this.#disk; // it has not got that far
    const disk = new Map([...(this.#stage.leftBehind.get(this.incarnation) ?? []), ...this.#twins]);
    for (const [key, { copy, isStored }] of this.#landings) if (isStored) disk.set(key, copy);
    for (const [key, session] of this.#stage.sessions) {
      if (session.incarnation !== this.incarnation) continue;
      if (session.expirySeconds > 0 && session.clientId !== '') disk.set(key, session);
      this.#stage.sessions.delete(key);
    }
    return disk;
  }

  /**
   * It stops properly, like core/control-plane.ts: within the time limit its sessions go to others, and then its
   * slots.
   */
  stop(ended: () => void, giveMs = 5_000): void {
    const { clock } = this.actor;
    const endMs = clock.nowMs() + giveMs;
    const look = (): void => {
      this.directory.close(0x8b); // including clients still connecting
      this.directory.tellNext(1_000, 0x8b);
      const away = [...this.directory.awayClientIds()];
      const isAnyLeft = this.directory.counts.total > 0 || this.cluster.sessionsLent > 0;
      if (isAnyLeft && clock.nowMs() < endMs && this.cluster.giveSessions(away)) clock.after(250, look);
      else this.cluster.leave(ended);
    };
    look();
  }

  /** A client connects; returns its connection. */
  connect(
    clientId: string,
    cleanStart: boolean,
    sessionExpirySeconds: number,
    will?: { readonly text: string; readonly delaySeconds: number },
  ): number {
    const connection = ++this.#connections;
    const request: ConnectRequest = {
      clientId,
      protocolVersion: 5,
      cleanStart,
      sessionExpirySeconds,
      username: undefined,
      password: undefined,
      authenticationMethod: undefined,
      authenticationData: undefined,
      remoteAddress: '127.0.0.1',
      transport: 'tcp',
      listener: 0,
      token: undefined,
      willTopic: undefined,
      will: will && { packet: Buffer.from(will.text), delaySeconds: will.delaySeconds },
      tls: undefined,
    };
    const worker = this.#stage.random.below(this.workers);
    this.clients.set(connection, { request, worker, session: undefined });
    this.#later(worker, () => this.directory.connect(worker, connection, request));
    return connection;
  }

  /** The client leaves, however far it has come. */
  leave(connection: number): void {
    const client = this.clients.get(connection);
    if (client === undefined) return;
    this.#lose(connection);
    if (client.session === undefined) {
      const { clientId } = client.request;
      this.#later(client.worker, () => this.directory.abandoned(client.worker, connection, clientId));
    } else this.#tellClosed(client.worker, client.session);
  }

  #lose(connection: number): void {
    const client = this.clients.get(connection);
    this.clients.delete(connection);
    const session = client?.session === undefined ? undefined : this.#stage.sessions.get(client.session);
    if (session?.connection === connection && session.incarnation === this.incarnation)
      session.connection = undefined;
    this.#stage.onClosed(this, connection);
  }

  #tellClosed(worker: number, key: number): void {
    const session = this.#stage.sessions.get(key);
    if (session?.expirySeconds === 0 && session.incarnation === this.incarnation)
      this.#stage.sessions.delete(key);
    const row = this.#rowOf(key);
    this.#later(worker, () => this.directory.closed(key, 'lost', 0, row));
  }

  // --- the worker ---------------------------------------------------------------------------------------

  /** A worker's messages, in order: it is one thread. */
  #later(worker: number, action: () => void): void {
    const { clock } = this.actor;
    const atMs = Math.max(clock.nowMs() + this.#stage.random.below(3), this.#told[worker] ?? 0);
    this.#told[worker] = atMs;
    clock.after(atMs - clock.nowMs(), action);
  }

  /** In order, too. */
  #toWorker(worker: number, message: ToWorker): boolean {
    this.actor.clock.after(1, () => this.#take(worker, message));
    return true;
  }

  #take(worker: number, message: ToWorker): void {
    switch (message.type) {
      case 'accept':
        this.#accept(worker, message);
        break;
      case 'refuse':
        this.#lose(message.connection);
        this.#stage.onRefused(this, message.connection);
        break;
      case 'evict': {
        const session = this.clients.get(message.connection)?.session;
        if (session === undefined) break;
        this.#lose(message.connection);
        this.#tellClosed(worker, session);
        break;
      }
      case 'moveHere':
        this.#move(worker, message.session, message.from);
        break;
      case 'endSession':
        if (!this.#twins.delete(message.session) && this.#isHere(message.session))
          this.#stage.sessions.delete(message.session);
        this.#later(worker, () => this.directory.settled(message.session, this.#rowOf(message.session)));
        break;
      default:
        throw new Error(`a played worker knows no ${message.type}`);
    }
  }

  #accept(worker: number, { connection, session: key, isNew }: Extract<ToWorker, { type: 'accept' }>): void {
    const client = this.clients.get(connection);
    if (client === undefined) {
      const row = this.#rowOf(key);
      this.#later(worker, () => this.directory.closed(key, 'lost', 0, row));
      return;
    }
    const { clientId, sessionExpirySeconds: expirySeconds } = client.request;
    if (isNew) {
      const place = { incarnation: this.incarnation, worker: this.firstWorker + worker };
      this.#stage.sessions.set(key, { clientId, ...place, expirySeconds, connection, notes: 0, stamp: 0 });
    }
    this.#preferTwin(key);
    const session = this.#stage.sessions.get(key);
    if (session === undefined || !this.#isHere(key)) throw new Error(`${clientId}: its session is not here`);
    session.connection = connection;
    session.stamp = this.#stage.nextStamp();
    session.expirySeconds = expirySeconds;
    client.session = key;
    this.#stage.onAccepted(this, connection, client.request, isNew);
  }

  /**
   * Follows the steps of native/front-end/session-moves.h: the session's contents arrive, are stored, are given up at
   * the old place, and may be used once this is known here. If its node is lost before they arrive, there is none;
   * later it is this node's.
   */
  #move(worker: number, key: number, from: number): void {
    const { sessions, random } = this.#stage;
    const place = { incarnation: this.incarnation, worker: this.firstWorker + worker };
    const arrived = (): void => this.directory.arrived(worker, key, this.#rowOf(key));
    const soon = (step: () => void): void => void this.actor.clock.after(1 + random.below(10), step);
    /** When a message of this node reaches the other one: `step`. When the other one is lost: `lost`. */
    const reach = (incarnation: number, step: () => void, lost: () => void): void => {
      if (this.#isOut(from, incarnation)) lost();
      else if (this.#canReach(incarnation)) step();
      else this.actor.clock.after(50, () => reach(incarnation, step, lost));
    };
    const fetch = (): void => {
      const origin = this.#nodeOf(from);
      if (origin !== undefined) origin.#preferTwin(key);
      const session = sessions.get(key);
      if (session?.worker === from && session.incarnation === this.incarnation) {
        Object.assign(session, place);
        arrived();
      } else if (this.#isOut(from)) arrived();
      else if (session?.worker === from) reach(session.incarnation, () => come(session), arrived);
      else if (origin !== undefined) arrived();
      else this.actor.clock.after(50, fetch); // it is lost, and no node knows yet
    };
    const come = (session: PlayedSession): void => {
      const landing = { copy: { ...session, ...place, stamp: this.#stage.nextStamp() }, isStored: false };
      this.#landings.set(key, landing);
      const { incarnation } = session;
      soon(() => {
        landing.isStored = true;
        soon(() => reach(incarnation, () => release(incarnation, landing), land));
      });
    };
    const release = (incarnation: number, { copy }: Landing): void => {
      const session = sessions.get(key);
      if (session?.incarnation === incarnation) {
        this.#leaveBehind(key, session, false);
        Object.assign(session, place, { stamp: copy.stamp });
      } else sessions.set(key, copy);
      this.#landings.delete(key);
      soon(() => reach(incarnation, arrived, arrived));
    };
    /** Any other copy is from a disk. */
    const land = (): void => {
      const landing = this.#landings.get(key);
      if (landing === undefined) return;
      const other = sessions.get(key);
      const standIn = this.#running(other?.incarnation);
      if (other !== undefined && standIn !== undefined && !this.#isOut(other.worker, other.incarnation))
        standIn.#twins.set(key, other);
      else if (other !== undefined) this.#leaveBehind(key, other, true);
      sessions.set(key, landing.copy);
      this.#landings.delete(key);
      arrived();
    };
    soon(fetch);
  }

  /** The node of a worker in the view, if its process runs. */
  #nodeOf(worker: number): SimulatedNode | undefined {
    const { view } = this.cluster;
    const node = view && liveNodes(view).find((each) => workersOf(each).includes(worker));
    return this.#running(node?.incarnation);
  }
  #running(incarnation: number | undefined): SimulatedNode | undefined {
    return [...this.#stage.running].find((node) => node.incarnation === incarnation);
  }

  /** Of two sessions with one key that nodes have from their disks, this node's is the wanted one. */
  #preferTwin(key: number): void {
    const twin = this.#twins.get(key);
    if (twin === undefined) return;
    const { sessions } = this.#stage;
    const other = sessions.get(key);
    const holder = this.#running(other?.incarnation);
    if (other !== undefined && holder !== undefined) holder.#twins.set(key, other);
    this.#twins.delete(key);
    sessions.set(key, twin);
  }

  /** Whether this node knows that a worker of another node, or of this incarnation of it, is lost. */
  #isOut(worker: number, incarnation?: number): boolean {
    const { view } = this.cluster;
    const node = view && liveNodes(view).find((each) => workersOf(each).includes(worker));
    return node === undefined || (incarnation !== undefined && node.incarnation !== incarnation);
  }

  /** Whether frames pass in both directions: it is not cut off, and has this node in its view. */
  #canReach(incarnation: number): boolean {
    if (incarnation === this.incarnation) return true;
    const { running, nats } = this.#stage;
    const other = [...running].find((node) => node.incarnation === incarnation);
    const view = other?.cluster.view;
    if (other === undefined || view === undefined) return false;
    const isCut = nats.isCut(this.actor) || nats.isCut(other.actor);
    return !isCut && nodeOf(view, this.incarnation) !== undefined;
  }

  /** It is on its node's disk until the node has written its removal; forever if the node does not hear of it. */
  #leaveBehind(key: number, session: PlayedSession, isForGood: boolean): void {
    const { leftBehind, time } = this.#stage;
    const left = leftBehind.get(session.incarnation) ?? new Map<number, PlayedSession>();
    leftBehind.set(session.incarnation, left);
    const copy = { ...session };
    left.set(key, copy);
    if (isForGood) return;
    time.after(5 + (key % 200), () => {
      if (left.get(key) === copy) left.delete(key);
    });
  }

  #isHere(key: number): boolean {
    return this.#stage.sessions.get(key)?.incarnation === this.incarnation;
  }

  #rowOf(key: number): SessionRow {
    const session = this.#isHere(key) ? this.#stage.sessions.get(key) : this.#twins.get(key);
    return {
      session: key,
      state: session === undefined ? 'absent' : 'settled',
      expirySeconds: session?.expirySeconds ?? 0,
      willDelaySeconds: undefined,
      awayMs: 0,
    };
  }

  #restore(): void {
    this.directory.setRun(this.incarnation);
    for (const [index, [key, session]] of [...this.#disk].entries()) {
      const worker = this.firstWorker + (index % this.workers);
      const restored = { ...session, incarnation: this.incarnation, worker, connection: undefined };
      (this.#stage.sessions.has(key) ? this.#twins : this.#stage.sessions).set(key, restored);
    }
    for (let worker = 0; worker < this.workers; worker++)
      this.#later(worker, () =>
        this.directory.workerStarted(
          worker,
          [...this.#disk.keys()].map((key) => this.#rowOf(key)),
        ),
      );
  }

  // --- views --------------------------------------------------------------------------------------------

  #onView(view: View, before: View | undefined): void {
    if (before === undefined) this.#restore();
    this.actor.clock.after(this.#stage.random.below(50), () => this.cluster.dataPlaneApplied(view.epoch, 0));
  }
}
