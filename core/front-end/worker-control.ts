/**
 * The control plane of one worker: it turns the data plane's events into calls on connections, and speaks
 * with the session directory on the main thread.
 */

import type { BrokerConfig } from '../config/options.ts';
import type {
  CloseCause,
  ConnectRequest,
  RenewalRequest,
  ToMain,
  ToWorker,
  WorkerStart,
} from '../control/messages.ts';
import {
  type Addon,
  type Engine,
  type EngineHandlers,
  EventKind,
  noticeNames,
  SessionState,
} from '../data-plane/addon.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { ClientConnection, type ConnectionContext } from './client-connection.ts';
import { decideOpening, type OpeningRules, openingRulesOf, readOpening } from './opening.ts';

/** An accepted CONNECT that waits for its session to come from another worker. */
interface Arrival {
  readonly connection: ClientConnection | undefined;
  readonly request: number | undefined;
  readonly authenticationData: Uint8Array | undefined;
}

/** More connections than a worker has in its life. */
const serialsPerStart = 2 ** 32;

export class WorkerControl implements EngineHandlers, ConnectionContext {
  readonly engine: Engine;
  readonly config: BrokerConfig;
  readonly #post: (message: ToMain) => void;
  readonly #openingRules: OpeningRules;
  // By slot.
  readonly #connections: (ClientConnection | undefined)[] = [];
  readonly #bySerial = new Map<number, ClientConnection>();
  // By token.
  readonly #subscribes = new Map<number, () => void>();
  // By session.
  readonly #arrivals = new Map<number, Arrival>();
  #hostSlot = 0;
  #onEmpty: (() => void) | undefined;
  #serials: number;

  constructor(addon: Addon, start: WorkerStart, post: (message: ToMain) => void) {
    this.config = start.config;
    this.#post = post;
    this.#openingRules = openingRulesOf(start.config);
    this.#serials = start.startedBefore * serialsPerStart;
    this.engine = addon.createEngine(start.broker, start.worker, this);
  }

  // --- events of the data plane ---------------------------------------------------------------------

  onEvent(
    kind: EventKind,
    slot: number,
    first: number,
    reason: number,
    value: number,
    bytes: Uint8Array,
  ): void {
    switch (kind) {
      case EventKind.opened:
        this.#addConnection(slot, 'tcp', Buffer.from(bytes).toString('latin1'));
        break;
      case EventKind.packet:
        this.#connections[slot]?.onPacket(first, bytes);
        break;
      case EventKind.ended:
        if (slot === this.#hostSlot)
          throw new Error(`the host connection broke the protocol: 0x${reason.toString(16)}`);
        this.#connections[slot]?.end(reason, 'lost');
        break;
      case EventKind.gone:
        this.#removeConnection(slot);
        break;
      case EventKind.subscribed:
        this.#subscribes.get(value)?.();
        this.#subscribes.delete(value);
        break;
      case EventKind.sessionArrived:
        this.#onSessionArrived(value);
        break;
      case EventKind.noticed:
        this.#onNoticed(first, bytes);
        break;
    }
  }

  onOpening(opening: number, fields: string): void {
    const request = readOpening(fields);
    const { isAccepted, response, refusedOrigin } = decideOpening(request, this.#openingRules);
    if (refusedOrigin !== undefined) this.#post({ type: 'originRefused', origin: refusedOrigin });
    const slot = this.engine.answerOpening(opening, isAccepted, response);
    if (slot !== 0) this.#addConnection(slot, 'ws', request.remoteAddress);
  }

  #onNoticed(index: number, address: Uint8Array): void {
    const notice = noticeNames[index];
    if (notice === undefined) throw new Error(`the data plane notices what is unknown here: ${index}`);
    this.#post({ type: 'noticed', notice, remoteAddress: Buffer.from(address).toString('latin1') });
  }

  #addConnection(slot: number, transport: 'ws' | 'tcp', remoteAddress: string): void {
    const connection = new ClientConnection(this, slot, ++this.#serials, transport, remoteAddress);
    this.#connections[slot] = connection;
    this.#bySerial.set(connection.serial, connection);
  }

  #removeConnection(slot: number): void {
    const connection = this.#connections[slot];
    this.#connections[slot] = undefined;
    if (connection === undefined) return;
    connection.onGone();
    this.#bySerial.delete(connection.serial);
    if (this.#bySerial.size === 0) this.#onEmpty?.();
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

  abandonAuthentication(connection: ClientConnection): void {
    this.#post({ type: 'abandoned', connection: connection.serial });
  }

  reportClosed(session: number, cause: CloseCause, reasonCode: number, sessionExpirySeconds?: number): void {
    this.#post({ type: 'closed', session, cause, reasonCode, sessionExpirySeconds });
  }

  nextSubscribeToken(done: () => void): number {
    const token = this.engine.nextToken();
    this.#subscribes.set(token, done);
    return token;
  }

  forgetSubscribe(token: number): void {
    this.#subscribes.delete(token);
  }

  // --- what the session directory says --------------------------------------------------------------

  accept(message: Extract<ToWorker, { type: 'accept' }>): void {
    const { request, session, origin, authenticationData } = message;
    const arrival = { connection: this.#bySerial.get(message.connection), request, authenticationData };
    if (origin.from === 'new') this.engine.createSession(session, false);
    if (origin.from !== 'worker') {
      this.#finishAccept(arrival, session, origin.from === 'here');
      return;
    }
    this.#arrivals.set(session, arrival);
    this.engine.moveSessionHere(session, origin.worker);
  }

  #onSessionArrived(session: number): void {
    const arrival = this.#arrivals.get(session);
    this.#arrivals.delete(session);
    if (arrival !== undefined) this.#finishAccept(arrival, session, true);
  }

  #finishAccept(arrival: Arrival, session: number, isSessionPresent: boolean): void {
    const { connection, request, authenticationData } = arrival;
    const isConnected = connection?.accept(session, isSessionPresent, authenticationData) ?? false;
    if (request !== undefined) this.#post({ type: 'reply', request, value: undefined });
    if (!isConnected) this.reportClosed(session, 'lost', ReasonCode.success);
  }

  refuse(serial: number, reasonCode: number): void {
    this.#bySerial.get(serial)?.refuse(reasonCode);
  }

  challenge(serial: number, data: Uint8Array): void {
    this.#bySerial.get(serial)?.challenge(data);
  }

  renewed(serial: number, data: Uint8Array | undefined): void {
    this.#bySerial.get(serial)?.renewed(data);
  }

  /** Ends the connection, if it is still there. */
  evict(serial: number, reasonCode: number): void {
    this.#bySerial.get(serial)?.end(reasonCode);
  }

  /** Ends all sessions but these, which are what the directory has here after a restart, and those that leave. */
  keepSessions(sessions: readonly number[]): void {
    const kept = new Set(sessions);
    for (const [session, state] of this.engine.sessions()) {
      if (!kept.has(session) && state !== SessionState.departing) this.engine.destroySession(session);
    }
  }

  /** Opens the connection of the host program. */
  openHost(session: number): void {
    const slot = this.engine.openHost();
    this.#hostSlot = slot;
    const connection = new ClientConnection(this, slot, 0, 'ws', 'host');
    this.#connections[slot] = connection;
    connection.openAsHost(session);
  }

  onHostBytes(bytes: Uint8Array): void {
    this.#post({ type: 'hostBytes', bytes });
  }

  receiveFromHost(bytes: Uint8Array): void {
    if (this.#hostSlot === 0) return; // the host sends again what matters once its connection is open
    this.engine.receive(this.#hostSlot, bytes);
  }

  /** Says goodbye to all clients, and calls back when the last one has gone. */
  endAll(reasonCode: number, onEmpty: () => void): void {
    this.#onEmpty = onEmpty;
    for (const connection of this.#bySerial.values()) connection.end(reasonCode, 'lost');
    if (this.#bySerial.size === 0) onEmpty();
  }
}
