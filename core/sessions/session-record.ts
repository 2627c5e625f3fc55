/**
 * What is known of a session, and of a client that waits for it: the records of session-directory.ts.
 */
import type { ClientTls, Transport } from '../config/authentication.ts';
import type { Admission, ConnectRequest } from '../control/messages.ts';
import type { SessionRow } from '../data-plane/session-row.ts';
import type { Identity } from '../security/access.ts';
import { neverExpires } from '../wire/properties.ts';
import type { MovingSession } from './directory.ts';
import type { RestingSession } from './resting-sessions.ts';
import type { SessionEvent, SessionStateName } from './session-states.ts';
import type { Timer } from './timers.ts';

export interface ClientInfo {
  readonly clientId: string;
  readonly protocolVersion: 3 | 4 | 5;
  readonly transport: Transport;
  readonly remoteAddress: string;
  /** Its place in `listeners`, from 1; absent where it has come in on one of the broker's own ports. */
  readonly listener?: number;
  /** As it was verified; absent of a client whose user name nobody has verified. */
  readonly username?: string;
  /** Of a connection over TLS. */
  readonly tls?: ClientTls;
}

/** Of a client that is let in. */
export interface ArrivingWill extends NonNullable<ConnectRequest['will']> {
  readonly sessionExpirySeconds: number;
  readonly admission: Admission | undefined;
}

export interface SessionRecord {
  /** Of a session that another node had it is known once the client identifier is ours. */
  key: number;
  state: SessionStateName;
  worker: number;
  /** Where it comes from while it changes workers: one of this node's, ... */
  movesFrom: number | undefined;
  /** ... or another node's. */
  lent: MovingSession | undefined;
  client: ClientInfo;
  /** Of its client, the last one. */
  identity: Identity;
  /** While its client is connected: the connection, on `worker`. */
  connection: number | undefined;
  /** Since when it is connected or away, on the clock: a small integer takes no memory of its own. */
  sinceSeconds: number;
  /** It is to end when its connection is over. */
  isDismissed: boolean;
  /** Other nodes keep its will. */
  isWillKept: boolean;
  /** Who waits for it: a client here, ... */
  waiting: WaitingArrival | undefined;
  /** ... or another node. */
  yielding: Yielding | undefined;
  /** When its delayed will is due, and when it ends, on the clock; undefined: never. */
  willAtMs: number | undefined;
  expiresAtMs: number | undefined;
  /** While it is away: for the first of the two. */
  timer: Timer | undefined;
  /** Of a session that was restored at the start and that no client has used since: RecoveredSessions. */
  stamp: number | undefined;
}

/** Where a client is. */
export interface Place {
  readonly worker: number;
  readonly connection: number;
}

/** A client that is let in. */
export interface Arrival extends Place {
  readonly request: ConnectRequest;
  readonly client: ClientInfo;
  readonly authenticationData: Uint8Array | undefined;
  readonly identity: Identity;
  readonly admission: Admission | undefined;
}

/** Another node wants the client identifier. */
export interface Yielding {
  /** It has no use for the session. */
  readonly isClean: boolean;
  /** Gives false if it does not want it any more. */
  done(session: { readonly key: number; readonly worker: number } | undefined): boolean;
  /** Another node has a later session of the client. */
  readonly isOutdated: boolean;
  /** Since when, on the clock. */
  readonly sinceMs: number;
}

export interface WaitingArrival {
  readonly arrival: Arrival;
  /** Since when, on the clock. */
  readonly sinceMs: number;
  readonly timer: Timer;
}

export function newRecord(
  key: number,
  state: SessionStateName,
  worker: number,
  client: ClientInfo,
): SessionRecord {
  return {
    key,
    state,
    worker,
    movesFrom: undefined,
    lent: undefined,
    client,
    identity: {},
    connection: undefined,
    sinceSeconds: 0,
    isDismissed: false,
    isWillKept: false,
    waiting: undefined,
    yielding: undefined,
    willAtMs: undefined,
    expiresAtMs: undefined,
    timer: undefined,
    stamp: undefined,
  };
}

export function restingRecord(session: RestingSession): SessionRecord {
  const { key, worker, clientId, stamp, isLost, sinceSeconds } = session;
  const client: ClientInfo = { clientId, protocolVersion: 5, transport: 'tcp', remoteAddress: '' };
  const record = newRecord(key, isLost ? 'lost' : 'away', worker, client);
  record.stamp = stamp;
  if (isLost) return record;
  record.sinceSeconds = sinceSeconds;
  record.expiresAtMs = session.expiresAtMs;
  record.willAtMs = session.willAtMs;
  return record;
}

/** When a session ends that left then, on the clock; undefined: never. */
export function endMs(leftAtMs: number, expirySeconds: number): number | undefined {
  if (expirySeconds === 0) return 0; // nobody comes before the connection is over
  return expirySeconds === neverExpires ? undefined : leftAtMs + expirySeconds * 1_000;
}

/**
 * Whether the time is over at which something is due, and nobody came for the session before it: a worker may say late
 * that a connection has ended, and a client or a node that has waited for that since is in time.
 */
export function isDue(
  dueAtMs: number | undefined,
  { waiting, yielding }: SessionRecord,
  nowMs: number,
): boolean {
  const wantedSinceMs = waiting?.sinceMs ?? yielding?.sinceMs ?? nowMs;
  return dueAtMs !== undefined && dueAtMs <= Math.min(nowMs, wantedSinceMs);
}

/** When its will is due: after its delay, or when the session ends if that is sooner (3.1.3.2.2). */
export function willDueMs(
  leftAtMs: number,
  delaySeconds: number | undefined,
  expirySeconds: number,
): number | undefined {
  return delaySeconds === undefined ? undefined : leftAtMs + Math.min(delaySeconds, expirySeconds) * 1_000;
}

export function wantOf(record: SessionRecord, { request, worker }: Arrival): SessionEvent {
  if (request.cleanStart) return 'wantedNew';
  return record.worker === worker ? 'wantedHere' : 'wantedElsewhere';
}

export function eventOf({ state }: SessionRow): SessionEvent {
  if (state === 'settled') return 'here';
  return state === 'absent' || state === 'departing' ? 'missing' : state;
}

/** The arrival that waits for the session, which need not any more. */
export function takeWaiting(record: SessionRecord | undefined): Arrival | undefined {
  const waiting = record?.waiting;
  if (record === undefined || waiting === undefined) return undefined;
  record.waiting = undefined;
  waiting.timer.cancel();
  return waiting.arrival;
}

export function clientOf(request: ConnectRequest, username: string | undefined): ClientInfo {
  const { clientId, protocolVersion, transport, remoteAddress, listener, tls } = request;
  // Step by step, here and where else a CONNECT passes: an object that is spread costs some microseconds.
  const client: { -readonly [Key in keyof ClientInfo]: ClientInfo[Key] } = {
    clientId,
    protocolVersion,
    transport,
    remoteAddress,
  };
  if (listener !== 0) client.listener = listener;
  if (username !== undefined) client.username = username;
  if (tls !== undefined) client.tls = tls;
  return client;
}
