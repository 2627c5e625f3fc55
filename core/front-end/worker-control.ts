/**
 * Packet control, the TypeScript half of a worker: it turns the data plane's events into calls on connections, and
 * communicates with the session directory on the main thread.
 */

import type { WorkerLinks } from '../cluster/worker-links.ts';
import { forwardedSentence } from '../config/local-only.ts';
import type { BrokerConfig } from '../config/options.ts';
import { takeOver } from '../config/reload.ts';
import type { ConnectRequest, RenewalRequest, ToMain, ToWorker, WorkerStart } from '../control/messages.ts';
import type { RefusalReason, RefusedClient } from '../control/refusals.ts';
import {
  type Addon,
  closeCauses,
  type Engine,
  type EngineHandlers,
  EventKind,
  noticeNames,
} from '../data-plane/addon.ts';
import { type EventHandler, EventReader } from '../data-plane/events.ts';
import { readSessionRow, type SessionRow } from '../data-plane/session-row.ts';
import { isOwnMachine } from '../security/address-key.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { ClientConnection, type ConnectionContext, type Peer, type Question } from './client-connection.ts';
import { clientTlsOf } from './client-tls.ts';
import { Connacks } from './connacks.ts';
import {
  decideOpening,
  type OpeningRequest,
  type OpeningRules,
  openingRulesOf,
  readOpening,
} from './opening.ts';
import { type OpeningToken, openingToken } from './opening-token.ts';
import { readPlainClient, setPlainTerms } from './plain-client.ts';
import { PendingSubscribes } from './subscribe.ts';
import { WorkerTraces } from './worker-traces.ts';

/** The number of a connection ends with its slot: numberOf() in native/front-end/plain-clients.h. */
const slotsMax = 2 ** 24;
/** Connections that are ended at once when the broker stops: a millisecond or two of work, so that the others are served meanwhile. */
const endedPerTurn = 500;

export class WorkerControl implements EngineHandlers, EventHandler, ConnectionContext {
  readonly engine: Engine;
  readonly #events = new EventReader();
  readonly config: BrokerConfig;
  readonly #post: (message: ToMain, moved?: Uint8Array<ArrayBuffer>) => void;
  readonly #postRecords: (records: Uint8Array) => void;
  #openingRules: OpeningRules;
  readonly #mayBeForwarded: boolean;
  // By slot; without the plain clients that are not adopted.
  readonly #connections: (ClientConnection | undefined)[] = [];
  /** How many of them there are, except the host program's. */
  #connectionCount = 0;
  /** While the broker stops: the slots of plain clients. */
  readonly #plainSlots = new Set<number>();
  readonly pending = new PendingSubscribes();
  /** Undefined: this is not a node of a cluster. */
  links: WorkerLinks | undefined;
  readonly connacks = new Connacks();
  readonly #traces: WorkerTraces;
  // By token.
  readonly #lookUps = new Map<number, (packet: Uint8Array<ArrayBuffer>) => void>();
  /** 0: it is not open. */
  #hostSlot = 0;
  #hostEndedBy: number = ReasonCode.unspecifiedError;
  #onEmpty: (() => void) | undefined;
  /** The broker stops, and clients are told so; undefined: it does not. */
  #endedBy: number | undefined;

  constructor(
    addon: Addon,
    start: WorkerStart,
    post: (message: ToMain, moved?: Uint8Array<ArrayBuffer>) => void,
    postRecords: (records: Uint8Array) => void,
  ) {
    this.config = start.config;
    this.#post = post;
    this.#postRecords = postRecords;
    this.#openingRules = openingRulesOf(start.config);
    this.#mayBeForwarded = this.#openingRules.isLocalOnly && start.config.trustedProxies.length > 0;
    this.engine = addon.createEngine(start.broker, (start.cluster?.firstWorker ?? 0) + start.worker, this);
    this.engine.numberConnections(start.startedBefore);
    this.#traces = new WorkerTraces(this.engine);
    this.engine.adoptRules(); // a worker that has ended may not have heard of them
    this.#setPlainTerms();
  }

  /** What is live in the configuration has changed. */
  reconfigure(config: BrokerConfig): void {
    takeOver(this.config, config);
    this.#openingRules = openingRulesOf(this.config);
    this.engine.forgetOpenings();
    this.engine.setLimits({ ...this.config, ...this.config.limits });
    this.#setPlainTerms();
  }

  /** Plain clients cost no JavaScript, except while each client has to be looked at. */
  #setPlainTerms(): void {
    const areAllowed = !this.#mayBeForwarded && !this.#traces.areAboutClients && this.#endedBy === undefined;
    setPlainTerms(this.engine, this.config, areAllowed);
  }

  // --- events of the data plane ---------------------------------------------------------------------

  onEvents(events: ArrayBuffer, bytes: number): void {
    this.#events.read(events, bytes, this);
  }

  onEvent(
    kind: EventKind,
    slot: number,
    first: number,
    reason: number,
    value: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): void {
    if (slot !== 0 && slot === this.#hostSlot && this.#onHostEvent(kind, reason)) return;
    switch (kind) {
      case EventKind.opened:
        this.#onOpened(slot, first !== 0, value, bytes);
        break;
      case EventKind.connects:
        this.#postRecords(bytes);
        break;
      case EventKind.packet:
        this.#clientAt(slot)?.onPacket(first, bytes);
        break;
      case EventKind.ended:
        this.#clientAt(slot)?.end(reason);
        break;
      case EventKind.gone:
        this.#removeConnection(slot);
        break;
      case EventKind.opening:
        this.#onOpening(slot, latin1Of(bytes));
        break;
      case EventKind.subscribed:
        this.pending.finished(value);
        break;
      case EventKind.sessionArrived:
        this.#post({ type: 'arrived', session: value, row: this.rowOf(value) });
        break;
      case EventKind.closed:
        this.#post({
          type: 'closed',
          session: value,
          cause: closeCauses[first] ?? 'lost',
          reasonCode: reason,
          row: readSessionRow(bytes),
        });
        break;
      case EventKind.slotsTaken:
        this.links?.slotsTaken(value);
        break;
      case EventKind.workerGone:
        this.links?.workerForgotten(value);
        break;
      case EventKind.settled:
        this.#post({ type: 'settled', session: value, row: readSessionRow(bytes) });
        break;
      case EventKind.noticed:
        this.#onNoticed(first, bytes);
        break;
      case EventKind.publishAsked:
        this.#clientAt(slot)?.onPublishAsked(first, textOf(bytes));
        break;
      case EventKind.publishDenied:
        this.#onPublishDenied(slot, bytes);
        break;
      case EventKind.traced: {
        const record = bytes.slice();
        this.#post({ type: 'traced', record }, record);
        break;
      }
      case EventKind.dropped: {
        const records = bytes.slice();
        this.#post({ type: 'dropped', records }, records);
        break;
      }
      case EventKind.lookedUp:
        this.#lookUps.get(value)?.(bytes.slice());
        this.#lookUps.delete(value);
        break;
    }
  }

  #onPublishDenied(slot: number, topic: Uint8Array): void {
    const connection = this.#clientAt(slot);
    if (connection !== undefined) this.rightRefused(connection, 'publish', textOf(topic));
  }

  #onOpened(slot: number, isWebSocket: boolean, serial: number, bytes: Uint8Array): void {
    const lines = latin1Of(bytes).split('\n');
    const [listener = '0', remoteAddress = '', target = '', cookie = '', authorization = ''] = lines;
    const hasToken = target !== '' || cookie !== '' || authorization !== '';
    const token = hasToken
      ? openingToken({ authorization, target, cookie }, this.config.tokenCookie)
      : undefined;
    const tls = clientTlsOf(lines.slice(5), this.config.clientIdentity);
    const transport = isWebSocket ? 'ws' : 'tcp';
    const peer = { transport, listener: Number(listener), remoteAddress, tls } as const;
    const connection = this.#addConnection(slot, serial, peer, token);
    if (this.#endedBy !== undefined) connection.finish(this.#endedBy); // it was accepted before the doors closed
  }

  #onOpening(opening: number, fields: string): void {
    const request = readOpening(fields);
    const { isAccepted, answer, refusedOrigin, refusal } = decideOpening(request, this.#openingRules);
    if (refusedOrigin !== undefined) this.#post({ type: 'originRefused', origin: refusedOrigin });
    if (refusal !== undefined) this.#tellOpeningRefused(request, refusal);
    this.engine.answerOpening(opening, isAccepted, answer);
  }

  /** There was no CONNECT yet. */
  #tellOpeningRefused({ remoteAddress, tlsLines }: OpeningRequest, refusal: RefusalReason): void {
    const tls = clientTlsOf(tlsLines, this.config.clientIdentity);
    const client = { clientId: '', protocolVersion: undefined, transport: 'ws', remoteAddress } as const;
    this.tellRefused(tls === undefined ? client : { ...client, tls }, refusal, true);
  }

  #onNoticed(index: number, bytes: Uint8Array): void {
    const notice = noticeNames[index];
    if (notice === undefined) throw new Error(`the data plane notices what is unknown here: ${index}`);
    const [remoteAddress = '', reason = ''] = latin1Of(bytes).split('\n');
    this.#post({ type: 'noticed', notice, remoteAddress, reason });
  }

  #addConnection(slot: number, serial: number, peer: Peer, token?: OpeningToken): ClientConnection {
    const connection = new ClientConnection(this, slot, serial, peer, token);
    this.#connections[slot] = connection;
    this.#connectionCount++;
    return connection;
  }

  #removeConnection(slot: number): void {
    const connection = this.#clientAt(slot);
    this.#connections[slot] = undefined;
    if (connection === undefined) return;
    connection.onGone();
    this.#connectionCount--;
    if (this.#isEmpty) this.#onEmpty?.();
  }

  get #isEmpty(): boolean {
    return this.#connectionCount === 0 && this.#plainSlots.size === 0;
  }

  /** Undefined: it has gone. */
  #clientAt(slot: number): ClientConnection | undefined {
    return this.#connections[slot] ?? this.#adopt(slot);
  }

  #clientOf(serial: number): ClientConnection | undefined {
    const client = this.#clientAt(serial % slotsMax);
    return client?.serial === serial ? client : undefined;
  }

  /** There is something to do for a plain client. */
  #adopt(slot: number): ClientConnection | undefined {
    this.#plainSlots.delete(slot);
    const client = readPlainClient(this.engine.adoptPlain(slot));
    if (client === undefined) return undefined;
    const { isWebSocket, remoteAddress } = client;
    const peer = {
      transport: isWebSocket ? 'ws' : 'tcp',
      remoteAddress,
      listener: 0,
      tls: undefined,
    } as const;
    const connection = this.#addConnection(slot, client.connection, peer);
    connection.adopt(client.connect, client.session);
    return connection;
  }

  // --- what connections need ------------------------------------------------------------------------

  requestConnect(connection: ClientConnection, connect: ConnectRequest): void {
    this.#post({ type: 'connect', connection: connection.serial, connect });
  }

  renewAuthentication(connection: ClientConnection, renewal: RenewalRequest): void {
    this.#post({ type: 'renew', connection: connection.serial, renewal });
  }

  answerChallenge(connection: ClientConnection, data: Uint8Array | undefined): void {
    this.#post({ type: 'answered', connection: connection.serial, data });
  }

  /** Only the PROXY protocol gives an address that does not reach a broker on loopback. */
  peerRefusal({ transport, remoteAddress }: Peer): string | undefined {
    const isForwarded = this.#mayBeForwarded && transport === 'tcp' && !isOwnMachine(remoteAddress);
    return isForwarded ? forwardedSentence('PROXY') : undefined;
  }

  tellRefused(client: RefusedClient, refusal: RefusalReason, isDecidedByWorker: boolean): void {
    this.#post({ type: 'refused', client, refusal, isDecidedByWorker });
  }

  abandon({ serial, clientId }: ClientConnection): void {
    this.#post({ type: 'abandoned', connection: serial, clientId });
  }

  authorize({ serial, clientId }: ClientConnection, question: Question): void {
    this.#post({ type: 'authorize', connection: serial, clientId, ...question });
  }

  rightRefused({ clientId }: ClientConnection, action: 'publish' | 'subscribe', topic: string): void {
    this.#post({ type: 'rightRefused', action, clientId, topic });
  }

  subscriptionRefused(clientId: string, topicFilters: readonly string[], reasonCode: number): void {
    this.#post({ type: 'subscriptionRefused', clientId, topicFilters, reasonCode });
  }

  answered(
    client: ClientConnection,
    action: 'subscribe' | 'unsubscribe',
    topicFilters: readonly string[],
    reasonCodes: readonly number[],
  ): void {
    const traces = this.#traces.of(client);
    if (traces === 0) return;
    const { clientId } = client;
    this.#post({ type: 'subscriptionTraced', traces, clientId, action, topicFilters, reasonCodes });
  }

  trace({ index, target, payloadBytesMax, away }: Extract<ToWorker, { type: 'trace' }>): void {
    if (target.kind === 'client') this.#adoptAll(this.engine.plainSlots(target.clientId, undefined));
    if (target.kind === 'address') this.#adoptAll(this.engine.plainSlots(undefined, target.remoteAddress));
    this.#traces.start(index, target, payloadBytesMax, away, this.#clients());
    this.#setPlainTerms();
  }

  #adoptAll(slots: readonly number[]): void {
    for (const slot of slots) this.#adopt(slot);
  }

  *#clients(): Iterable<ClientConnection> {
    for (const client of this.#connections)
      if (client !== undefined && client.slot !== this.#hostSlot) yield client;
  }

  endTrace(index: number): void {
    this.#traces.end(index);
    this.#setPlainTerms();
  }

  // --- what the session directory says --------------------------------------------------------------

  accept(message: Extract<ToWorker, { type: 'accept' }>): void {
    const { connection, session, isNew, authenticationData, admission } = message;
    const isPlain =
      isNew &&
      authenticationData === undefined &&
      admission === undefined &&
      this.#connections[connection % slotsMax] === undefined;
    if (isPlain && this.engine.acceptPlain(connection, session)) return;
    const client = this.#clientOf(connection);
    const isWaiting = client !== undefined;
    if (isNew && isWaiting) this.engine.createSession(session);
    if (client !== undefined) this.#traces.connecting(client, session); // its queue is sent at once
    if (client?.accept(message)) return;
    if (isNew && isWaiting) this.engine.endSession(session);
    const row = this.rowOf(session);
    this.#post({ type: 'closed', session, cause: 'lost', reasonCode: ReasonCode.success, row });
  }

  moveHere({ session, from }: Extract<ToWorker, { type: 'moveHere' }>): void {
    this.engine.moveSessionHere(session, from);
  }

  endSession({ session, isOutdated }: Extract<ToWorker, { type: 'endSession' }>): void {
    if (isOutdated === true) this.engine.noteOutdated(session);
    if (!this.engine.endSession(session)) this.#post({ type: 'settled', session, row: this.rowOf(session) });
  }

  publishWill(session: number): void {
    if (!this.engine.publishWill(session)) this.#post({ type: 'settled', session, row: this.rowOf(session) });
  }

  /** Asks the data plane for the message that is retained on a topic: a PUBLISH, or nothing. */
  lookUpRetained(topic: string, found: (packet: Uint8Array<ArrayBuffer>) => void): void {
    const token = this.engine.nextToken();
    this.#lookUps.set(token, found);
    this.engine.lookUpRetained(topic, token);
  }

  /** Tells the session directory which sessions are here, before anything else is said of them. */
  tellSessions(): void {
    this.#post({ type: 'sessions', rows: this.engine.sessions() });
  }

  rowOf(session: number): SessionRow {
    return readSessionRow(this.engine.sessionRow(session));
  }

  refuse(serial: number, reasonCode: number): void {
    this.#clientOf(serial)?.refused(reasonCode);
  }

  challenge(serial: number, data: Uint8Array): void {
    this.#clientOf(serial)?.challenge(data);
  }

  renewed({ connection, data, admission }: Extract<ToWorker, { type: 'renewed' }>): void {
    this.#clientOf(connection)?.renewed(data, admission);
  }

  authorized({ connection, request, decided }: Extract<ToWorker, { type: 'authorized' }>): void {
    this.#clientOf(connection)?.authorized(request, decided);
  }

  /** Its client has connected again: ends the connection, if it is still there. */
  evict(serial: number, reasonCode: number): void {
    this.#clientOf(serial)?.finish(reasonCode);
  }

  /** Opens the connection of the host program. */
  openHost(session: number): void {
    const slot = this.engine.openHost(session);
    this.#hostSlot = slot;
    const peer = { transport: 'ws', remoteAddress: 'host', listener: 0, tls: undefined } as const;
    const connection = new ClientConnection(this, slot, 0, peer);
    this.#connections[slot] = connection;
    connection.openAsHost(session);
  }

  onHostBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.#post({ type: 'hostBytes', bytes }, bytes);
  }

  onFrame(worker: number, frame: Uint8Array): void {
    this.links?.send(worker, frame);
  }

  onHostTaken(bytes: number): void {
    this.#post({ type: 'hostTaken', bytes });
  }

  /** The end of its connection ends nobody else's. True if there is nothing left to do. */
  #onHostEvent(kind: EventKind, reason: number): boolean {
    if (kind === EventKind.ended) {
      this.#hostEndedBy = reason;
      this.engine.close(this.#hostSlot, reason);
    } else if (kind === EventKind.gone) {
      this.#connections[this.#hostSlot] = undefined;
      this.#hostSlot = 0;
      this.#post({ type: 'hostEnded', reasonCode: this.#hostEndedBy });
    }
    return kind === EventKind.ended || kind === EventKind.gone;
  }

  receiveFromHost(bytes: Uint8Array): void {
    if (this.#hostSlot === 0) return; // the host sends again what matters once its connection is open
    this.engine.receiveFromHost(bytes);
  }

  /** Says goodbye to all clients, some in each turn of the loop, and calls back when the last one has gone. */
  endAll(reasonCode: number, onEmpty: () => void): void {
    this.#onEmpty = onEmpty;
    this.#endedBy = reasonCode;
    this.engine.withholdWills();
    this.#setPlainTerms();
    const plain = this.engine.plainSlots(undefined, undefined);
    for (const slot of plain) this.#plainSlots.add(slot);
    const known = [...this.#clients()];
    const finishSome = (): void => {
      for (const client of known.splice(-endedPerTurn))
        if (this.#connections[client.slot] === client) client.finish(reasonCode);
      for (const slot of plain.splice(-endedPerTurn))
        if (this.#plainSlots.has(slot)) this.#adopt(slot)?.finish(reasonCode);
      if (known.length + plain.length > 0) setImmediate(finishSome);
    };
    finishSome();
    if (this.#isEmpty) onEmpty();
  }
}

function latin1Of(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('latin1');
}
function textOf(utf8: Uint8Array): string {
  return bufferOf(utf8).toString('utf8');
}
/** The bytes stay where they are. */
function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
