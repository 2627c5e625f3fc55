/**
 * One client connection as the control plane of a worker sees it: everything but PUBLISH and its
 * acknowledgements, which never leave the data plane.
 *
 *   packet event -> decode -> answer, or ask the session directory -> resume the frames behind it
 */

import type { Limits } from '../config/limits.ts';
import type { CloseCause, ConnectRequest } from '../control/messages.ts';
import type { Engine } from '../data-plane/addon.ts';
import { returnCodeOf } from '../wire/connack-return-code.ts';
import { decodeConnect } from '../wire/decode-connect.ts';
import { decodeDisconnect } from '../wire/decode-disconnect.ts';
import { decodeSubscribe, decodeUnsubscribe } from '../wire/decode-subscribe.ts';
import { encodeSuback, encodeUnsuback } from '../wire/encode-acknowledgement.ts';
import { encodeConnack } from '../wire/encode-connack.ts';
import { encodeDisconnect } from '../wire/encode-disconnect.ts';
import { PacketType } from '../wire/packet-type.ts';
import type { ConnectPacket, ProtocolVersion, SubscriptionRequest } from '../wire/packets.ts';
import { isProtocolError } from '../wire/protocol-error.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { isSharedFilter, isValidTopicFilter } from '../wire/topic.ts';
import { assignedClientId, connackProperties, keepAliveMs, sessionExpirySeconds } from './connect-terms.ts';

/** What a connection needs from its worker. */
export interface ConnectionContext {
  readonly engine: Engine;
  readonly limits: Limits;
  /** Asks the session directory. */
  requestConnect(connection: ClientConnection, connect: ConnectRequest): void;
  /** Tells the session directory that a session has no connection any more. */
  reportClosed(session: number, cause: CloseCause, reasonCode: number, sessionExpirySeconds?: number): void;
  /** Calls back when every shard knows the filters that were added under the token. */
  nextSubscribeToken(done: () => void): number;
}

/** The host program is in the same process: only the session's own bound counts. */
const hostReceiveMaximum = 65_535;

export class ClientConnection {
  readonly slot: number;
  readonly serial: number;
  readonly transport: 'ws' | 'tcp';
  readonly remoteAddress: string;
  clientId = '';
  /** Of the session that is attached, else 0. */
  session = 0;
  version: ProtocolVersion | undefined;
  isGone = false;
  readonly #context: ConnectionContext;
  #connect: ConnectPacket | undefined;
  #isClientIdAssigned = false;
  #outlivesConnection = false;
  #subscriptions = 0;

  constructor(
    context: ConnectionContext,
    slot: number,
    serial: number,
    transport: 'ws' | 'tcp',
    remoteAddress: string,
  ) {
    this.#context = context;
    this.slot = slot;
    this.serial = serial;
    this.transport = transport;
    this.remoteAddress = remoteAddress;
  }

  /** The host program's connection needs no CONNECT: it is connected from the start. */
  openAsHost(session: number): void {
    const { engine } = this.#context;
    this.clientId = 'host';
    this.version = 5;
    this.session = session;
    engine.createSession(session);
    engine.accept(this.slot, session, 5, 0, hostReceiveMaximum, 0, true, new Uint8Array());
  }

  onPacket(header: number, body: Uint8Array): void {
    switch (header >> 4) {
      case PacketType.connect:
        this.#onConnect(header, body);
        break;
      case PacketType.subscribe:
        this.#onSubscribe(header, body);
        break;
      case PacketType.unsubscribe:
        this.#onUnsubscribe(header, body);
        break;
      case PacketType.disconnect:
        this.#onDisconnect(header, body);
        break;
      default: // AUTH: no authentication method was agreed upon [MQTT-4.12.0-1]
        this.end(ReasonCode.protocolError, 'lost');
    }
  }

  /** The session directory accepts the CONNECT; its session is here. False if the client has left. */
  accept(session: number, isSessionPresent: boolean): boolean {
    const connect = this.#connect;
    if (connect === undefined || this.isGone) return false;
    const { engine, limits } = this.#context;
    const version = connect.protocolVersion;
    const properties =
      version === 5
        ? connackProperties(connect, limits, this.#isClientIdAssigned ? this.clientId : undefined)
        : {};
    const connack = encodeConnack(
      { sessionPresent: isSessionPresent, reasonCode: ReasonCode.success, properties },
      version,
    );
    const outlivesConnection = sessionExpirySeconds(connect, limits) > 0;
    this.session = session;
    this.#outlivesConnection = outlivesConnection;
    this.#subscriptions = isSessionPresent ? engine.subscriptions(session).length : 0;
    this.#connect = undefined;
    engine.accept(
      this.slot,
      session,
      version,
      keepAliveMs(connect, limits),
      connect.properties.receiveMaximum ?? 65_535,
      connect.properties.maximumPacketSize ?? 0,
      outlivesConnection,
      connack,
    );
    engine.resume(this.slot);
    return true;
  }

  /** Refuses the CONNECT, with a CONNACK where the client's version has one for the reason [MQTT-3.1.4-2]. */
  refuse(reasonCode: number): void {
    if (this.isGone) return;
    if (this.version === 5 || (this.version !== undefined && returnCodeOf(reasonCode) !== undefined)) {
      const connack = encodeConnack({ sessionPresent: false, reasonCode, properties: {} }, this.version);
      this.#context.engine.send(this.slot, connack);
    }
    this.#context.engine.close(this.slot);
  }

  /**
   * Ends the connection; MQTT 5 clients are told why [MQTT-4.13.2-1]. `cause` is for the session
   * directory, which is not told when it is the one that asked.
   */
  end(reasonCode: number, cause?: CloseCause): void {
    if (this.isGone) return;
    if (this.version === 5 && this.session !== 0) {
      this.#context.engine.send(this.slot, encodeDisconnect({ reasonCode, properties: {} }, 5));
    }
    this.#context.engine.close(this.slot);
    if (cause === undefined) this.session = 0;
    else this.#leave(cause, reasonCode);
  }

  onGone(): void {
    this.isGone = true;
    this.#leave('lost', ReasonCode.success);
  }

  #leave(cause: CloseCause, reasonCode: number, sessionExpirySeconds?: number): void {
    if (this.session === 0) return;
    this.#context.reportClosed(this.session, cause, reasonCode, sessionExpirySeconds);
    this.session = 0;
  }

  #onConnect(header: number, body: Uint8Array): void {
    const connect = decodeConnect(header, body);
    if (isProtocolError(connect)) {
      this.version = connect.protocolVersion;
      this.refuse(connect.reasonCode);
      return;
    }
    this.version = connect.protocolVersion;
    if (connect.properties.authenticationMethod !== undefined) {
      this.refuse(ReasonCode.badAuthenticationMethod);
      return;
    }
    if (connect.will !== undefined && levelCount(connect.will.topic) > this.#context.limits.topicLevelsMax) {
      this.refuse(ReasonCode.topicNameInvalid);
      return;
    }
    this.#isClientIdAssigned = connect.clientId === '';
    this.clientId = this.#isClientIdAssigned ? assignedClientId() : connect.clientId;
    this.#connect = connect;
    this.#context.requestConnect(this, {
      clientId: this.clientId,
      protocolVersion: connect.protocolVersion,
      cleanStart: connect.cleanStart,
      sessionExpirySeconds: sessionExpirySeconds(connect, this.#context.limits),
      will: connect.will,
      username: connect.username,
      password: connect.password,
      remoteAddress: this.remoteAddress,
      transport: this.transport,
    });
  }

  #onDisconnect(header: number, body: Uint8Array): void {
    const disconnect = decodeDisconnect(header, body, this.#version);
    if (isProtocolError(disconnect)) {
      this.end(disconnect.reasonCode, 'lost');
      return;
    }
    const expiry = disconnect.properties.sessionExpiryInterval;
    if (expiry !== undefined && expiry > 0 && !this.#outlivesConnection) {
      this.end(ReasonCode.protocolError, 'lost'); // 3.14.2.2.2
      return;
    }
    const hasWill = disconnect.reasonCode !== ReasonCode.normalDisconnection; // [MQTT-3.14.4-3]
    const { sessionExpiryIntervalMax } = this.#context.limits;
    this.#leave(
      hasWill ? 'disconnectedWithWill' : 'disconnected',
      disconnect.reasonCode,
      expiry === undefined ? undefined : Math.min(expiry, sessionExpiryIntervalMax),
    );
    this.#context.engine.close(this.slot);
  }

  #onSubscribe(header: number, body: Uint8Array): void {
    const subscribe = decodeSubscribe(header, body, this.#version);
    if (isProtocolError(subscribe)) {
      this.end(subscribe.reasonCode, 'lost');
      return;
    }
    const { engine } = this.#context;
    const { session } = this;
    let reasonCodes: number[] = [];
    const token = this.#context.nextSubscribeToken(() => {
      if (this.session !== session) {
        engine.endSubscribe(session); // the client has left; its session may be there still
        return;
      }
      const suback = encodeSuback(
        { packetId: subscribe.packetId, reasonCodes, properties: {} },
        this.#version,
      );
      engine.send(this.slot, suback);
      engine.endSubscribe(session);
      engine.resume(this.slot);
    });
    const subscriptionId = subscribe.properties.subscriptionIdentifiers?.[0] ?? 0;
    reasonCodes = subscribe.subscriptions.map((request) => this.#subscribe(request, subscriptionId, token));
    engine.finishSubscribe(session, token);
  }

  /** Gives the reason code of one entry: the granted QoS, or why not. */
  #subscribe(request: SubscriptionRequest, subscriptionId: number, token: number): number {
    const { engine, limits } = this.#context;
    const { topicFilter, qos, noLocal, retainAsPublished, retainHandling } = request;
    if (isSharedFilter(topicFilter)) return ReasonCode.sharedSubscriptionsNotSupported;
    if (!isValidTopicFilter(topicFilter) || levelCount(topicFilter) > limits.topicLevelsMax) {
      return ReasonCode.topicFilterInvalid;
    }
    if (this.#subscriptions >= limits.subscriptionsPerSessionMax) return ReasonCode.quotaExceeded;
    const existed = engine.subscribe(
      this.session,
      topicFilter,
      qos,
      noLocal,
      retainAsPublished,
      retainHandling,
      subscriptionId,
      token,
    );
    if (!existed) this.#subscriptions++;
    return qos;
  }

  #onUnsubscribe(header: number, body: Uint8Array): void {
    const unsubscribe = decodeUnsubscribe(header, body, this.#version);
    if (isProtocolError(unsubscribe)) {
      this.end(unsubscribe.reasonCode, 'lost');
      return;
    }
    const { engine } = this.#context;
    const reasonCodes = unsubscribe.topicFilters.map((topicFilter) => {
      if (!engine.unsubscribe(this.session, topicFilter)) return ReasonCode.noSubscriptionExisted;
      this.#subscriptions--;
      return ReasonCode.success;
    });
    engine.send(
      this.slot,
      encodeUnsuback({ packetId: unsubscribe.packetId, reasonCodes, properties: {} }, this.#version),
    );
    engine.resume(this.slot);
  }

  get #version(): ProtocolVersion {
    return this.version ?? 4;
  }
}

function levelCount(topicFilter: string): number {
  return topicFilter.split('/').length;
}
