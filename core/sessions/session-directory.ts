/**
 * The session directory (main thread): which client has which session, on which worker. Whatever concerns
 * one client identifier happens one after the other here, so no two workers can ever own the same session.
 *
 *   CONNECT -> room? -> authenticate -> in turn: evict the connection that has the client id [MQTT-3.1.4-3]
 *           -> end, resume or move the session -> accept on the new worker
 *
 *   state of a record      connected   expiry timer   will timer
 *   client is connected    yes         -              -
 *   client is away         no          unless never   if its will is delayed
 */

import type { CloseCause, ConnectRequest, ToWorker } from '../control/messages.ts';
import type { Will } from '../wire/packets.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import type { Clock, Timer } from './timers.ts';

/** How the directory reaches the workers. */
export interface WorkerLink {
  /** False if the worker does not run. */
  send(worker: number, message: ToWorker): boolean;
  /** Rejects if the worker ends before it replies. */
  request(worker: number, message: (request: number) => ToWorker): Promise<unknown>;
}

export interface ClientInfo {
  readonly clientId: string;
  readonly protocolVersion: 3 | 4 | 5;
  readonly transport: 'ws' | 'tcp';
  readonly remoteAddress: string;
}

export interface DirectoryOptions {
  readonly link: WorkerLink;
  readonly clock: Clock;
  readonly connectionsMax: number;
  readonly sessionsMax: number;
  /** Why clients are refused for want of room. */
  readonly fullReasonCode: number;
  /** Why every client is refused; undefined if they are not. */
  readonly closedReasonCode: number | undefined;
  /** Decides whether a client is let in; undefined if it has left meanwhile. */
  authenticate(
    worker: number,
    connection: number,
    request: ConnectRequest,
  ): Verdict | Promise<Verdict | undefined>;
  publishWill(will: Will): void;
  /** A client was refused since `sessionsMax` sessions exist; `refused` were so far. */
  onSessionsFull(refused: number): void;
  onConnected(client: ClientInfo): void;
  onDisconnected(client: ClientInfo, cause: CloseCause, reasonCode: number): void;
}

/** How many clients there are and were. */
export interface DirectoryCounts {
  readonly connected: number;
  /** With their session, whether they are connected or not. */
  readonly total: number;
  /** The most that were connected at once. */
  readonly maximum: number;
  /** Sessions that ended because their client stayed away. */
  readonly expired: number;
  /** CONNECTs that were accepted since the start. */
  readonly accepted: number;
  /** CONNECTs that were refused since there were too many sessions. */
  readonly sessionsRefused: number;
}

/** What became of an authentication: 0, or why not, and data for the client of MQTT 5. */
export interface Verdict {
  readonly reasonCode: number;
  readonly data?: Uint8Array | undefined;
}

interface SessionRecord {
  readonly key: number;
  worker: number;
  /** Where it comes from while it changes workers. */
  movesFrom: number | undefined;
  client: ClientInfo;
  /** While its client is connected: the connection, on `worker`. */
  connection: number | undefined;
  expirySeconds: number;
  will: Will | undefined;
  expiryTimer: Timer | undefined;
  willTimer: Timer | undefined;
}

/** A client that is let in and waits for its session. */
interface Arrival {
  readonly worker: number;
  readonly connection: number;
  readonly request: ConnectRequest;
  readonly client: ClientInfo;
  readonly authenticationData: Uint8Array | undefined;
}

const neverExpires = 4_294_967_295;

export class SessionDirectory {
  readonly #options: DirectoryOptions;
  readonly #byClientId = new Map<string, SessionRecord>();
  readonly #byKey = new Map<number, SessionRecord>();
  /** The last step under way for a client identifier. */
  readonly #steps = new Map<string, Promise<void>>();
  #keys = 0;
  #connections = 0;
  #connectionsPeak = 0;
  #accepted = 0;
  #expired = 0;
  #sessionsRefused = 0;
  #isStopped = false;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** A key for a session that is nobody else's. */
  nextKey(): number {
    return ++this.#keys;
  }

  get counts(): DirectoryCounts {
    return {
      connected: this.#connections,
      total: this.#byKey.size,
      maximum: this.#connectionsPeak,
      expired: this.#expired,
      accepted: this.#accepted,
      sessionsRefused: this.#sessionsRefused,
    };
  }

  /** A client has sent CONNECT on `connection` of `worker`. */
  connect(worker: number, connection: number, request: ConnectRequest): void {
    const { closedReasonCode } = this.#options;
    if (closedReasonCode !== undefined) {
      this.#refuse(worker, connection, closedReasonCode);
      return;
    }
    if (this.#isFull(request)) {
      this.#refuseForRoom(worker, connection, request);
      return;
    }
    // Not in turn: who does not know the password must not hold up the client identifier.
    const verdict = this.#options.authenticate(worker, connection, request);
    if (verdict instanceof Promise) {
      void verdict.then((settled) => this.#admit(worker, connection, request, settled));
    } else {
      this.#admit(worker, connection, request, verdict);
    }
  }

  /** A session's connection is over. */
  closed(key: number, cause: CloseCause, reasonCode: number, expirySeconds: number | undefined): void {
    const record = this.#byKey.get(key);
    if (record?.connection === undefined) return;
    if (expirySeconds !== undefined) record.expirySeconds = expirySeconds;
    this.#disconnect(record, cause, reasonCode);
  }

  /** A worker has ended, and all its connections with it; its sessions live on. */
  workerLost(worker: number): void {
    for (const record of this.#byKey.values()) {
      if (record.worker === worker && record.connection !== undefined)
        this.#disconnect(record, 'lost', ReasonCode.unspecifiedError);
    }
  }

  /** The sessions that `worker` has, or still has to hand over. */
  sessionsOf(worker: number): number[] {
    const records = [...this.#byKey.values()];
    return records
      .filter((record) => record.worker === worker || record.movesFrom === worker)
      .map(({ key }) => key);
  }

  /** From now on no will is published and no session ended. */
  stop(): void {
    this.#isStopped = true;
    for (const record of this.#byKey.values()) {
      record.expiryTimer?.cancel();
      record.willTimer?.cancel();
    }
  }

  /** Runs `step` after all earlier steps for the same client identifier. */
  #inTurn(clientId: string, step: () => Promise<void>): void {
    const before = this.#steps.get(clientId) ?? Promise.resolve();
    const after = before.then(step).finally(() => {
      if (this.#steps.get(clientId) === after) this.#steps.delete(clientId);
    });
    this.#steps.set(clientId, after);
  }

  #isFull(request: ConnectRequest): boolean {
    const takesOver = this.#byClientId.get(request.clientId)?.connection !== undefined;
    const hasNoPlace = this.#connections >= this.#options.connectionsMax && !takesOver;
    return hasNoPlace || this.#lacksSession(request);
  }

  /** Whether it would need a session more than there may be. */
  #lacksSession({ clientId }: ConnectRequest): boolean {
    return this.#byKey.size >= this.#options.sessionsMax && !this.#byClientId.has(clientId);
  }

  #refuseForRoom(worker: number, connection: number, request: ConnectRequest): void {
    if (this.#lacksSession(request)) this.#options.onSessionsFull(++this.#sessionsRefused);
    this.#refuse(worker, connection, this.#options.fullReasonCode);
  }

  #admit(worker: number, connection: number, request: ConnectRequest, verdict: Verdict | undefined): void {
    if (verdict === undefined) return;
    if (verdict.reasonCode !== ReasonCode.success) {
      this.#refuse(worker, connection, verdict.reasonCode);
      return;
    }
    const { clientId } = request;
    const client = clientOf(request);
    const arrival: Arrival = { worker, connection, request, client, authenticationData: verdict.data };
    // In a storm of new clients nobody waits for anything: no promise, and little garbage.
    if (this.#steps.has(clientId) || this.#byClientId.has(clientId)) {
      this.#inTurn(clientId, () => this.#accept(arrival));
    } else if (this.#isFull(request)) {
      this.#refuseForRoom(worker, connection, request);
    } else {
      this.#acceptHere(arrival, undefined);
    }
  }

  #refuse(worker: number, connection: number, reasonCode: number): void {
    this.#options.link.send(worker, { type: 'refuse', connection, reasonCode });
  }

  async #accept(arrival: Arrival): Promise<void> {
    const { worker, connection, request } = arrival;
    if (this.#isFull(request)) {
      this.#refuseForRoom(worker, connection, request);
      return;
    }
    const existing = this.#byClientId.get(request.clientId);
    if (existing !== undefined) await this.#evict(existing);
    const resumed = request.cleanStart ? undefined : this.#byClientId.get(request.clientId);
    if (existing !== undefined && resumed === undefined) this.#endSession(existing);
    resumed?.expiryTimer?.cancel();
    resumed?.willTimer?.cancel(); // [MQTT-3.1.3-9]
    if (resumed === undefined || resumed.worker === worker) this.#acceptHere(arrival, resumed);
    else await this.#acceptFrom(resumed.worker, arrival, resumed);
  }

  /** The session is new, or with the worker already. If the client has left, the worker says `closed`. */
  #acceptHere(arrival: Arrival, resumed: SessionRecord | undefined): void {
    const { worker, connection, authenticationData } = arrival;
    const record = resumed ?? this.#createRecord(arrival);
    const isRunning = this.#options.link.send(worker, {
      type: 'accept',
      request: undefined,
      connection,
      session: record.key,
      origin: { from: resumed === undefined ? 'new' : 'here' },
      authenticationData,
    });
    if (isRunning) this.#connected(record, arrival);
    else this.#leaveOrEnd(record);
  }

  /** The session is with worker `from` and comes along; whoever is next waits until it has. */
  async #acceptFrom(from: number, arrival: Arrival, record: SessionRecord): Promise<void> {
    const { worker, connection, authenticationData } = arrival;
    const { link } = this.#options;
    const session = record.key;
    record.movesFrom = from;
    record.worker = worker;
    try {
      const arrived = link.request(worker, (request) => ({
        type: 'accept',
        request,
        connection,
        session,
        origin: { from: 'worker', worker: from },
        authenticationData,
      }));
      // At once: `closed` may come in the same turn as the reply, which is heard later.
      this.#connected(record, arrival);
      await arrived;
    } catch {
      // A worker has ended, and the log says why. If it is the session's old one, the client is still there.
      this.#refuse(worker, connection, ReasonCode.serverUnavailable);
      if (record.connection !== undefined) this.#disconnect(record, 'lost', ReasonCode.unspecifiedError);
    } finally {
      record.movesFrom = undefined;
    }
  }

  #connected(record: SessionRecord, { connection, request, client }: Arrival): void {
    record.expirySeconds = request.sessionExpirySeconds;
    record.client = client;
    record.will = request.will;
    record.willTimer = undefined;
    record.connection = connection;
    this.#connections++;
    this.#accepted++;
    this.#connectionsPeak = Math.max(this.#connectionsPeak, this.#connections);
    this.#options.onConnected(record.client);
  }

  /** Ends the connection of a session, if it has one; the session stays. */
  async #evict(record: SessionRecord): Promise<void> {
    const { connection } = record;
    if (connection === undefined) return;
    const reasonCode = ReasonCode.sessionTakenOver;
    try {
      await this.#options.link.request(record.worker, (request) => ({
        type: 'evict',
        request,
        connection,
        reasonCode,
      }));
    } catch {
      return; // the worker has ended: workerLost() did the rest
    }
    if (record.connection !== undefined) this.#disconnect(record, 'lost', reasonCode);
  }

  #createRecord({ worker, request, client }: Arrival): SessionRecord {
    const record: SessionRecord = {
      key: this.nextKey(),
      worker,
      movesFrom: undefined,
      client,
      connection: undefined,
      expirySeconds: request.sessionExpirySeconds,
      will: undefined,
      expiryTimer: undefined,
      willTimer: undefined,
    };
    this.#byClientId.set(client.clientId, record);
    this.#byKey.set(record.key, record);
    return record;
  }

  #disconnect(record: SessionRecord, cause: CloseCause, reasonCode: number): void {
    record.connection = undefined;
    this.#connections--;
    if (cause === 'disconnected') record.will = undefined; // [MQTT-3.1.2-10]
    this.#options.onDisconnected(record.client, cause, reasonCode);
    if (this.#isStopped) return;
    this.#scheduleWill(record);
    this.#leaveOrEnd(record);
  }

  /** The will goes out after its delay, or when the session ends if that is sooner (3.1.3.2.2). */
  #scheduleWill(record: SessionRecord): void {
    const { will } = record;
    if (will === undefined) return;
    const delaySeconds = Math.min(will.properties.willDelayInterval ?? 0, record.expirySeconds);
    if (delaySeconds === 0) this.#publishWill(record);
    else record.willTimer = this.#options.clock.after(delaySeconds * 1_000, () => this.#publishWill(record));
  }

  #publishWill(record: SessionRecord): void {
    const { will } = record;
    record.will = undefined;
    record.willTimer?.cancel();
    record.willTimer = undefined;
    if (will !== undefined) this.#options.publishWill(will);
  }

  #leaveOrEnd(record: SessionRecord): void {
    if (record.expirySeconds === 0) this.#endSession(record);
    else if (record.expirySeconds !== neverExpires) {
      record.expiryTimer = this.#options.clock.after(record.expirySeconds * 1_000, () => {
        this.#expired++;
        this.#endSession(record);
      });
    }
  }

  #endSession(record: SessionRecord): void {
    if (!this.#byKey.delete(record.key)) return;
    record.expiryTimer?.cancel();
    this.#publishWill(record);
    const { clientId } = record.client;
    if (this.#byClientId.get(clientId) === record) this.#byClientId.delete(clientId);
    this.#options.link.send(record.worker, { type: 'destroySession', session: record.key });
  }
}

function clientOf({ clientId, protocolVersion, transport, remoteAddress }: ConnectRequest): ClientInfo {
  return { clientId, protocolVersion, transport, remoteAddress };
}
