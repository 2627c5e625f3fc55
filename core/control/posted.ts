/**
 * What one thread posts to another: an array of messages, in order. Those that each client of a storm brings
 * (`connect`, `accept`, `closed`) are written as records of bytes, as many in a piece as follow each other; to
 * clone them as objects takes several times as long. All others are objects.
 */
import type { ClientTls } from '../config/authentication.ts';
import { closeCauses, sessionStates } from '../data-plane/addon.ts';
import { RecordReader, type RecordWriter } from '../data-plane/record-bytes.ts';
import type { ProtocolVersion, QoS } from '../wire/packets.ts';
import type { Admission, ConnectRequest, ToMain, ToWorker } from './messages.ts';

/** A message, or a piece with several. */
export type Posted<Message> = Message | Uint8Array<ArrayBuffer>;

type Connect = Extract<ToMain, { type: 'connect' }>;
type Closed = Extract<ToMain, { type: 'closed' }>;
type Accept = Extract<ToWorker, { type: 'accept' }>;

/** False: the message has no form in bytes. */
export function writeToMain(records: RecordWriter, message: ToMain): boolean {
  if (message.type === 'connect') writeConnect(records, message);
  else if (message.type === 'closed') writeClosed(records, message);
  else return false;
  return true;
}

/** Calls `take` with each message, in order. */
export function readToMain(posted: readonly Posted<ToMain>[], take: (message: ToMain) => void): void {
  for (const each of posted) {
    if (!(each instanceof Uint8Array)) {
      take(each);
      continue;
    }
    const records = new RecordReader(each);
    while (records.hasMore)
      take(records.uint8() === kinds.connect ? readConnect(records) : readClosed(records));
  }
}

export function writeToWorker(records: RecordWriter, message: ToWorker): boolean {
  if (message.type !== 'accept') return false;
  writeAccept(records, message);
  return true;
}

export function readToWorker(posted: readonly Posted<ToWorker>[], take: (message: ToWorker) => void): void {
  for (const each of posted) {
    if (!(each instanceof Uint8Array)) {
      take(each);
      continue;
    }
    const records = new RecordReader(each);
    while (records.hasMore) take(readAccept(records));
  }
}

/** The first byte of a record for the main thread. */
const kinds = { connect: 0, closed: 1 } as const;

// --- CONNECT: native/front-end/plain-clients.h writes those of plain clients -----------------------------

const connectFlag = {
  cleanStart: 1,
  webSocket: 2,
  username: 4,
  password: 8,
  authenticationMethod: 16,
  authenticationData: 32,
  token: 64,
  willTopic: 128,
  willRetain: 256,
  will: 512,
  tls: 1_024,
} as const;

function writeConnect(records: RecordWriter, { connection, connect }: Connect): void {
  const { username, password, authenticationMethod, authenticationData, token, willTopic, will, tls } =
    connect;
  records.uint8(kinds.connect);
  records.uint16(connectFlagsOf(connect));
  records.float64(connection);
  records.uint8(connect.protocolVersion);
  records.uint32(connect.sessionExpirySeconds);
  records.uint32(connect.listener);
  records.text(connect.clientId);
  records.text(connect.remoteAddress);
  if (username !== undefined) records.text(username);
  if (password !== undefined) records.bytes(password);
  if (authenticationMethod !== undefined) records.text(authenticationMethod);
  if (authenticationData !== undefined) records.bytes(authenticationData);
  if (token !== undefined) records.text(token);
  if (willTopic !== undefined) {
    records.text(willTopic);
    records.uint8(connect.willQos ?? 0);
  }
  if (will !== undefined) {
    records.bytes(will.packet);
    records.uint32(will.delaySeconds);
  }
  if (tls !== undefined) records.text(JSON.stringify(tls));
}

function connectFlagsOf(connect: ConnectRequest): number {
  return (
    (connect.cleanStart ? connectFlag.cleanStart : 0) |
    (connect.transport === 'ws' ? connectFlag.webSocket : 0) |
    (connect.username === undefined ? 0 : connectFlag.username) |
    (connect.password === undefined ? 0 : connectFlag.password) |
    (connect.authenticationMethod === undefined ? 0 : connectFlag.authenticationMethod) |
    (connect.authenticationData === undefined ? 0 : connectFlag.authenticationData) |
    (connect.token === undefined ? 0 : connectFlag.token) |
    (connect.willTopic === undefined ? 0 : connectFlag.willTopic) |
    (connect.willRetain === true ? connectFlag.willRetain : 0) |
    (connect.will === undefined ? 0 : connectFlag.will) |
    (connect.tls === undefined ? 0 : connectFlag.tls)
  );
}

function readConnect(records: RecordReader): Connect {
  const flags = records.uint16();
  const connection = records.float64();
  const protocolVersion = records.uint8() as ProtocolVersion;
  const sessionExpirySeconds = records.uint32();
  const listener = records.uint32();
  const clientId = records.text();
  const remoteAddress = records.text();
  const username = flags & connectFlag.username ? records.text() : undefined;
  const password = flags & connectFlag.password ? records.bytes() : undefined;
  const authenticationMethod = flags & connectFlag.authenticationMethod ? records.text() : undefined;
  const authenticationData = flags & connectFlag.authenticationData ? records.bytes() : undefined;
  const token = flags & connectFlag.token ? records.text() : undefined;
  const willTopic = flags & connectFlag.willTopic ? records.text() : undefined;
  const willQos = willTopic === undefined ? undefined : (records.uint8() as QoS);
  const willRetain = willTopic === undefined ? undefined : (flags & connectFlag.willRetain) !== 0;
  const will =
    flags & connectFlag.will ? { packet: records.bytes(), delaySeconds: records.uint32() } : undefined;
  const tls = flags & connectFlag.tls ? (JSON.parse(records.text()) as ClientTls) : undefined;
  const connect: ConnectRequest = {
    clientId,
    protocolVersion,
    cleanStart: (flags & connectFlag.cleanStart) !== 0,
    sessionExpirySeconds,
    username,
    password,
    authenticationMethod,
    authenticationData,
    transport: flags & connectFlag.webSocket ? 'ws' : 'tcp',
    remoteAddress,
    listener,
    tls,
    willTopic,
    willQos,
    willRetain,
    will,
    token,
  };
  return { type: 'connect', connection, connect };
}

// --- the end of a connection ---------------------------------------------------------------------------

function writeClosed(records: RecordWriter, { session, cause, reasonCode, row }: Closed): void {
  records.uint8(kinds.closed);
  records.float64(session);
  records.uint8(closeCauses.indexOf(cause));
  records.uint8(reasonCode);
  records.uint8(sessionStates.indexOf(row.state));
  records.uint32(row.expirySeconds);
  records.uint8(row.willDelaySeconds === undefined ? 0 : 1);
  records.uint32(row.willDelaySeconds ?? 0);
  records.float64(row.awayMs);
}

function readClosed(records: RecordReader): Closed {
  const session = records.float64();
  const cause = closeCauses[records.uint8()] ?? 'lost';
  const reasonCode = records.uint8();
  const state = sessionStates[records.uint8()] ?? 'absent';
  const expirySeconds = records.uint32();
  const hasWill = records.uint8() !== 0;
  const willDelaySeconds = records.uint32();
  const awayMs = records.float64();
  const row = {
    session,
    state,
    expirySeconds,
    willDelaySeconds: hasWill ? willDelaySeconds : undefined,
    awayMs,
  };
  return { type: 'closed', session, cause, reasonCode, row };
}

// --- CONNACK --------------------------------------------------------------------------------------------

const acceptFlag = { isNew: 1, data: 2, admission: 4, access: 8 } as const;

function writeAccept(records: RecordWriter, message: Accept): void {
  const { connection, session, isNew, authenticationData, admission } = message;
  records.uint8(
    (isNew ? acceptFlag.isNew : 0) |
      (authenticationData === undefined ? 0 : acceptFlag.data) |
      (admission === undefined ? 0 : acceptFlag.admission) |
      (admission?.access === undefined ? 0 : acceptFlag.access),
  );
  records.float64(connection);
  records.float64(session);
  if (authenticationData !== undefined) records.bytes(authenticationData);
  if (admission === undefined) return;
  const { access, ...others } = admission;
  if (access !== undefined) records.bytes(access);
  records.text(JSON.stringify(others));
}

function readAccept(records: RecordReader): Accept {
  const flags = records.uint8();
  const connection = records.float64();
  const session = records.float64();
  const authenticationData = flags & acceptFlag.data ? records.bytes() : undefined;
  const admission = flags & acceptFlag.admission ? readAdmission(records, flags) : undefined;
  const isNew = (flags & acceptFlag.isNew) !== 0;
  return { type: 'accept', connection, session, isNew, authenticationData, admission };
}

function readAdmission(records: RecordReader, flags: number): Admission {
  const access = flags & acceptFlag.access ? records.bytes() : undefined;
  const others = JSON.parse(records.text()) as Omit<Admission, 'access' | 'expiresAtMs'> & {
    expiresAtMs?: number;
  };
  return { ...others, access, expiresAtMs: others.expiresAtMs };
}
