/**
 * The records of session-directory.ts: a session, and a client that waits for it.
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
  /** The number of its listener in `listeners`, from 1; absent for the broker's own ports. */
  readonly listener?: number;
  /** The verified user name; absent if it was not verified. */
  readonly username?: string;
  /** Of a connection over TLS. */
  readonly tls?: ClientTls;
}

/** Of an accepted client. */
export interface ArrivingWill extends NonNullable<ConnectRequest['will']> {
  readonly sessionExpirySeconds: number;
  readonly admission: Admission | undefined;
}

export interface SessionRecord {
  /** For a session of another node it is known once the client identifier is ours. */
  key: number;
  state: SessionStateName;
  worker: number;
  /** The worker that it moves from: one of this node, ... */
  movesFrom: number | undefined;
  /** ... or of another node. */
  lent: MovingSession | undefined;
  client: ClientInfo;
  /** Of its last client. */
  identity: Identity;
  /** While its client is connected: the connection, on `worker`. */
  connection: number | undefined;
  /** Since when it is connected or away, on the clock: a small integer, which takes no extra memory. */
  sinceSeconds: number;
  /** It ends with its connection. */
  isDismissed: boolean;
  /** Other nodes keep its will. */
  isWillKept: boolean;
  /** A waiting client, ... */
  waiting: WaitingArrival | undefined;
  /** ... or another node that wants it. */
  yielding: Yielding | undefined;
  /** When its delayed will is due, and when it ends, on the clock; undefined: never. */
  willAtMs: number | undefined;
  expiresAtMs: number | undefined;
  /** While its client is away: for the earlier of the two. */
  timer: Timer | undefined;
  /** Of a session that was restored at startup and not used since: see RecoveredSessions. */
  stamp: number | undefined;
}

/** The location of a client. */
export interface Place {
  readonly worker: number;
  readonly connection: number;
}

/** An accepted client. */
export interface Arrival extends Place {
  readonly request: ConnectRequest;
  readonly client: ClientInfo;
  readonly authenticationData: Uint8Array | undefined;
  readonly identity: Identity;
  readonly admission: Admission | undefined;
}

/** Another node wants the client identifier. */
export interface Yielding {
  /** It does not need the session. */
  readonly isClean: boolean;
  /** Returns false if it is no longer wanted. */
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
  if (expirySeconds === 0) return 0; // the session cannot be taken before its connection has ended
  return expirySeconds === neverExpires ? undefined : leftAtMs + expirySeconds * 1_000;
}

/**
 * Whether something is due and nobody asked for the session in time: a worker may report late that a connection has ended, and
 * a client or a node that has waited since before is in time.
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

/** The client that waits for the session, which no longer needs to. */
export function takeWaiting(record: SessionRecord | undefined): Arrival | undefined {
  const waiting = record?.waiting;
  if (record === undefined || waiting === undefined) return undefined;
  record.waiting = undefined;
  waiting.timer.cancel();
  return waiting.arrival;
}

export function clientOf(request: ConnectRequest, username: string | undefined): ClientInfo {
  const { clientId, protocolVersion, transport, remoteAddress, listener, tls } = request;
  // One property at a time, here and on the rest of the path of a CONNECT: spreading an object costs some microseconds.
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
