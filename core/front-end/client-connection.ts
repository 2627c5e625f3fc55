/**
 * One client connection in packet control: all packets except PUBLISH and its
 * acknowledgements, which never leave the data plane.
 *
 *   packet event -> decode -> answer, or ask the session directory -> resume the frames after it
 *
 *   awaitingConnect --CONNECT--> connecting --CONNACK--> connected --> over
 *           \------------------------\--refused-----------------------/
 */

import type { ClientTls, Quotas, Transport } from '../config/authentication.ts';
import type { ListenerConfig } from '../config/listeners.ts';
import type { BrokerConfig } from '../config/options.ts';
import { hasTokenKeys } from '../config/resolve.ts';
import type {
  Admission,
  AskedTopic,
  ConnectRequest,
  DecidedTopic,
  RenewalRequest,
  ToMain,
  ToWorker,
} from '../control/messages.ts';
import type { RefusalReason, RefusedClient } from '../control/refusals.ts';
import { type CloseCause, closeCauses, type Engine } from '../data-plane/addon.ts';
import { encodeConnectionTerms } from '../data-plane/connection-terms.ts';
import type { ServerSubscription } from '../security/access.ts';
import { keepsData } from '../storage/keeps-data.ts';
import { returnCodeOf } from '../wire/connack-return-code.ts';
import { decodeConnect } from '../wire/decode-connect.ts';
import { decodeAuth, decodeDisconnect } from '../wire/decode-disconnect.ts';
import { encodeConnack } from '../wire/encode-connack.ts';
import { encodeAuth, encodeDisconnect } from '../wire/encode-disconnect.ts';
import { encodePublish } from '../wire/encode-publish.ts';
import { encodeWithin } from '../wire/encode-within.ts';
import { PacketType } from '../wire/packet-type.ts';
import type { AuthPacket, ConnectPacket, ProtocolVersion, Will } from '../wire/packets.ts';
import type { Properties } from '../wire/properties.ts';
import { isProtocolError, type ProtocolError } from '../wire/protocol-error.ts';
import { ReasonCode } from '../wire/reason-code.ts';
import { isTooLong } from '../wire/topic.ts';
import type { Connacks } from './connacks.ts';
import {
  assignedClientId,
  connackProperties,
  keepAliveMs,
  sessionExpirySeconds,
  willError,
} from './connect-terms.ts';
import { authError, authenticationProperties } from './enhanced-authentication.ts';
import { Expiry } from './expiry.ts';
import type { OpeningToken } from './opening-token.ts';
import { reasonSentence, reasonStringTerms, sentenceOf } from './reason-strings.ts';
import {
  availableToHost,
  onSubscribe,
  onUnsubscribe,
  type PendingSubscribes,
  type Subscriber,
  subscribeFor,
} from './subscribe.ts';

/** What a connection needs of its worker. */
export interface ConnectionContext {
  readonly engine: Engine;
  readonly config: BrokerConfig;
  readonly pending: PendingSubscribes;
  readonly connacks: Connacks;
  /** Asks the session directory. */
  requestConnect(connection: ClientConnection, connect: ConnectRequest): void;
  /** Asks the authenticator whether a connected client may stay. */
  renewAuthentication(connection: ClientConnection, renewal: RenewalRequest): void;
  /** Passes the client's answer to a challenge on to the authenticator. */
  answerChallenge(connection: ClientConnection, data: Uint8Array | undefined): void;
  /** Why this peer may not connect, whoever it is; undefined if it may. */
  peerRefusal(peer: Peer): string | undefined;
  /** Tells the main thread that a client was refused. */
  tellRefused(client: RefusedClient, refusal: RefusalReason, isDecidedByWorker: boolean): void;
  /** Tells the session directory and the authenticator that the client has left before they have decided. */
  abandon(connection: ClientConnection): void;
  /** Asks programs whether the client may do something; authorized() follows unless the client leaves. */
  authorize(connection: ClientConnection, question: Question): void;
  /** For the audit: the client lacks a right. */
  rightRefused(connection: ClientConnection, action: 'publish' | 'subscribe', topic: string): void;
  /** For operators: the client did not get these topic filters; the reason code is that of the first. */
  subscriptionRefused(clientId: string, topicFilters: readonly string[], reasonCode: number): void;
  /** For traces: a SUBSCRIBE or UNSUBSCRIBE was answered. */
  answered(
    client: ClientConnection,
    action: 'subscribe' | 'unsubscribe',
    topicFilters: readonly string[],
    reasonCodes: readonly number[],
  ): void;
}

/** The other end of a connection. */
export interface Peer {
  readonly transport: Transport;
  readonly remoteAddress: string;
  /** As in ConnectRequest. */
  readonly listener: number;
  /** Undefined if it is plain. */
  readonly tls: ClientTls | undefined;
}

/** What programs are asked about a client. */
export type Question = Pick<Extract<ToMain, { type: 'authorize' }>, 'request' | 'action' | 'topics'>;
type Acceptance = Extract<ToWorker, { type: 'accept' }>;

type State = 'awaitingConnect' | 'connecting' | 'connected' | 'over';

export class ClientConnection implements Subscriber {
  readonly slot: number;
  readonly serial: number;
  readonly peer: Peer;
  clientId = '';
  /** The key of the attached session, or 0. */
  session = 0;
  /** Undefined until its CONNECT has been read. */
  version: ProtocolVersion | undefined;
  readonly #context: ConnectionContext;
  #available: BrokerConfig;
  #state: State = 'awaitingConnect';
  /** While connecting. */
  #connect: ConnectPacket | undefined;
  #isClientIdAssigned = false;
  #isBridge = false;
  #isHost = false;
  /** Prepended to all topics of the client, which does not see it. */
  #topicPrefix = '';
  /** Open questions to programs, by number. Undefined: there was none. */
  #questions: Map<number, (decided: readonly DecidedTopic[]) => void> | undefined;
  #questionsAsked = 0;
  /** The token of the WebSocket request; while connecting. */
  #token: OpeningToken | undefined;
  /** Ends the connection unless it is renewed. Undefined: it has never had an end. */
  #expiry: Expiry | undefined;
  /** The authentication method of the CONNECT. */
  #method: string | undefined;
  /** The client is connected and authenticates again. */
  #isRenewing = false;
  /** How long the session outlives the connection. */
  #expirySeconds = 0;
  /** The client's Maximum Packet Size, in bytes. */
  #maximumPacketSize: number | undefined;
  #reasonStrings: { readonly atEnds: boolean; readonly elsewhere: boolean };

  constructor(context: ConnectionContext, slot: number, serial: number, peer: Peer, token?: OpeningToken) {
    this.#token = token;
    this.#context = context;
    this.#available = context.config;
    this.slot = slot;
    this.serial = serial;
    this.peer = peer;
    this.#reasonStrings = reasonStringTerms(context.config.reasonStrings, undefined);
  }

  /** The host program's connection needs no CONNECT: it is connected from the start, and may subscribe to everything. */
  openAsHost(session: number): void {
    this.clientId = 'host';
    this.#isHost = true;
    this.version = 5;
    this.session = session;
    this.#state = 'connected';
    this.#available = availableToHost(this.#available);
  }

  /** The data plane has read its CONNECT, and accepted it. `session`: 0 if the session directory is still deciding. */
  adopt(body: Uint8Array, session: number): void {
    const connect = decodeConnect(PacketType.connect << 4, body);
    if (isProtocolError(connect)) throw new Error(`a CONNECT that is not plain was adopted: ${connect.why}`);
    this.clientId = connect.clientId;
    this.version = connect.protocolVersion;
    if (session === 0) this.#connect = connect;
    this.session = session;
    this.#state = session === 0 ? 'connecting' : 'connected';
  }

  onPacket(header: number, body: Uint8Array): void {
    if (this.#state === 'over') return; // in transit when the connection ended
    switch (header >> 4) {
      case PacketType.connect:
        this.#onConnect(header, body);
        break;
      case PacketType.subscribe:
        onSubscribe(this, header, body);
        break;
      case PacketType.unsubscribe:
        onUnsubscribe(this, header, body);
        break;
      case PacketType.disconnect:
        this.#onDisconnect(header, body);
        break;
      case PacketType.auth:
        this.#onAuth(header, body);
        break;
    }
  }

  /**
   * The session directory accepts the CONNECT, and the session is on this worker. False if the client has left, or the CONNACK
   * is too large for it; otherwise the event `closed` follows at the end.
   */
  accept({ session, isNew, authenticationData, admission }: Acceptance): boolean {
    const connect = this.#connect;
    if (connect === undefined || this.#state !== 'connecting') return false;
    this.#connect = undefined;
    const { engine, config } = this.#context;
    const connack = this.#successOf(connect, !isNew, authenticationData);
    if (!this.#fits(connack)) {
      this.refuse(ReasonCode.packetTooLarge);
      return false;
    }
    const { properties } = connect;
    this.#topicPrefix = admission?.topicPrefix ?? '';
    const willTopic = this.#topicPrefix + (connect.will?.topic ?? '');
    if (isTooLong(willTopic)) {
      this.refuse(ReasonCode.topicNameInvalid);
      return false;
    }
    const { messagesPerSecond, bytesPerSecond } = this.#pace(admission?.quotas);
    this.#expirySeconds = sessionExpirySeconds(connect, config.limits);
    const terms = encodeConnectionTerms({
      version: connect.protocolVersion,
      withholdsProblems: !this.#reasonStrings.elsewhere,
      keepAliveMs: keepAliveMs(connect, config.limits),
      receiveMaximum: properties.receiveMaximum ?? 65_535,
      maximumPacketSize: properties.maximumPacketSize ?? 0,
      topicAliasMaximum: properties.topicAliasMaximum ?? 0,
      sessionExpirySeconds: this.#expirySeconds,
      messagesPerSecond,
      bytesPerSecond,
      asksToPublish: config.asksToPublish,
      clientId: this.#expirySeconds > 0 && keepsData(config) ? this.clientId : '',
      topicPrefix: this.#topicPrefix,
      will: connect.will && { ...connect.will, topic: willTopic },
      access: admission?.access,
    });
    if (!engine.accept(this.slot, session, terms, connack)) {
      this.refuse(ReasonCode.serverUnavailable);
      return false;
    }
    this.session = session;
    this.#state = 'connected';
    this.#expireAt(admission?.expiresAtMs);
    if (admission !== undefined) subscribeFor(this, admission.subscriptions);
    engine.resume(this.slot);
    return true;
  }

  /** The session directory refuses the CONNECT, or the reauthentication of a connected client. */
  refused(reasonCode: number): void {
    this.#connect = undefined;
    this.refuse(reasonCode, undefined, false);
  }

  /** The client has to answer a challenge (AUTH 0x18). */
  challenge(data: Uint8Array): void {
    if (this.#state === 'over') return;
    this.#sendAuth(ReasonCode.continueAuthentication, data);
  }

  /** The client has authenticated again. */
  renewed(data: Uint8Array | undefined, admission: Admission | undefined): void {
    if (this.#state === 'over') return;
    if (admission?.access !== undefined) this.#context.engine.setAccess(this.slot, admission.access);
    this.#context.engine.forgetDecisions(this.slot);
    this.#expireAt(admission?.expiresAtMs);
    subscribeFor(this, admission?.subscriptions ?? []);
    this.#isRenewing = false;
    this.#sendAuth(ReasonCode.success, data);
  }

  /**
   * Refuses the CONNECT, with a CONNACK if the client's version has one for the reason [MQTT-3.1.4-2].
   * `why` replaces the usual sentence of the reason code. A connected client, whose reauthentication failed,
   * is disconnected.
   */
  refuse(reasonCode: number, why?: string, isDecidedByWorker = true): void {
    const { serverUnavailable, serverBusy } = ReasonCode; // the first is not for a DISCONNECT
    if (this.#state === 'connected')
      this.end(reasonCode === serverUnavailable ? serverBusy : reasonCode, why);
    if (this.#state !== 'connecting') return;
    this.#tellRefused(reasonCode, isDecidedByWorker, why);
    this.#finish();
    const { version } = this;
    if (version === 5 || (version !== undefined && returnCodeOf(reasonCode) !== undefined)) {
      const properties = this.#endProperties(reasonCode, why);
      const connack = encodeWithin(this.#maximumPacketSize, properties, (sent) =>
        encodeConnack({ sessionPresent: false, reasonCode, properties: sent }, version),
      );
      if (this.#fits(connack)) this.#context.engine.send(this.slot, connack);
    }
    this.#context.engine.close(this.slot, reasonCode);
  }

  /** Ends a connection through no fault of its client: everything it has sent is still handled. */
  finish(reasonCode: number): void {
    if (this.#state === 'connected') this.#context.engine.finish(this.slot, reasonCode);
    else this.end(reasonCode);
  }

  /** Ends the connection; MQTT 5 clients are told why [MQTT-4.13.2-1]. */
  end(reasonCode: number, why?: string): void {
    if (this.#state === 'over') return;
    if (this.#state === 'connecting') {
      const { serverShuttingDown, serverUnavailable } = ReasonCode; // the first is not for a CONNACK
      this.refuse(reasonCode === serverShuttingDown ? serverUnavailable : reasonCode, why);
      return;
    }
    if (this.#state === 'awaitingConnect') this.#tellRefused(reasonCode, true, why);
    if (this.#state === 'connected' && this.version === 5) {
      const disconnect = encodeWithin(
        this.#maximumPacketSize,
        this.#endProperties(reasonCode, why),
        (properties) => encodeDisconnect({ reasonCode, properties }, 5),
      );
      this.#context.engine.send(this.slot, disconnect);
    }
    this.#finish();
    this.#context.engine.close(this.slot, reasonCode);
  }

  fail({ reasonCode, why }: ProtocolError): void {
    this.end(reasonCode, sentenceOf(why));
  }

  onGone(): void {
    this.#finish();
  }

  #tellRefused(reasonCode: number, isDecidedByWorker: boolean, why = reasonSentence(reasonCode) ?? ''): void {
    const { clientId, version: protocolVersion, peer } = this;
    const { transport, remoteAddress, tls } = peer;
    const client = {
      clientId,
      protocolVersion,
      transport,
      remoteAddress,
      ...(tls === undefined ? {} : { tls }),
    };
    this.#context.tellRefused(client, { reasonCode, why }, isDecidedByWorker);
  }

  /** The client wants to publish, and programs decide. Its frames wait. `kind`: the QoS, plus 4 if retained. */
  onPublishAsked(kind: number, topic: string): void {
    const qos = (kind & 3) as 0 | 1 | 2;
    this.#ask('publish', [{ topic, qos, retain: (kind & 4) !== 0 }], ([decided]) => {
      this.#context.engine.decide(this.slot, decided?.isAllowed === true, decided?.keptMs ?? 0);
    });
  }

  /** Programs have decided. */
  authorized(request: number, decided: readonly DecidedTopic[]): void {
    const done = this.#questions?.get(request);
    this.#questions?.delete(request);
    if (this.#state === 'connected') done?.(decided);
  }

  #ask(
    action: Question['action'],
    topics: readonly AskedTopic[],
    done: (decided: readonly DecidedTopic[]) => void,
  ): void {
    const request = ++this.#questionsAsked;
    this.#questions ??= new Map();
    this.#questions.set(request, done);
    this.#context.authorize(this, { request, action, topics });
  }

  // --- as a subscriber ------------------------------------------------------------------------------

  get engine(): Engine {
    return this.#context.engine;
  }
  get pending(): PendingSubscribes {
    return this.#context.pending;
  }
  /** How its packets are read; 3.1.1 before its CONNECT. */
  get protocolVersion(): ProtocolVersion {
    return this.version ?? 4;
  }
  get isBridge(): boolean {
    return this.#isBridge;
  }
  get available(): BrokerConfig {
    return this.#available;
  }
  get maximumPacketSize(): number | undefined {
    return this.#maximumPacketSize;
  }
  get getsReasonStrings(): boolean {
    return this.#reasonStrings.elsewhere;
  }
  whenAllowed(
    wanted: readonly ServerSubscription[],
    done: (isAllowed: readonly boolean[] | undefined) => void,
  ): void {
    if (this.#isHost || !this.#context.config.asksToSubscribe) {
      done(undefined);
      return;
    }
    const topics = wanted.map(({ topicFilter: topic, qos }) => ({ topic, qos, retain: false }));
    this.#ask('subscribe', topics, (decided) => done(decided.map(({ isAllowed }) => isAllowed)));
  }
  explainRefused(topicFilters: readonly string[], reasonCode: number): void {
    this.#context.subscriptionRefused(this.clientId, topicFilters, reasonCode);
  }

  answered(
    action: 'subscribe' | 'unsubscribe',
    topicFilters: readonly string[],
    reasonCodes: readonly number[],
  ): void {
    this.#context.answered(this, action, topicFilters, reasonCodes);
  }

  noteRefused(topicFilter: string): void {
    this.#context.rightRefused(this, 'subscribe', topicFilter);
  }

  // --- packets --------------------------------------------------------------------------------------

  /** The properties of a CONNACK or DISCONNECT with a reason string. */
  #endProperties(reasonCode: number, why = reasonSentence(reasonCode)): Properties {
    if (this.version !== 5) return {};
    const properties: Properties = {};
    const { serverReference } = this.#context.config;
    const leadsAway = reasonCode === ReasonCode.useAnotherServer || reasonCode === ReasonCode.serverMoved;
    if (leadsAway && serverReference !== undefined) properties.serverReference = serverReference;
    if (this.#reasonStrings.atEnds && why !== undefined) properties.reasonString = why;
    return properties;
  }

  #onConnect(header: number, body: Uint8Array): void {
    const connect = decodeConnect(header, body, this.#context.config.limits);
    this.#state = 'connecting';
    this.version = connect.protocolVersion;
    if (isProtocolError(connect)) {
      this.refuse(connect.reasonCode, sentenceOf(connect.why));
      return;
    }
    const { config } = this.#context;
    const { properties } = connect;
    this.#maximumPacketSize = properties.maximumPacketSize;
    this.#reasonStrings = reasonStringTerms(config.reasonStrings, properties.requestProblemInformation);
    this.#method = properties.authenticationMethod;
    const refusal = this.#context.peerRefusal(this.peer);
    if (refusal !== undefined) {
      this.clientId = connect.clientId;
      this.refuse(ReasonCode.notAuthorized, refusal);
      return;
    }
    const error = willError(connect, config);
    if (error !== undefined) {
      this.refuse(error.reasonCode, error.why);
      return;
    }
    this.#isClientIdAssigned = connect.clientId === '';
    this.#isBridge = connect.isBridge === true;
    const prefix = this.#listener?.clientIdPrefix ?? '';
    this.clientId = prefix + (this.#isClientIdAssigned ? assignedClientId() : connect.clientId);
    if (isTooLong(this.clientId)) {
      this.refuse(ReasonCode.clientIdentifierNotValid);
      return;
    }
    // Too small a Maximum Packet Size for the CONNACK. Authentication may refuse it for another reason first.
    const mayBeTooLarge = this.#maximumPacketSize !== undefined && this.#method === undefined;
    if (mayBeTooLarge && !this.#fits(this.#successOf(connect, false))) {
      this.refuse(ReasonCode.packetTooLarge);
      return;
    }
    this.#connect = connect;
    const { transport, remoteAddress, listener, tls } = this.peer;
    this.#context.requestConnect(this, {
      clientId: this.clientId,
      protocolVersion: connect.protocolVersion,
      cleanStart: connect.cleanStart,
      sessionExpirySeconds: sessionExpirySeconds(connect, config.limits),
      username: connect.username,
      password: connect.password,
      authenticationMethod: this.#method,
      authenticationData: properties.authenticationData,
      transport,
      remoteAddress,
      listener,
      tls,
      willTopic: connect.will?.topic,
      willQos: connect.will?.qos,
      willRetain: connect.will?.retain,
      will: config.cluster === undefined || connect.will === undefined ? undefined : willOf(connect.will),
      token: this.#tokenFor(connect),
    });
    this.#token = undefined;
  }

  /** A cookie must not replace the client's own credentials. Without keys, a program decides what it is for. */
  #tokenFor({ password }: ConnectPacket): string | undefined {
    if (this.#token === undefined) return undefined;
    const { text, isAmbient } = this.#token;
    return isAmbient && password !== undefined && hasTokenKeys(this.#context.config) ? undefined : text;
  }

  /** The client's rate limits: those of its grant, else of its listener, else of the broker. */
  #pace(granted: Quotas | undefined): Required<Quotas> {
    const { limits } = this.#context.config;
    const here = this.#listener?.limits;
    return {
      messagesPerSecond:
        granted?.messagesPerSecond ?? here?.messagesPerSecondMax ?? limits.messagesPerSecondMax,
      bytesPerSecond: granted?.bytesPerSecond ?? here?.bytesPerSecondMax ?? limits.bytesPerSecondMax,
    };
  }

  /** The successful CONNACK. */
  #successOf(
    connect: ConnectPacket,
    sessionPresent: boolean,
    authenticationData?: Uint8Array,
  ): Uint8Array<ArrayBuffer> {
    const { config } = this.#context;
    const version = connect.protocolVersion;
    const prefix = this.#listener?.clientIdPrefix ?? '';
    const assigned = this.#isClientIdAssigned ? this.clientId.slice(prefix.length) : undefined;
    const properties =
      version === 5
        ? {
            ...connackProperties(connect, config, assigned),
            ...authenticationProperties(this.#method, authenticationData),
          }
        : {};
    return this.#context.connacks.of({ sessionPresent, reasonCode: ReasonCode.success, properties }, version);
  }

  /** Whether the client accepts a packet of this size [MQTT-3.1.2-24]; after the CONNACK the data plane checks it. */
  #fits(packet: Uint8Array): boolean {
    return packet.length <= (this.#maximumPacketSize ?? Number.POSITIVE_INFINITY);
  }

  #onDisconnect(header: number, body: Uint8Array): void {
    const disconnect = decodeDisconnect(header, body, this.protocolVersion, this.#context.config.limits);
    if (isProtocolError(disconnect)) {
      this.fail(disconnect);
      return;
    }
    const expiry = disconnect.properties.sessionExpiryInterval;
    if (expiry !== undefined && expiry > 0 && this.#expirySeconds === 0 && this.#state === 'connected') {
      this.end(ReasonCode.protocolError, 'The session ended with the connection.'); // 3.14.2.2.2
      return;
    }
    const isNormal = disconnect.reasonCode === ReasonCode.normalDisconnection; // [MQTT-3.14.4-3]
    const cause: CloseCause = isNormal ? 'disconnected' : 'disconnectedWithWill';
    const { sessionExpiryIntervalMax } = this.#context.config.limits;
    this.#context.engine.disconnect(
      this.slot,
      closeCauses.indexOf(cause),
      disconnect.reasonCode,
      Math.min(expiry ?? this.#expirySeconds, sessionExpiryIntervalMax),
    );
    this.#finish();
  }

  /** AUTH: the answer to a challenge, or a connected client's request to authenticate again. */
  #onAuth(header: number, body: Uint8Array): void {
    const auth = decodeAuth(header, body, this.protocolVersion, this.#context.config.limits);
    const error = isProtocolError(auth) ? auth : authError(auth, this.#method, this.#isAuthenticating);
    if (error !== undefined) {
      this.fail(error);
      return;
    }
    const { properties, reasonCode } = auth as AuthPacket;
    const data = properties.authenticationData;
    if (reasonCode === ReasonCode.continueAuthentication) {
      this.#context.answerChallenge(this, data);
      return;
    }
    this.#isRenewing = true;
    this.#context.renewAuthentication(this, {
      clientId: this.clientId,
      ...this.peer,
      method: this.#method ?? '',
      data,
    });
  }

  #sendAuth(reasonCode: number, data: Uint8Array | undefined): void {
    const { engine } = this.#context;
    const auth = encodeAuth({ reasonCode, properties: authenticationProperties(this.#method, data) });
    if (!this.#fits(auth)) {
      this.end(ReasonCode.packetTooLarge);
      return;
    }
    engine.send(this.slot, auth);
    engine.resume(this.slot);
  }

  /** When the credentials end; undefined: never. */
  #expireAt(atMs: number | undefined): void {
    if (atMs === undefined && this.#expiry === undefined) return;
    this.#expiry ??= new Expiry(() => this.end(ReasonCode.notAuthorized, 'The token has expired.'));
    this.#expiry.set(atMs);
  }

  get #isAuthenticating(): boolean {
    return this.#state === 'connecting' || this.#isRenewing;
  }

  /** Nothing more happens on this connection. */
  #finish(): void {
    const awaitsDecision = this.#connect !== undefined || (this.#isRenewing && this.#state !== 'over');
    this.#connect = undefined;
    this.#expireAt(undefined);
    this.#state = 'over';
    this.#isRenewing = false;
    this.#questions = undefined;
    this.session = 0;
    if (awaitsDecision) this.#context.abandon(this);
  }

  get topicPrefix(): string {
    return this.#topicPrefix;
  }

  /** The client's listener, if it is one of `config.listeners`. */
  get #listener(): ListenerConfig | undefined {
    const { listener } = this.peer;
    return listener === 0 ? undefined : this.#context.config.listeners[listener - 1];
  }
}

/** For the nodes that keep it: bytes of its own, as they go to another thread. */
function willOf({ topic, payload, qos, retain, properties }: Will): NonNullable<ConnectRequest['will']> {
  const { willDelayInterval = 0, ...others } = properties;
  const packet = { topic, payload, qos, retain, dup: false, packetId: 1, properties: others };
  return { packet: encodePublish(packet, 5), delaySeconds: willDelayInterval };
}
