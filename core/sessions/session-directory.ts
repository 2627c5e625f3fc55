/**
 * The session directory (main thread): which client has which session, on which worker. Everything about one
 * client identifier happens sequentially here, so no two workers can ever own the same session.
 *
 *   CONNECT -> room? -> authenticate -> evict the connection that has the client id [MQTT-3.1.4-3]
 *           -> claim the identifier of a new session, or end, resume or move an existing one -> accept on the new worker
 *
 * A new client is accepted at once: nothing is awaited, and the worker gets a single message. If clients have to wait
 * for a session, only the newest one waits, for at most sessionWaitMs; session-states.ts has the table.
 */

import type { Limits } from '../config/limits.ts';
import type { Admission, ConnectRequest, ToWorker } from '../control/messages.ts';
import type { CloseCause, RecoveredSessions } from '../data-plane/addon.ts';
import type { SessionRow } from '../data-plane/session-row.ts';
import type { Identity } from '../security/access.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { type ClientPage, type ClientQuery, type ClientState, pageOf } from './client-list.ts';
import type { Claimed, Directory } from './directory.ts';
import { RestingSessions } from './resting-sessions.ts';
import {
  type Arrival,
  type ArrivingWill,
  type ClientInfo,
  clientOf,
  endMs,
  eventOf,
  isDue,
  newRecord,
  type Place,
  restingRecord,
  type SessionRecord,
  takeWaiting,
  wantOf,
  willDueMs,
  type Yielding,
} from './session-record.ts';
import { type SessionEvent, stepOf } from './session-states.ts';
import type { Clock, Timer } from './timers.ts';

/** The directory's connection to the workers. */
export interface WorkerLink {
  /** False if the worker does not run. */
  send(worker: number, message: ToWorker): boolean;
}

export interface DirectoryOptions {
  readonly link: WorkerLink;
  /** Who has which client identifier. */
  readonly directory: Directory;
  /** The number of this node's first worker in the cluster; 0 without a cluster. */
  firstWorker(): number;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'connectionsMax' | 'sessionsMax' | 'sessionWaitMs'>;
  /** Whether a session that outlives its connection could not be stored at present. */
  readonly isStoreFull: () => boolean;
  /** The reason code for clients refused for lack of room. */
  fullReasonCode(): number;
  /** A client has this will, or no longer has one: in a cluster other nodes keep it. */
  onWill(clientId: string, will: ArrivingWill | undefined): void;
  /** Why every client is refused; undefined if clients are accepted. */
  readonly closedReasonCode: number | undefined;
  /** Whether a listener, by its number, has reached its maximum of clients. */
  isListenerFull(listener: number): boolean;
  /** Why a client that has waited is refused now, although it was authenticated; undefined if it is not refused. */
  refusalOf(client: ClientInfo): number | undefined;
  /** Decides whether a client is accepted; undefined if it has left meanwhile. */
  authenticate(
    worker: number,
    connection: number,
    request: ConnectRequest,
  ): ConnectVerdict | Promise<ConnectVerdict | undefined>;
  /** A client was refused because `sessionsMax` sessions exist; `refused` is the number of such refusals so far. */
  onSessionsFull(refused: number): void;
  /** A client was refused. */
  onRefused(clientId: string, reasonCode: number): void;
  onConnected(client: ClientInfo): void;
  onDisconnected(client: ClientInfo, cause: CloseCause, reasonCode: number): void;
}

/** The numbers of clients, now and in total. */
export interface DirectoryCounts {
  readonly connected: number;
  /** Clients with a session, connected or not. */
  readonly total: number;
  /** The maximum connected at once. */
  readonly maximum: number;
  /** Sessions that ended because their client stayed away. */
  readonly expired: number;
  /** CONNECTs accepted since the start. */
  readonly accepted: number;
  /** CONNECTs refused because there were too many sessions. */
  readonly sessionsRefused: number;
  /** CONNECTs refused because a new session could not be stored. */
  readonly storageRefused: number;
}

/** Whether a CONNECT is accepted: 0, or the reason code, and data for an MQTT 5 client. */
export interface ConnectVerdict {
  readonly reasonCode: number;
  readonly data?: Uint8Array | undefined;
  readonly identity?: Identity;
  readonly admission?: Admission | undefined;
}

/** More than a broker assigns in its lifetime. */
const keysPerRun = 2 ** 32;

const noSessions: RecoveredSessions = {
  keys: new Float64Array(),
  workers: new Uint8Array(),
  stamps: new Float64Array(),
  clientIds: new Uint8Array(),
  ends: new Float64Array(),
};
/** How often, at most, due resting sessions are looked for, and how many may become due at once. */
const restingLookMs = 1_000;
const restingDueMax = 10_000;

export class SessionDirectory {
  readonly #options: DirectoryOptions;
  readonly #byClientId = new Map<string, SessionRecord>();
  readonly #byKey = new Map<number, SessionRecord>();
  /** The keys in it that other nodes, or earlier runs, have assigned: all others are in ascending order there. */
  #strangers = new Set<number>();
  /** Sessions from the start that have no record yet. */
  #resting = new RestingSessions(noSessions);
  #restingTimer: Timer | undefined;
  /** Workers that have ended and have not reported their sessions since. */
  readonly #lostWorkers = new Set<number>();
  #keys = 0;
  #connections = 0;
  #connectionsPeak = 0;
  #accepted = 0;
  #expired = 0;
  #sessionsRefused = 0;
  #storageRefused = 0;
  #isStopped = false;
  #closedReasonCode: number | undefined;
  /** Clients that have not been told to leave yet. */
  #leaving: IterableIterator<SessionRecord> | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#closedReasonCode = options.closedReasonCode;
  }

  /** A unique key for a session. */
  nextKey(): number {
    return ++this.#keys;
  }

  /**
   * Sessions that have outlived the process, before the first client comes: their workers are about to report their
   * state. From now on keys belong to this run of the broker, and have not been used before.
   */
  restore(run: number, sessions: RecoveredSessions = noSessions): void {
    this.setRun(run);
    // From an earlier incarnation of this node, which nobody answers any more.
    for (const record of [...this.#byKey.values()])
      if (record.state === 'lost' || record.state === 'claiming') this.#remove(record);
    this.#restingTimer?.cancel();
    this.#resting = new RestingSessions(sessions);
    this.#strangers = new Set([...this.#byKey.keys()].filter((key) => !this.#resting.hadKey(key)));
  }

  setRun(run: number): void {
    this.#keys = run * keysPerRun;
  }

  get #total(): number {
    return this.#byKey.size + this.#resting.size;
  }

  get counts(): DirectoryCounts {
    return {
      connected: this.#connections,
      total: this.#total,
      maximum: this.#connectionsPeak,
      expired: this.#expired,
      accepted: this.#accepted,
      sessionsRefused: this.#sessionsRefused,
      storageRefused: this.#storageRefused,
    };
  }

  // --- requests of clients ----------------------------------------------------------------------------

  /** A client has sent CONNECT on `connection` of `worker`. */
  connect(worker: number, connection: number, request: ConnectRequest): void {
    if (this.#closedReasonCode !== undefined) {
      this.#turnAway({ worker, connection }, request, this.#closedReasonCode);
      return;
    }
    if (this.#isFull(request)) {
      this.#refuseForRoom({ worker, connection }, request);
      return;
    }
    // Not in turn: a client without the right password must not block the client identifier.
    const verdict = this.#options.authenticate(worker, connection, request);
    if (verdict instanceof Promise) {
      void verdict.then((settled) => this.#admit(worker, connection, request, settled));
    } else {
      this.#admit(worker, connection, request, verdict);
    }
  }

  /** The client left before it was accepted, and has sent nothing that counts. */
  abandoned(worker: number, connection: number, clientId: string): void {
    const record = this.#byClientId.get(clientId);
    const arrival = record?.waiting?.arrival;
    if (arrival?.worker === worker && arrival.connection === connection) takeWaiting(record);
  }

  // --- reports of workers -----------------------------------------------------------------------------

  /** A session's connection has ended. */
  closed(key: number, cause: CloseCause, reasonCode: number, row: SessionRow): void {
    const record = this.#recordOfKey(key);
    if (record !== undefined) this.#step(record, 'closed', { cause, reasonCode, row });
  }

  /** A session's will has been published, or the session has ended. */
  settled(key: number, row: SessionRow): void {
    const record = this.#recordOfKey(key);
    if (record !== undefined) this.#step(record, 'settled', { row });
  }

  arrived(worker: number, key: number, row: SessionRow): void {
    const record = this.#recordOfKey(key);
    if (record === undefined) this.#options.link.send(worker, { type: 'endSession', session: key });
    else if (record.lent !== undefined && row.state === 'absent') this.#step(record, 'stranded');
    else this.#step(record, 'arrived', { row });
  }

  /** A worker has ended, with all its connections; its sessions live on. */
  workerLost(worker: number): void {
    this.#lostWorkers.add(worker);
    this.#resting.workerLost(worker);
    for (const record of this.#byKey.values()) {
      if (record.waiting?.arrival.worker === worker) takeWaiting(record);
      if (record.worker === worker) this.#step(record, 'workerLost');
    }
  }

  /** The worker has started, and has these sessions. */
  workerStarted(worker: number, rows: Iterable<SessionRow>): void {
    this.#lostWorkers.delete(worker);
    const there = new Set<number>();
    for (const row of rows) {
      if (this.#restsAt(worker, row)) continue;
      const record = this.#byKey.get(row.session);
      if (record === undefined) {
        // A session on its way to another worker ends there.
        if (row.state !== 'departing' && !this.#options.directory.isLent(row.session))
          this.#options.link.send(worker, { type: 'endSession', session: row.session });
        continue;
      }
      if (record.worker !== worker || record.state !== 'lost') continue; // on its way to another worker
      there.add(row.session);
      this.#step(record, eventOf(row), { row });
    }
    for (const record of this.#byKey.values()) {
      const isMissing = record.worker === worker && record.state === 'lost' && !there.has(record.key);
      if (isMissing) this.#step(record, 'missing');
    }
    for (const place of this.#resting.lostWith(worker)) this.#step(this.#wake(place), 'missing');
    this.#watchResting();
  }

  /** Ends the connections of these clients, including waiting ones; the lifetimes of their sessions do not change. */
  endClients(isOver: (identity: Identity, client: ClientInfo) => boolean, reasonCode: number): void {
    for (const record of this.#byKey.values()) {
      const { identity, client, worker, connection, waiting } = record;
      if (connection !== undefined && isOver(identity, client))
        this.#refuse({ worker, connection }, reasonCode);
      if (waiting === undefined || !isOver(waiting.arrival.identity, waiting.arrival.client)) continue;
      takeWaiting(record);
      const { administrativeAction, banned } = ReasonCode; // the first is not valid in a CONNACK
      const refusal = reasonCode === administrativeAction ? banned : reasonCode;
      this.#turnAway(waiting.arrival, waiting.arrival.request, refusal);
    }
  }

  *connectedClients(): Iterable<ClientInfo> {
    for (const { connection, client } of this.#byKey.values()) if (connection !== undefined) yield client;
  }

  /** Who is connected with a client identifier, and where. */
  connected(
    clientId: string,
  ): { worker: number; connection: number; client: ClientInfo; identity: Identity } | undefined {
    const record = this.#byClientId.get(clientId);
    if (record?.connection === undefined) return undefined;
    const { worker, connection, client, identity } = record;
    return { worker, connection, client, identity };
  }

  /** A connected client has authenticated again. False if it may not stay: it is somebody else, or has left. */
  renewed(worker: number, connection: number, clientId: string, identity: Identity): boolean {
    const record = this.#byClientId.get(clientId);
    if (record === undefined || record.worker !== worker || record.connection !== connection) return false;
    if (record.identity.username !== identity.username) return false;
    record.identity = identity;
    return true;
  }

  // --- requests of other nodes -------------------------------------------------------------------------

  /** Of all sessions, including those whose identifiers are being claimed. */
  clientIds(): Iterable<string> {
    return this.#clientIds();
  }
  *#clientIds(): Iterable<string> {
    yield* this.#byClientId.keys();
    for (const place of this.#resting.here()) yield this.#resting.clientIdOf(place);
  }

  /** The stamp of a restored session that has not been used since. */
  restoredStampOf(clientId: string): number | undefined {
    const place = this.#resting.find(clientId);
    return place === undefined ? this.#byClientId.get(clientId)?.stamp : this.#resting.stampOf(place);
  }

  /** Another node has a later session of this client. */
  endOutdated(clientId: string): void {
    if (this.#has(clientId)) this.yield(clientId, true, () => true, true);
  }

  /** See core/cluster/client-directory.ts. */
  yield(clientId: string, isClean: boolean, done: Yielding['done'], isOutdated = false): void {
    const record = this.#recordOf(clientId);
    if (record === undefined || record.state === 'claiming') {
      done(undefined);
      return;
    }
    const earlier = takeWaiting(record);
    if (earlier !== undefined) this.#turnAway(earlier, earlier.request, ReasonCode.serverBusy);
    record.yielding = { isClean, done, isOutdated, sinceMs: this.#options.clock.nowMs() };
    if (record.state === 'away') this.#giveUp(record, record.yielding);
    else this.#step(record, 'wantedElsewhere');
  }

  /** See core/cluster/client-directory.ts. */
  adopt(clientId: string, worker: number, isWillKept: boolean): boolean {
    const { directory, limits } = this.#options;
    const isFull = this.#total >= limits.sessionsMax;
    if (this.#closedReasonCode !== undefined || isFull || this.#has(clientId)) return false;
    const client: ClientInfo = { clientId, protocolVersion: 5, transport: 'tcp', remoteAddress: '' };
    const record = newRecord(this.nextKey(), 'claiming', worker, client);
    record.isWillKept = isWillKept;
    const isOurs = directory.claim(clientId, false, (outcome) => this.#claimed(record, outcome));
    if (isOurs === undefined) this.#add(record);
    else if (isOurs) directory.release(clientId); // there is no session to adopt
    return isOurs === undefined;
  }

  /** Of sessions waiting for their clients. */
  *awayClientIds(): Iterable<string> {
    for (const { state, client } of this.#byKey.values()) if (state === 'away') yield client.clientId;
    for (const place of this.#resting.resting()) yield this.#resting.clientIdOf(place);
  }

  /** Ends a session that a worker here has, but that belonged to another node. */
  endLent({ key, worker }: { readonly key: number; readonly worker: number }): void {
    this.#options.link.send(worker - this.#options.firstWorker(), { type: 'endSession', session: key });
  }

  /**
   * The session of a worker here was lent to a node that is now lost without having received it; it is this node's
   * again.
   */
  takeBack(
    clientId: string,
    { key, worker }: { readonly key: number; readonly worker: number },
    row: SessionRow,
  ): void {
    const own = worker - this.#options.firstWorker();
    const isLost = this.#lostWorkers.has(own);
    const client: ClientInfo = { clientId, protocolVersion: 5, transport: 'tcp', remoteAddress: '' };
    const record = newRecord(key, isLost ? 'lost' : 'away', own, client);
    this.#add(record);
    if (!isLost) this.#settle(record, row);
  }

  /** The session is away, and another node wants it. */
  #giveUp(record: SessionRecord, { isClean, done }: Yielding): void {
    record.timer?.cancel();
    if (isClean) {
      this.#step(record, 'wantedNew');
      return;
    }
    record.yielding = undefined;
    const worker = this.#options.firstWorker() + record.worker;
    if (done({ key: record.key, worker })) this.#remove(record);
    else this.#rest(record);
  }

  // --- requests of operators --------------------------------------------------------------------------

  /** A page of the clients with a session, oldest first. */
  list(query: ClientQuery): ClientPage<ClientState> {
    const { rows, cursor } = pageOf(this.#behind(query.after), query);
    return { rows: rows.map((record) => this.#stateOf(record)), cursor };
  }

  find(clientId: string): ClientState | undefined {
    const record = this.#recordOf(clientId);
    return record === undefined ? undefined : this.#stateOf(record);
  }

  clientIdOf(session: number): string | undefined {
    const place = this.#resting.findKey(session);
    return place === undefined ? this.#byKey.get(session)?.client.clientId : this.#resting.clientIdOf(place);
  }

  /** The sessions after this key, ordered by key. */
  #behind(key: number): Iterable<SessionRecord> {
    const keys = Float64Array.from(this.#strangers).filter((each) => each > key);
    const strangers = Array.from(keys.sort()).flatMap((each) => this.#byKey.get(each) ?? []);
    const own = this.#ownBehind(key);
    const here = this.#resting.places === 0 ? own : merged(this.#restoredBehind(key), own);
    return strangers.length === 0 ? here : merged(here, strangers);
  }

  *#restoredBehind(key: number): Iterable<SessionRecord> {
    const before = this.#resting;
    for (let place = before.firstFrom(key + 1); place < before.places; place++) {
      const record = before.isHere(place)
        ? restingRecord(before.at(place))
        : this.#byKey.get(before.keyOf(place));
      if (record !== undefined) yield record;
    }
  }

  *#ownBehind(after: number): Iterable<SessionRecord> {
    for (const record of this.#byKey.values()) {
      const { key } = record;
      if (key > after && !this.#strangers.has(key) && !this.#resting.hadKey(key)) yield record;
    }
  }

  /** Ends the connection of a client, with 0x98, and its session unless it is kept. False: no such client. */
  dismiss(clientId: string, keepsSession: boolean): boolean {
    const record = this.#recordOf(clientId);
    if (record === undefined || (keepsSession && record.connection === undefined)) return false;
    if (!keepsSession) record.isDismissed = true;
    if (record.connection !== undefined)
      this.#refuse({ worker: record.worker, connection: record.connection }, ReasonCode.administrativeAction);
    else if (record.state === 'away') this.#step(record, 'expired');
    return true;
  }

  #stateOf({ key, worker, client, connection, sinceSeconds, expiresAtMs }: SessionRecord): ClientState {
    const isConnected = connection !== undefined;
    const nowMs = this.#options.clock.nowMs();
    return {
      session: key,
      worker,
      client,
      isConnected,
      forMs: Math.max(0, nowMs - sinceSeconds * 1_000),
      endsInMs: isConnected || expiresAtMs === undefined ? undefined : Math.max(0, expiresAtMs - nowMs),
    };
  }

  #nowSeconds(): number {
    return Math.floor(this.#options.clock.nowMs() / 1_000);
  }

  /** From now on no client is accepted; `closedReasonCode` is for a CONNACK. */
  close(closedReasonCode: number): void {
    this.#closedReasonCode = closedReasonCode;
    for (const record of this.#byKey.values()) {
      const arrival = takeWaiting(record);
      if (arrival !== undefined) this.#turnAway(arrival, arrival.request, closedReasonCode);
    }
    this.#leaving = this.#byKey.values();
  }

  /** After close(): tells this many more clients to leave, oldest sessions first. What they have sent counts. */
  tellNext(count: number, reasonCode: number): number {
    let told = 0;
    while (told < count && this.#leaving !== undefined) {
      const { value: record, done } = this.#leaving.next();
      if (done === true) break;
      const { worker, connection } = record;
      if (connection === undefined) continue;
      this.#options.link.send(worker, { type: 'evict', connection, reasonCode });
      told++;
    }
    return told;
  }

  /** From now on no will is published and no session ended. */
  stop(): void {
    this.#isStopped = true;
    this.#restingTimer?.cancel();
    for (const record of this.#byKey.values()) {
      record.timer?.cancel();
      takeWaiting(record);
    }
  }

  // --- admission --------------------------------------------------------------------------------------

  #isFull(request: ConnectRequest): boolean {
    return this.#lacksPlace(request) || this.#lacksSession(request) || this.#lacksStorage(request);
  }

  /** Whether it would exceed the maximum of connections, in total or at its listener. */
  #lacksPlace({ clientId, listener }: ConnectRequest): boolean {
    const { limits, isListenerFull } = this.#options;
    const isHereFull = listener !== 0 && isListenerFull(listener);
    if (!isHereFull && this.#connections < limits.connectionsMax) return false;
    const leaving = this.#byClientId.get(clientId);
    if (leaving?.connection === undefined) return true;
    return isHereFull && leaving.client.listener !== listener;
  }

  /** Whether it would need a session beyond the maximum. */
  #lacksSession({ clientId }: ConnectRequest): boolean {
    return this.#total >= this.#options.limits.sessionsMax && !this.#has(clientId);
  }

  /** Whether it would need a session that cannot be stored at present. An existing one continues. */
  #lacksStorage({ clientId, sessionExpirySeconds }: ConnectRequest): boolean {
    return sessionExpirySeconds > 0 && this.#options.isStoreFull() && !this.#has(clientId);
  }

  #refuseForRoom(where: Place, request: ConnectRequest): void {
    if (this.#lacksSession(request)) this.#options.onSessionsFull(++this.#sessionsRefused);
    else if (this.#lacksStorage(request)) this.#storageRefused++;
    this.#turnAway(where, request, this.#options.fullReasonCode());
  }

  #admit(
    worker: number,
    connection: number,
    request: ConnectRequest,
    verdict: ConnectVerdict | undefined,
  ): void {
    if (verdict === undefined) return;
    if (this.#closedReasonCode !== undefined) {
      this.#turnAway({ worker, connection }, request, this.#closedReasonCode);
      return;
    }
    if (verdict.reasonCode !== ReasonCode.success) {
      this.#turnAway({ worker, connection }, request, verdict.reasonCode);
      return;
    }
    if (this.#isFull(request)) {
      this.#refuseForRoom({ worker, connection }, request);
      return;
    }
    const { data: authenticationData, identity = {}, admission } = verdict;
    const client = clientOf(request, identity.username);
    const arrival: Arrival = { worker, connection, request, client, authenticationData, identity, admission };
    const record = this.#recordOf(request.clientId);
    // A storm of new clients involves no waiting: no promise, no timer and little garbage.
    if (record === undefined) this.#acceptNew(arrival);
    else this.#want(record, arrival);
  }

  #turnAway(where: Place, { clientId }: ConnectRequest, reasonCode: number): void {
    this.#options.onRefused(clientId, reasonCode);
    this.#refuse(where, reasonCode);
  }

  #refuse({ worker, connection }: Place, reasonCode: number): void {
    this.#options.link.send(worker, { type: 'refuse', connection, reasonCode });
  }

  /** The client waits for its session; an earlier client waiting for the same session is refused. */
  #want(record: SessionRecord, arrival: Arrival): void {
    if (record.yielding !== undefined) {
      this.#turnAway(arrival, arrival.request, ReasonCode.serverBusy);
      return;
    }
    const earlier = takeWaiting(record);
    if (earlier !== undefined) this.#turnAway(earlier, earlier.request, ReasonCode.serverBusy);
    if (record.state === 'away') {
      this.#serve(record, arrival);
      return;
    }
    this.#wait(record, arrival);
    this.#step(record, wantOf(record, arrival));
  }

  #wait(record: SessionRecord, arrival: Arrival): void {
    const timer = this.#options.clock.after(this.#options.limits.sessionWaitMs, () => {
      takeWaiting(record);
      this.#turnAway(arrival, arrival.request, ReasonCode.serverUnavailable);
    });
    record.waiting = { arrival, sinceMs: this.#options.clock.nowMs(), timer };
  }

  /** The session is away, and the client gets it, at once or after further steps. */
  #serve(record: SessionRecord, arrival: Arrival): void {
    record.timer?.cancel();
    const event = wantOf(record, arrival);
    if (event !== 'wantedHere') this.#wait(record, arrival);
    this.#step(record, event, { arrival });
  }

  #acceptNew(arrival: Arrival): void {
    const record = newRecord(this.nextKey(), 'claiming', arrival.worker, arrival.client);
    const { clientId } = arrival.client;
    const { cleanStart } = arrival.request;
    const isOurs = this.#options.directory.claim(clientId, cleanStart, (outcome) =>
      this.#claimed(record, outcome),
    );
    if (isOurs === false) {
      this.#turnAway(arrival, arrival.request, ReasonCode.serverUnavailable);
      return;
    }
    this.#add(record);
    if (isOurs) this.#begin(record, arrival);
    else this.#wait(record, arrival);
  }

  #claimed(record: SessionRecord, outcome: Claimed): void {
    if (typeof outcome === 'string') {
      this.#step(record, outcome === 'ours' ? 'claimed' : 'denied');
      return;
    }
    this.#rename(record, outcome.key);
    record.lent = outcome;
    this.#step(record, 'lent');
  }

  #rename(record: SessionRecord, key: number): void {
    this.#byKey.delete(record.key);
    this.#strangers.delete(record.key);
    record.key = key;
    this.#addKey(record);
  }

  /** The session to be moved here is lost with its node, or another node has taken it over. */
  #claimAgain(record: SessionRecord): void {
    record.lent = undefined;
    const arrival = record.waiting?.arrival;
    if (arrival === undefined || record.yielding !== undefined) {
      this.#forget(record);
      return;
    }
    this.#rename(record, this.nextKey());
    const { cleanStart, clientId } = arrival.request;
    const { directory } = this.#options;
    directory.release(clientId);
    const isOurs = directory.claim(clientId, cleanStart, (outcome) => this.#claimed(record, outcome));
    if (isOurs !== undefined) this.#step(record, isOurs ? 'claimed' : 'denied');
  }

  /** The same for a client that has waited for the end of a session whose identifier is ours. */
  #acceptNext(arrival: Arrival): void {
    const record = newRecord(this.nextKey(), 'claiming', arrival.worker, arrival.client);
    if (this.#isTooLate(arrival)) {
      this.#options.directory.release(arrival.client.clientId);
      return;
    }
    this.#add(record);
    this.#begin(record, arrival);
  }

  #add(record: SessionRecord): void {
    this.#byClientId.set(record.client.clientId, record);
    this.#addKey(record);
  }

  #addKey(record: SessionRecord): void {
    const { key } = record;
    this.#byKey.set(key, record);
    if (key !== this.#keys && !this.#resting.hadKey(key)) this.#strangers.add(key);
  }

  /** The client identifier is ours: the session begins, if its client is still there. */
  #begin(record: SessionRecord, arrival: Arrival | undefined): void {
    if (arrival === undefined || !this.#sendAccept(arrival, record.key, true)) {
      this.#forget(record);
      return;
    }
    record.state = 'connected';
    record.worker = arrival.worker;
    this.#connected(record, arrival);
  }

  /** The client identifier is not available. */
  #deny(record: SessionRecord): void {
    this.#remove(record);
    const arrival = takeWaiting(record);
    if (arrival !== undefined) this.#turnAway(arrival, arrival.request, ReasonCode.serverUnavailable);
  }

  /** Other clients may have come while it waited, some of them from its address, or it was banned: it is refused. */
  #isTooLate(arrival: Arrival): boolean {
    if (this.#isFull(arrival.request)) {
      this.#refuseForRoom(arrival, arrival.request);
      return true;
    }
    const refusal = this.#options.refusalOf(arrival.client);
    if (refusal !== undefined) this.#turnAway(arrival, arrival.request, refusal);
    return refusal !== undefined;
  }

  /** False if the client was lost with its worker. */
  #sendAccept(arrival: Arrival, session: number, isNew: boolean): boolean {
    const { worker, connection, authenticationData, admission } = arrival;
    return this.#options.link.send(worker, {
      type: 'accept',
      connection,
      session,
      isNew,
      authenticationData,
      admission,
    });
  }

  #connected(record: SessionRecord, arrival: Arrival): void {
    const { connection, client, identity } = arrival;
    record.client = client;
    record.identity = identity;
    record.connection = connection;
    record.sinceSeconds = this.#nowSeconds();
    record.isDismissed = false;
    if (record.stamp !== undefined) this.#options.directory.used(client.clientId);
    record.stamp = undefined;
    this.#connections++;
    this.#accepted++;
    this.#connectionsPeak = Math.max(this.#connectionsPeak, this.#connections);
    const { will, sessionExpirySeconds } = arrival.request;
    if (will === undefined) this.#willIsOver(record);
    else {
      record.isWillKept = true;
      this.#options.onWill(client.clientId, { ...will, sessionExpirySeconds, admission: arrival.admission });
    }
    this.#options.onConnected(client);
  }

  /** The will has been published, or never will be. */
  #willIsOver(record: SessionRecord): void {
    if (!record.isWillKept) return;
    record.isWillKept = false;
    this.#options.onWill(record.client.clientId, undefined);
  }

  // --- resting sessions -------------------------------------------------------------------------------

  #has(clientId: string): boolean {
    return this.#byClientId.has(clientId) || this.#resting.find(clientId) !== undefined;
  }
  #recordOf(clientId: string): SessionRecord | undefined {
    const record = this.#byClientId.get(clientId);
    if (record !== undefined) return record;
    const place = this.#resting.find(clientId);
    return place === undefined ? undefined : this.#wake(place);
  }
  #recordOfKey(key: number): SessionRecord | undefined {
    const record = this.#byKey.get(key);
    if (record !== undefined) return record;
    const place = this.#resting.findKey(key);
    return place === undefined ? undefined : this.#wake(place);
  }

  /** It gets a record, and its timers. */
  #wake(place: number): SessionRecord {
    const record = restingRecord(this.#resting.at(place));
    this.#resting.take(place);
    this.#add(record);
    if (record.state === 'away') this.#rest(record);
    return record;
  }

  /** A worker has reported the state of a session. True: it remains without a record. */
  #restsAt(worker: number, { session, state, expirySeconds, willDelaySeconds, awayMs }: SessionRow): boolean {
    const place = this.#resting.findKey(session);
    if (place === undefined) return false;
    if (this.#resting.workerOf(place) !== worker) return true;
    if (state !== 'settled') {
      this.#wake(place);
      return false;
    }
    const leftAtMs = this.#options.clock.nowMs() - awayMs;
    const willAtMs = willDueMs(leftAtMs, willDelaySeconds, expirySeconds);
    this.#resting.rest(place, leftAtMs, endMs(leftAtMs, expirySeconds), willAtMs);
    return true;
  }

  /** Sessions that are due soon get a record and a timer. */
  #watchResting(): void {
    this.#restingTimer?.cancel();
    if (this.#isStopped) return;
    const { clock } = this.#options;
    const { places, nextMs } = this.#resting.dueUntil(clock.nowMs() + restingLookMs, restingDueMax);
    for (const place of places) this.#wake(place);
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(restingLookMs / 2, nextMs - restingLookMs - clock.nowMs());
    this.#restingTimer = clock.after(waitMs, () => this.#watchResting());
  }

  // --- the table --------------------------------------------------------------------------------------

  #step(record: SessionRecord, event: SessionEvent, details: StepDetails = {}): void {
    const step = stepOf(record.state, event);
    if (step === undefined) return;
    const [next, action] = step;
    record.state = next;
    if (next !== 'away') record.timer?.cancel();
    const { key: session } = record;
    switch (action) {
      case 'none':
        break;
      case 'accept':
        this.#acceptAgain(record, details.arrival);
        break;
      case 'evict':
        if (record.connection === undefined) break;
        this.#tell(record, {
          type: 'evict',
          connection: record.connection,
          reasonCode: ReasonCode.sessionTakenOver,
        });
        break;
      case 'publishWill':
        this.#tell(record, { type: action, session });
        break;
      case 'endSession':
        this.#tell(record, { type: action, session, isOutdated: record.yielding?.isOutdated === true });
        break;
      case 'moveHere':
        this.#move(record);
        break;
      case 'fetch':
        this.#tell(record, { type: 'moveHere', session, from: record.lent?.worker ?? 0 });
        break;
      case 'disconnect':
        this.#disconnect(record, details.cause ?? 'lost', details.reasonCode ?? ReasonCode.success);
        this.#settle(record, details.row);
        break;
      case 'settle':
        record.movesFrom = undefined;
        record.lent?.taken();
        record.lent = undefined;
        this.#settle(record, details.row);
        break;
      case 'lose':
        this.#disconnect(record, 'lost', ReasonCode.unspecifiedError);
        break;
      case 'claimAgain':
        this.#claimAgain(record);
        break;
      case 'lookBack':
        this.#lookBack(record);
        break;
      case 'begin': {
        const arrival = takeWaiting(record);
        this.#begin(record, arrival === undefined || this.#isTooLate(arrival) ? undefined : arrival);
        break;
      }
      case 'deny':
        this.#deny(record);
        break;
      case 'forget':
        this.#forget(record);
        break;
    }
  }

  /** A stopped worker has lost the session for the time being. */
  #tell(record: SessionRecord, message: ToWorker): void {
    if (!this.#options.link.send(record.worker, message)) this.#step(record, 'workerLost');
  }

  #acceptAgain(record: SessionRecord, arrival: Arrival | undefined): void {
    const mayCome = arrival !== undefined && !this.#isTooLate(arrival);
    if (mayCome && this.#sendAccept(arrival, record.key, false)) {
      this.#connected(record, arrival);
    } else {
      record.state = 'away';
      this.#rest(record);
    }
  }

  /** The session moves to the worker of its waiting client, unless the client was lost with its worker. */
  #move(record: SessionRecord): void {
    const to = record.waiting?.arrival.worker;
    const from = record.worker;
    const { link, firstWorker } = this.#options;
    const session = record.key;
    if (to !== undefined && link.send(to, { type: 'moveHere', session, from: firstWorker() + from })) {
      record.movesFrom = from;
      record.worker = to;
      return;
    }
    takeWaiting(record);
    record.state = 'away';
    this.#rest(record);
  }

  #disconnect(record: SessionRecord, cause: CloseCause, reasonCode: number): void {
    if (record.connection === undefined) return;
    record.connection = undefined;
    record.sinceSeconds = this.#nowSeconds();
    this.#connections--;
    this.#options.onDisconnected(record.client, cause, reasonCode);
  }

  /** The worker has reported the state of the session. */
  #settle(record: SessionRecord, row: SessionRow | undefined): void {
    if (row === undefined || row.state === 'absent') {
      this.#forget(record);
      return;
    }
    const { expirySeconds, willDelaySeconds } = row;
    if (willDelaySeconds === undefined && row.state !== 'leaving') this.#willIsOver(record);
    const leftAtMs = this.#options.clock.nowMs() - row.awayMs;
    record.sinceSeconds = Math.floor(leftAtMs / 1_000);
    record.expiresAtMs = endMs(leftAtMs, expirySeconds);
    record.willAtMs = willDueMs(leftAtMs, willDelaySeconds, expirySeconds);
    if (row.state === 'leaving') record.state = 'settling';
    else this.#rest(record);
  }

  /** Nothing is in progress for the session: a waiting client gets it, or it waits until something is due. */
  #rest(record: SessionRecord): void {
    const nowMs = this.#options.clock.nowMs();
    if ((isDue(record.expiresAtMs, record, nowMs) || record.isDismissed) && !this.#isStopped) {
      if (!record.isDismissed) this.#expired++;
      this.#step(record, 'expired'); // a waiting client gets a new one
      return;
    }
    const { willAtMs, expiresAtMs } = record;
    if (isDue(willAtMs, record, nowMs) && !this.#isStopped) {
      this.#step(record, 'willDue');
      return;
    }
    if (record.yielding !== undefined) {
      this.#giveUp(record, record.yielding);
      return;
    }
    const arrival = takeWaiting(record);
    if (arrival !== undefined) {
      this.#serve(record, arrival);
      return;
    }
    const dueAtMs = Math.min(willAtMs ?? Number.POSITIVE_INFINITY, expiresAtMs ?? Number.POSITIVE_INFINITY);
    if (this.#isStopped || dueAtMs === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#options;
    record.timer = clock.after(Math.max(0, dueAtMs - clock.nowMs()), () => {
      const isOver = expiresAtMs !== undefined && expiresAtMs <= dueAtMs;
      if (isOver) this.#expired++;
      this.#step(record, isOver ? 'expired' : 'willDue');
    });
  }

  /** The session has not arrived at its new worker. */
  #lookBack(record: SessionRecord): void {
    if (record.lent !== undefined) {
      record.state = 'moving'; // the worker ended before it requested the session
      this.#tell(record, { type: 'moveHere', session: record.key, from: record.lent.worker });
      return;
    }
    const from = record.movesFrom;
    if (from === undefined) {
      this.#forget(record);
      return;
    }
    record.movesFrom = undefined;
    record.worker = from;
    record.state = this.#lostWorkers.has(from) ? 'lost' : 'away';
    if (record.state === 'away') this.#rest(record);
  }

  /** The session no longer exists: a waiting client gets a new one. */
  #forget(record: SessionRecord): void {
    this.#remove(record);
    const arrival = takeWaiting(record);
    if (record.yielding !== undefined) record.yielding.done(undefined);
    else if (arrival === undefined) this.#options.directory.release(record.client.clientId);
    else this.#acceptNext(arrival);
  }

  #remove(record: SessionRecord): void {
    record.state = 'gone';
    this.#willIsOver(record);
    record.timer?.cancel();
    this.#byKey.delete(record.key);
    this.#strangers.delete(record.key);
    const { clientId } = record.client;
    if (this.#byClientId.get(clientId) === record) this.#byClientId.delete(clientId);
  }
}

/** Two lists in the order of keys, as one. */
function* merged(
  some: Iterable<SessionRecord>,
  others: Iterable<SessionRecord>,
): Generator<SessionRecord, void> {
  const behind = others[Symbol.iterator]();
  let other = behind.next();
  for (const record of some) {
    for (; other.done !== true && other.value.key < record.key; other = behind.next()) yield other.value;
    yield record;
  }
  for (; other.done !== true; other = behind.next()) yield other.value;
}

/** The parameters of an event. */
interface StepDetails {
  readonly arrival?: Arrival;
  readonly row?: SessionRow;
  readonly cause?: CloseCause;
  readonly reasonCode?: number;
}
