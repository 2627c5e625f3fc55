/**
 * The C++ data plane as TypeScript sees it. Only native/node implements this, and only workers (for
 * `Engine`) and the supervisor (for the rest) use it.
 *
 * A slot identifies a connection of one worker until its `gone` event has been handled. A session is identified by
 * its key, a whole number that the session directory assigns and that is the same on all workers.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { BrokerError } from '../broker-error.ts';
import type { Limits } from '../config/limits.ts';
import type { BrokerConfig } from '../config/options.ts';
import { addonMethodNames, engineMethodNames } from './addon-methods.ts';

/** In the order of `EventKind` in native/front-end/events.h, where each is explained; loadAddon() compares. */
export const EventKind = {
  opened: 0,
  packet: 1,
  ended: 2,
  gone: 3,
  subscribed: 4,
  sessionArrived: 5,
  opening: 6,
  noticed: 7,
  closed: 8,
  settled: 9,
  lookedUp: 10,
  publishAsked: 11,
  publishDenied: 12,
  traced: 13,
  slotsTaken: 14,
  workerGone: 15,
  dropped: 16,
  connects: 17,
} as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** In the order of `Subscribed` in native/node/engine-methods.h; loadAddon() compares. */
export const Subscribed = { added: 0, replaced: 1, refused: 2, denied: 3 } as const;
export type Subscribed = (typeof Subscribed)[keyof typeof Subscribed];

/** The oldest and the newest version of the frames between nodes that this one supports (native/cluster/frame.h); loadAddon() compares. */
export const linkVersions = [3, 4] as const;

/** In the order of `FrameOutcome` in native/cluster/frame.h, where each is explained; loadAddon() compares. */
export const FrameOutcome = {
  taken: 0,
  repeated: 1,
  early: 2,
  damaged: 3,
  foreignVersion: 4,
  foreignSender: 5,
  /** The link is broken: its worker must be given up. */
  malformed: 6,
} as const;
export type FrameOutcome = (typeof FrameOutcome)[keyof typeof FrameOutcome];

/** Conditions worth a line in the log. In the order of `Notice` in native/front-end/events.h; loadAddon() compares. */
export const noticeNames = [
  'outOfDescriptors',
  'tlsOnPlainPort',
  'httpOnMqttPort',
  'mqttOnHttpPort',
  'retainedStoreFull',
  'plainOnTlsPort',
  'tlsFailed',
  'proxyNotTrusted',
  'proxyHeaderMalformed',
  'routesDiffer',
] as const;
export type Notice = (typeof noticeNames)[number];

/**
 * Why a client's connection has ended: by a normal DISCONNECT, or in a way that publishes its will. In the order of
 * `CloseCause` in native/front-end/departures.h; loadAddon() compares.
 */
export const closeCauses = ['lost', 'disconnected', 'disconnectedWithWill'] as const;
export type CloseCause = (typeof closeCauses)[number];

/** In the order of native/counters.h, where each is explained; loadAddon() compares. */
export const counterNames = [
  'connectionsOpened',
  'connectionsClosed',
  'bytesReceived',
  'bytesSent',
  'publishReceived',
  'publishSent',
  'droppedQos0',
  'droppedQueueFull',
  'droppedTotalFull',
  'droppedTooLarge',
  'droppedExpired',
  'droppedUnreadable',
  'droppedOutdated',
  'retainedRefused',
  'storageRefused',
  'publishRefused',
  'withheld',
  'connectionsCut',
  'sessionsCut',
  'otherReceived',
  'otherSent',
  'handedOver',
  'handedOverInVain',
  'laneBatches',
  'laneRecords',
  'parked',
  'readBack',
  'routesRepaired',
  'doorbells',
  'tlsHandshakes',
  'tlsResumed',
  'tlsFailed',
  'connections',
  'sessions',
  'subscriptions',
  'sharedSubscriptions',
  'retained',
  'queued',
  'topicFilters',
  'wildcardRoutes',
  'wideRoutes',
  'retainedBytes',
  'outboxBytes',
] as const;
export type CounterName = (typeof counterNames)[number];

/** The kinds of events of a traced message. In the order of `RecordKind` in native/front-end/watch.h; loadAddon() compares. */
export const recordKinds = [
  'published',
  'refused',
  'delivered',
  'queued',
  'dropped',
  'missed',
  'publishSpan',
  'deliverSpan',
] as const;
export type RecordKind = (typeof recordKinds)[number];

/** Why a client does not get a message. In the order of `DropReason` in native/front-end/watch.h; loadAddon() compares. */
export const dropReasons = [
  'none',
  'outboxFull',
  'queueFull',
  'allQueuesFull',
  'tooLarge',
  'expired',
  'withheld',
  'unreadable',
] as const;
export type DropReason = (typeof dropReasons)[number];

/** The histograms. In the order of `Time` in native/node/brokers.h, where each is explained; loadAddon() compares. */
const timeNames = ['loopLag', 'deliveryTime', 'logCommit'] as const;
export type TimeName = (typeof timeNames)[number];

/** A histogram of durations. */
export interface Times {
  /** The upper bounds of the buckets; one more bucket has none. */
  readonly boundsUs: readonly number[];
  /** Of each worker, or of the broker: a count for each bucket, and the sum in seconds. Empty: it is not measured. */
  readonly distributions: readonly { readonly counts: readonly number[]; readonly sumSeconds: number }[];
}

/** The settings of the data plane, by the names in native/limits.h; others are ignored. */
export type DataPlaneRules = Limits & BrokerConfig;

/** All texts are PEM. */
export interface TlsMaterial {
  /** The first one is for clients that name no host, or none of these. */
  readonly certificates: readonly {
    /** The certificate itself first. */
    readonly chain: string;
    readonly key: string;
    /** Host names in lower case; `*.` stands for one label. */
    readonly names: readonly string[];
    /** The authority's OCSP response, in DER, and until when it is sent, in seconds since 1970; 0: always. Empty: none. */
    readonly ocspResponse: Uint8Array;
    readonly ocspUntilSeconds: number;
  }[];
  /** Whether clients present a certificate: an index of clientCertificateSettings. */
  readonly clients: number;
  /** The authorities of client certificates, and their revocations; empty: none. */
  readonly clientCas: string;
  readonly clientCrls: string;
  readonly preSharedKeys: readonly PreSharedKey[];
}

/** A client's key, used instead of a certificate. */
export interface PreSharedKey {
  readonly identity: string;
  readonly key: Uint8Array;
}

export interface CertifiedKey {
  readonly certificate: string;
  readonly key: string;
}

/** The contents of a new certificate. */
export interface CertificateWish {
  readonly commonName: string;
  /** Host names and IP addresses. */
  readonly names: readonly string[];
  readonly isAuthority: boolean;
  /** Otherwise it is for servers. */
  readonly isForClients: boolean;
  /** Its validity, relative to now. */
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  /** Undefined: it is self-signed. */
  readonly issuer: CertifiedKey | undefined;
}

export interface EngineHandlers {
  /** Events, to be read at once with an EventReader: the memory is reused. */
  onEvents(events: ArrayBuffer, bytes: number): void;
  /** Bytes for the host program's connection, which the receiver owns. */
  onHostBytes(bytes: Uint8Array<ArrayBuffer>): void;
  /** At the end of a turn: this many more bytes of the host program's stream were taken. */
  onHostTaken(bytes: number): void;
  /**
   * Needed for links. A frame for a worker of another node, at the end of a turn; the receiver owns its bytes. Frames for one
   * worker must stay in order, and may be lost. It must not call the engine.
   */
  onFrame?(worker: number, bytes: Uint8Array<ArrayBuffer>): void;
}

/** The place of a process's workers in a cluster. */
export interface ClusterPlace {
  /** The numbers of its workers, instead of 0, 1, 2 ... */
  readonly numbers: readonly number[];
  /** All numbers in the cluster are below this; 64 at most. */
  readonly numbersEnd: number;
  /** A whole number above 0 that no other process of the cluster has ever had. */
  readonly incarnation: number;
  /** 16 random bytes, the same for all nodes. */
  readonly hashKeys: Uint8Array;
  /** Other nodes have published the wills of the sessions in the log, or will do so. */
  readonly areWillsOver?: boolean;
}

/** Of a link, since it was opened. */
export interface LinkFigures {
  readonly worker: number;
  readonly incarnation: number;
  readonly framesSent: number;
  readonly bytesSent: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly framesResent: number;
  /** Not acknowledged, or not sent yet; and the age of the oldest such frame. */
  readonly waitingBytes: number;
  readonly waitingMs: number;
}

/** In the order of `SessionState` in native/front-end/session-moves.h, where each is explained; loadAddon() compares. */
export const sessionStates = ['absent', 'settled', 'leaving', 'arriving', 'departing'] as const;
export type SessionState = (typeof sessionStates)[number];

/** The data plane of one worker. It hooks the event loop of the thread that creates it, until that ends. */
export interface Engine {
  /**
   * Decides on an event `opening`. `answer`: the sub-protocol, or the complete response that refuses it. Equal requests
   * are then accepted without an event, until forgetOpenings().
   */
  answerOpening(opening: number, isAccepted: boolean, answer: string): void;
  forgetOpenings(): void;
  /**
   * The connection and session of the host program: it needs no CONNECT, may send everything and is not counted. Its
   * bytes arrive by `receiveFromHost` and leave by `onHostBytes`. There is one at a time.
   */
  openHost(session: number): number;
  /** Bytes of the host program's stream, in order. Their buffer is detached. */
  receiveFromHost(bytes: Uint8Array): void;
  /** The host program has processed this much of its PUBLISH packets. */
  hostProcessed(bytes: number, messages: number): void;
  /** Continues with the frames after a packet event. */
  resume(slot: number): void;
  /** Queues one packet for the client. */
  send(slot: number, packet: Uint8Array): void;
  /** Closes the connection once everything queued is written. `reason`: why, for the event `closed`. */
  close(slot: number, reason: number): void;
  /**
   * The client has sent DISCONNECT; its session outlives the connection for `expirySeconds`. `cause`: an index of
   * `closeCauses`.
   */
  disconnect(slot: number, cause: number, reason: number, expirySeconds: number): void;
  /**
   * Ends a connection through no fault of its client: everything received is handled first, including a DISCONNECT.
   * The event `ended` with this reason follows, unless the client ends the connection.
   */
  finish(slot: number, reason: number): void;
  /** From now on no will is published: the broker is stopping. */
  withholdWills(): void;
  /**
   * False if there is no such session here, or the connection has ended; otherwise the event `closed` follows at its end.
   * `terms`: from encodeConnectionTerms().
   */
  accept(slot: number, session: number, terms: Uint8Array, connack: Uint8Array): boolean;

  /** Connections get numbers that those of the workers started before do not have. */
  numberConnections(startedBefore: number): void;
  /**
   * From now on the data plane handles CONNECTs of plain clients (native/front-end/plain-clients.h) itself: by `connects`, then
   * acceptPlain(), or when something else has to be done for the client, adoptPlain(). `clientIdBytesMax` 0: none is plain from
   * now on; then `gone` is told of all clients. For versions 4 and 5: `terms` of encodeConnectionTerms() without those that the
   * CONNECT itself has, and the CONNACK.
   */
  setPlainTerms(
    clientIdBytesMax: number,
    serverKeepAliveSeconds: number,
    terms4: Uint8Array,
    connack4: Uint8Array,
    terms5: Uint8Array,
    connack5: Uint8Array,
  ): void;
  /**
   * The session directory accepts a plain client, by the number of its connection, with a new session. False: it has left, or
   * was adopted; then there is no session.
   */
  acceptPlain(connection: number, session: number): boolean;
  /** For readPlainClient(): from now on packet control has it. Empty: there is no plain client on this slot. */
  adoptPlain(slot: number): Uint8Array<ArrayBuffer>;
  /** Of plain clients that are not adopted: all, or those with this client identifier or this address. */
  plainSlots(clientId: string | undefined, remoteAddress: string | undefined): number[];
  createSession(session: number): void;
  /** The rows of all sessions of this worker except the host program's, for readSessionRows(). */
  sessions(): Uint8Array;
  /** Of one session, for readSessionRow(). */
  sessionRow(session: number): Uint8Array;
  /**
   * Ends a session whose client is not connected, after publishing its will. The event `settled` follows. False if
   * there is none.
   */
  endSession(session: number): boolean;
  /** Counts the queue of a session that is about to end as dropped, because its client has had a later session. */
  noteOutdated(session: number): void;
  /** Publishes a delayed will. The event `settled` follows. False if there is no such session. */
  publishWill(session: number): boolean;
  /**
   * Brings the session here from worker `from`, with its subscriptions and all it holds. The event
   * `sessionArrived` follows, whatever becomes of it: an empty session if there is none, none if it is
   * destroyed, or if the node of `from` is lost before all of it is here. The next move of a session may begin before that, but not before this has returned. Gives the number of
   * the move, 0 if there is none.
   */
  moveSessionHere(session: number, from: number): number;
  subscriptionCount(session: number): number;

  /**
   * These workers will be present next, with durable sessions of lost ones: QoS 1 and 2 of all topics here wait until their
   * filters are known here.
   */
  awaitFilters(workers: readonly number[]): void;
  /** Sends retained messages of its log that the owners of their topics do not have yet. */
  offersLeft(): number;
  /** Sessions, of any worker, that have not got all retained messages of this one that they subscribed to. */
  walksLeft(): number;
  /** Identifies a SUBSCRIBE. */
  nextToken(): number;
  /**
   * `refused`: there is no room for its branches (filterBranchesMax), or no such session, or it is leaving; `denied`: by
   * the rules. `options`: as in a SUBSCRIBE of MQTT 5 (optionsByte()); `subscriptionId` 0: none; `token` identifies the
   * SUBSCRIBE.
   */
  subscribe(
    session: number,
    topicFilter: string,
    options: number,
    subscriptionId: number,
    token: number,
  ): Subscribed;
  /**
   * The `subscribed` event with this token follows when every shard knows the filters. False if there is no
   * such session, and so no event.
   */
  finishSubscribe(session: number, token: number): boolean;
  /** After the SUBACK, or instead of it: delivers the messages that have arrived for the session since finishSubscribe(). */
  endSubscribe(session: number, token: number): void;
  isSubscribed(session: number, filter: string): boolean;
  /** False if there was no such subscription. */
  unsubscribe(session: number, filter: string): boolean;

  /**
   * In a cluster, before anything else: the workers that this one knows, and the owner of each of the 1,024 slots. 255:
   * uncertain; the owner tells this worker when it learns of it with setPresent().
   */
  startCluster(workers: readonly number[], owners: Uint8Array): void;
  /**
   * The workers that are present, or that have joined; `elsewhere`: those on other nodes, which may be
   * lost. Nothing is exchanged with a worker before that. A number may be reused only when each worker has had
   * the event `workerGone` for it; otherwise this throws an Error.
   */
  setPresent(workers: readonly number[], elsewhere: readonly number[]): void;
  /**
   * This worker becomes the owner of the slots, after setPresent() of all present workers. When it serves them, the event `slotsTaken`
   * follows with the returned number, without those slots that another worker was told to take with a
   * larger number. Slots of a lost worker, or that it was about to take, wait until another worker takes them.
   */
  takeSlots(slots: readonly number[]): number;
  /**
   * The worker is lost for good: it sends nothing more, and nothing is sent to it. What arrived from it is valid.
   * The event `workerGone` follows when nothing of it is left here.
   */
  workerGone(worker: number): void;
  /**
   * From now on messages for a worker of another node leave by onFrame, and arrive by receiveFrame, in this version of
   * `linkVersions`. An open link is reconnected. False: the number is not that of another node's worker, another
   * incarnation's link is still open, the version is not supported, or there is no onFrame.
   */
  openLink(worker: number, incarnation: number, version: number): boolean;
  /** A frame from this worker. Its bytes may be reused. Except for `malformed` the link stays valid. */
  receiveFrame(worker: number, bytes: Uint8Array): FrameOutcome;
  /** Frames may have been lost: both ends send unacknowledged ones again. False: no link is open. */
  reconnectLink(worker: number): boolean;
  /** The worker is lost for good: messages for it are dropped from now on. False: no link is open. */
  closeLink(worker: number): boolean;
  /** For readLinkFigures(). */
  linkFigures(): number[];
  /**
   * The numbers of session moves grow over the whole cluster: before moveSessionHere() begins one, noteMove() has to be given the result of
   * lastMove() from the node where an earlier move of the session began.
   */
  lastMove(): number;
  noteMove(number: number): void;

  /** A question of an operator, for core/data-plane/inspection.ts. Empty if the session is not here. */
  figuresOf(session: number): number[];
  subscriptionsOf(session: number, from: number, max: number): (string | number)[];
  matchesOf(topic: string, max: number, filter: number, below: number): (string | number)[];
  retainedOf(filter: string, max: number, behind: string): (string | number)[];
  slowOf(max: number): number[];
  topicLevelsOf(above: string | undefined, after: string | undefined, max: number): (string | number)[];

  /** The `lookedUp` event with this token follows. */
  lookUpRetained(topic: string, token: number): void;

  /** From now on the rules of setRules() apply here. */
  adoptRules(): void;
  /** The identity of a connection's client has changed: from encodeAccess(). No effect if it is not connected. */
  setAccess(slot: number, access: Uint8Array): void;
  /** Answers an event `publishAsked`; the answer is valid for the topic for this long. No effect if the connection has ended. */
  decide(slot: number, isAllowed: boolean, keptMs: number): void;
  /** Forgets what programs have decided about a connection's topics; 0: about those of all. */
  forgetDecisions(slot: number): void;
  /**
   * Reports the messages that the topic filter matches (empty: none), and those of traced sessions, by events
   * `traced` for the trace with this index, from 0 to 7, with this many bytes of the payload.
   */
  trace(index: number, topicFilter: string, payloadBytesMax: number): void;
  /** No effect if the session is not here. */
  traceSession(session: number, index: number): void;
  endTrace(index: number): void;
  /**
   * Whether messages are reported for OpenTelemetry spans too: those whose traceparent says that they are sampled if their
   * parents decide, otherwise this fraction of them; and this fraction of those without a traceparent.
   */
  makeSpans(areMade: boolean, followsParent: boolean, ratio: number): void;
  /** Clients with a rate limit may send half as fast, or as fast as before. */
  halvePaces(isHalved: boolean): void;
  /** Those whose `reload` is 'live' may differ from the values given to createBroker(). */
  setLimits(rules: DataPlaneRules): void;

  /** The path of WebSockets, and the socket (a path of the file system) of the HTTP server for everything else. */
  serveHttp(mqttPath: string, serverPath: string): void;
  /** The trusted proxies: addresses and networks. */
  trustProxies(networks: readonly string[]): void;
  /** For handshakes from now on. Throws an Error with the reason if it fails; then nothing has changed. */
  secureWith(
    certificates: TlsMaterial['certificates'],
    clients: number,
    clientCas: string,
    clientCrls: string,
    preSharedKeys: readonly PreSharedKey[],
  ): void;
  /** Newest first, 80 bytes each (native/tls/ticket-keys.h). */
  setTicketKeys(keys: Uint8Array): void;
  /**
   * Returns the port. Throws an Error with a `code` like Node's. `host` is a numeric address. For TLS, secureWith() must be called
   * first. `listener`: the number of a configured listener, from 1; 0 for the ports that have options of their own.
   */
  listen(
    host: string,
    port: number,
    takesHttp: boolean,
    takesMqtt: boolean,
    hasTls: boolean,
    listener: number,
  ): number;
  /** The same on a bound socket. */
  listenOn(
    descriptor: number,
    takesHttp: boolean,
    takesMqtt: boolean,
    hasTls: boolean,
    listener: number,
  ): void;
  /** Accepts no more connections, and ends idle HTTP connections and those that have sent nothing. */
  stopDoor(): void;
}

/** Why a data directory cannot be opened. */
export type StoreFault = 'held' | 'newerFormat' | 'notUsable';

/** In the order of `State` in native/log/log.h, where each is explained. */
export type StoreState = 'open' | 'scarce' | 'full' | 'failed';

/** A part of the store that can no longer be read. */
export interface StoreDamage {
  readonly what: 'bytes' | 'segmentHeader' | 'segmentMissing' | 'groupsMissing' | 'foreign' | 'unreadable';
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
  /** The file that it was moved to; empty: none. */
  readonly setAside: string;
  /** An earlier start has reported it. */
  readonly isKnown: boolean;
}

/** Sessions that have outlived the process: columns, in the order of the keys. */
export interface RecoveredSessions {
  readonly keys: Float64Array;
  readonly workers: Uint8Array;
  /** In a cluster: of two sessions of a client identifier, the later one has the larger number. Outside of a cluster empty: 0. */
  readonly stamps: Float64Array;
  /** The client identifiers in UTF-8, concatenated, ... */
  readonly clientIds: Uint8Array;
  /** ... and the end of each. */
  readonly ends: Float64Array | Uint32Array;
}

export interface RecoveredStore {
  /** How many times the store has been opened. */
  readonly run: number;
  readonly sessions: RecoveredSessions;
  readonly damage: readonly StoreDamage[];
  readonly lostDeliveries: number;
  readonly unknownRecords: number;
}

/** The result of a check. */
export interface StoreReport {
  readonly fault: StoreFault | 'none';
  /** The details of the fault: who uses the store, which version it has, or the system's error. */
  readonly detail: string;
  readonly segments: number;
  readonly bytes: number;
  readonly records: number;
  readonly recordBytes: number;
  /** Bytes that were being written when the broker or the machine stopped, none of which was acknowledged. */
  readonly tornBytes: number;
  readonly damage: readonly StoreDamage[];
}

/** The content of a store, piece by piece, from an export and for an import. An item comes before those that refer to it. */
export type StoreItem =
  | {
      readonly kind: 'store';
      /** The number of the start, and the highest number of a message. */
      readonly run: number;
      readonly lastMessage: number;
      /** When the broker last ran. */
      readonly lastMs: number;
    }
  | ({
      readonly kind: 'message';
      readonly number: number;
      /** The session of its publisher; 0: none. */
      readonly publisher: number;
      /** 0: never. */
      readonly expiresAtMs: number;
    } & StoredContent)
  | { readonly kind: 'retained'; readonly message: number }
  | {
      readonly kind: 'session';
      readonly session: number;
      readonly clientId: string;
      readonly expirySeconds: number;
      /** 0: its client was connected. */
      readonly leftAtMs: number;
      /** The identity of its client for the rules, in the format of the data plane. */
      readonly access: Uint8Array;
      /** Its `expirySeconds` is -1 if it does not expire. */
      readonly will?: { readonly delaySeconds: number; readonly expirySeconds: number } & StoredContent;
      readonly subscriptions: readonly StoredSubscription[];
      /** Packet identifiers of QoS 2 messages from the client. */
      readonly received: readonly number[];
      readonly waiting: readonly StoredDelivery[];
    }
  /** A message of a shared subscription that no member has. */
  | { readonly kind: 'unclaimed'; readonly message: number; readonly share: string };

export interface StoredContent {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** In the format of a PUBLISH, without their length. */
  readonly properties: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
}

export interface StoredSubscription {
  readonly filter: string;
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0: none. */
  readonly subscriptionId: number;
}

export interface StoredDelivery {
  /** 0: it is released already. */
  readonly message: number;
  readonly qos: number;
  readonly retain: boolean;
  readonly isFromStore: boolean;
  /** 0: it was not sent with QoS 2. */
  readonly packetId: number;
  /** The complete filter of the shared subscription that it came by; empty: none. */
  readonly share: string;
  readonly subscriptionIds: readonly number[];
}

export interface DirectoryLock {
  remove(): void;
}

export interface StoreRefusal {
  readonly fault: StoreFault;
  readonly detail: string;
}

/** The settings of the log, and the listeners for its state. */
export interface StoreRules extends Limits {
  /** Committed data must be stored elsewhere too: openReplica(). */
  readonly isReplicated: boolean;
  onStoreState(state: StoreState, why: string): void;
}

/** See native/log/replica.h. */
export interface Replica {
  /** The next chunk; undefined: there is none now, and onChunk follows. */
  take(): Uint8Array | undefined;
  /** The number of stored chunks, of all those taken. */
  stored(chunks: number): void;
  figures(): ReplicaFigures;
  /** What is stored has lost its beginning: a checkpoint is to repeat it. */
  wantCheckpoint(): void;
  close(): void;
}

export interface ReplicaFigures {
  /** Data on the disk that is not stored elsewhere yet. */
  readonly waitingBytes: number;
  readonly waitingMs: number;
  /** The number of first chunks that are no longer needed. */
  readonly droppable: number;
  /** So much is waiting that messages that would have to be stored are refused. */
  readonly isBehind: boolean;
}

/** See native/durable/log-copy.h. */
export interface LogCopy {
  /** False: the chunk is damaged, or the disk has failed or is full. */
  take(chunk: Uint8Array): boolean;
  /** A chunk that marks where another node continues the log. */
  mark(): Uint8Array;
  /** Nothing is missing before what was taken. */
  isWhole(): boolean;
  /** False: the disk has failed or is full. */
  finish(): boolean;
}

export interface Addon {
  /** The names in its tables, for loadAddon() to compare with ours. */
  readonly engineMethodNames: readonly string[];
  readonly eventKindNames: readonly string[];
  readonly counterNames: readonly string[];
  readonly timeNames: readonly string[];
  readonly subscribedNames: readonly string[];
  readonly noticeNames: readonly string[];
  readonly sessionStateNames: readonly string[];
  readonly closeCauseNames: readonly string[];
  readonly frameOutcomeNames: readonly string[];
  readonly linkVersions: readonly number[];
  readonly recordKindNames: readonly string[];
  readonly dropReasonNames: readonly string[];
  createEngine(broker: number, worker: number, handlers: EngineHandlers): Engine;
  /** Throws a TypeError that names a rule which is missing or out of range, or a RangeError about the place. */
  createBroker(workers: number, rules: DataPlaneRules, place?: ClusterPlace): number;
  /** Takes the directory. Returns the number of the broker that recoverStore() will make. */
  openStore(
    directory: string,
    durability: string,
    workers: number,
    rules: StoreRules,
  ):
    | {
        readonly broker: number;
        readonly warning: string;
        /** The identity of the log: 16 hexadecimal digits. */
        readonly log: string;
      }
    | { readonly fault: StoreFault; readonly detail: string };
  /**
   * The second copy of the broker's log, whose store was opened with `isReplicated`. It is used by one thread, which must close
   * it. `onChunk`: there is a chunk again. Undefined: the store no longer exists.
   */
  openReplica(broker: number, onChunk: () => void): Replica | undefined;
  /** Creates a log from the second copy of another one, in a directory that may be missing. Blocks while the disk is slow. */
  copyLog(directory: string): LogCopy | StoreRefusal;
  /**
   * Reads the store, once, on a separate thread. `access`: the rules that apply from the start, from
   * encodeRuleBook(). Throws like createBroker().
   */
  recoverStore(
    broker: number,
    workers: number,
    rules: DataPlaneRules,
    access: Uint8Array | undefined,
    place?: ClusterPlace,
  ): Promise<RecoveredStore>;
  /**
   * Before recoverStore(), on a cluster node: reads the store. `runs`: how often a broker has started with it, 0: it is
   * new. Throws like createBroker().
   */
  readStore(
    broker: number,
    workers: number,
    rules: DataPlaneRules,
  ): Promise<{ readonly runs: number; readonly sessions: RecoveredSessions }>;
  storeProgress(broker: number): { readonly bytesDone: number; readonly bytesTotal: number };
  /** Its workers have ended. Everything is stored safely when this returns. */
  destroyBroker(broker: number): void;
  /** Rules for the workers to adopt: from encodeRuleBook(). */
  setRules(broker: number, rules: Uint8Array): void;
  /** Whether these rules let a client, from encodeAccess(), publish to the topic. True without rules. */
  mayPublish(broker: number, access: Uint8Array, topic: string): boolean;
  mayReceive(broker: number, access: Uint8Array, topic: string): boolean;
  /**
   * Binds a port of a numeric address, or a free one for 0, until it is released; nobody can connect to it. `isShared`:
   * workers may listen on it meanwhile. Throws an Error with a `code` like Node's.
   */
  bindPort(host: string, port: number, isShared: boolean): [descriptor: number, port: number];
  /** Creates a Unix socket at the path, for workers to share. Throws likewise. */
  openSocket(path: string): number;
  releasePort(descriptor: number): void;
  /** Sends a datagram to the Unix socket of a service manager. False: there is no receiver. */
  notifyService(socket: string, text: string): boolean;
  /** Throws an Error with OpenSSL's reason. */
  makeCertificate(wish: CertificateWish): CertifiedKey;
  /**
   * Verifies that an OCSP response in DER is signed for the first certificate of a PEM chain, which is followed by its issuer, and that
   * its status is good. Returns from when and until when it is valid, in seconds since 1970; 0: unspecified. Throws an Error with the
   * reason.
   */
  checkOcspResponse(response: Uint8Array, chain: string): { fromSeconds: number; untilSeconds: number };
  /** Keeps everybody else from using a directory until remove(), which leaves nothing of the lock. */
  lockDirectory(directory: string): DirectoryLock | StoreRefusal;
  /**
   * Reads a whole store that no broker uses, and blocks meanwhile. `progress[0]` is the percentage. With `repairs` damaged
   * parts are set aside. `bytesPerSecond`: the limit for reading, a segment at a time; 0: unlimited. `isLocked`: by the caller.
   */
  checkStore(
    directory: string,
    repairs: boolean,
    progress: Uint8Array,
    bytesPerSecond: number,
    isLocked: boolean,
  ): StoreReport;
  /** Lists the content of an unused store, and returns the number of damaged places. Changes nothing. */
  exportStore(
    directory: string,
    progress: Uint8Array,
    tell: (item: StoreItem) => void,
  ): StoreRefusal | { readonly damaged: number };
  /** Creates a store in an empty directory that the caller has locked, from the items that `next` returns, until it returns undefined. The items must be valid. */
  importStore(
    directory: string,
    next: () => StoreItem | undefined,
  ): StoreRefusal | Readonly<Record<string, never>>;
  /** Writes the state of an unused store again, and removes everything else. */
  compactStore(directory: string, progress: Uint8Array): StoreRefusal | { readonly damaged: number };
  /** The sums over all workers, in the order of `counterNames`. */
  readCounters(broker: number): number[];
  /** By the index of `timeNames`. */
  readonly timeBoundsUs: readonly (readonly number[])[];
  /** The distributions of Times, concatenated, for this index in `timeNames`. */
  readTimes(broker: number, time: number): number[];
}

/** Measured since the broker has started. */
export function timesOf(addon: Addon, broker: number, name: TimeName): Times {
  const index = timeNames.indexOf(name);
  const boundsUs = addon.timeBoundsUs[index] ?? [];
  const list = addon.readTimes(broker, index);
  const width = boundsUs.length + 2;
  const distributions = Array.from({ length: list.length / width }, (_, place) => {
    const own = list.slice(place * width, (place + 1) * width);
    return { counts: own.slice(0, -1), sumSeconds: own.at(-1) ?? 0 };
  });
  return { boundsUs, distributions };
}

/** From Engine.linkFigures(). */
export function readLinkFigures(flat: readonly number[]): LinkFigures[] {
  const names = [
    'worker',
    'incarnation',
    'framesSent',
    'bytesSent',
    'framesReceived',
    'bytesReceived',
    'framesResent',
    'waitingBytes',
    'waitingMs',
  ] as const;
  return Array.from({ length: flat.length / names.length }, (_, row) => {
    const fields = names.map((name, column) => [name, flat[row * names.length + column]]);
    return Object.fromEntries(fields) as unknown as LinkFigures;
  });
}

/** The addon built here, else the one that is in the package. Errors: ADDON_MISSING. */
export function loadAddon(): Addon {
  const root = fileURLToPath(new URL('../../../', import.meta.url)); // from dist/core/data-plane/addon.js
  const places = ['build/Release/rallymq.node', `prebuilt/${process.platform}-${process.arch}.node`];
  const path = places.map((place) => join(root, place)).find(existsSync);
  if (path === undefined) throw addonMissing('is not built', root);
  const addon = load(path, root);
  if (!hasOurMethods(addon) || !hasOurTables(addon))
    throw addonMissing('was built from other sources than this', root);
  return addon;
}

function hasOurMethods(addon: Addon): boolean {
  const methods = Object.entries(addon).flatMap(([name, value]) =>
    typeof value === 'function' ? [name] : [],
  );
  const { engineMethodNames: ofEngine = [] } = addon; // an older addon has no such table
  return isDeepStrictEqual([methods.sort(), ofEngine.toSorted()], [addonMethodNames, engineMethodNames]);
}

/** Both languages number events, counters and the like by their place in a table. */
function hasOurTables(addon: Addon): boolean {
  const tables = [EventKind, Subscribed, FrameOutcome].map((table) => Object.keys(table));
  return isDeepStrictEqual(
    [
      addon.eventKindNames,
      addon.subscribedNames,
      addon.frameOutcomeNames,
      addon.linkVersions,
      addon.sessionStateNames,
      addon.closeCauseNames,
      addon.noticeNames,
      addon.counterNames,
      addon.timeNames,
      addon.recordKindNames,
      addon.dropReasonNames,
    ],
    [
      ...tables,
      linkVersions,
      sessionStates,
      closeCauses,
      noticeNames,
      counterNames,
      timeNames,
      recordKinds,
      dropReasons,
    ],
  );
}

function load(path: string, root: string): Addon {
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : String(cause);
    const here = `Node.js ${process.versions.node} on ${process.platform} ${process.arch}`;
    throw addonMissing(`was built for another machine than this (${here}: ${reason})`, root, cause);
  }
}

function addonMissing(what: string, root: string, cause?: unknown): BrokerError {
  const message =
    `The native part of RallyMQ ${what}: run \`npm run install\` in ${root}. ` +
    'If that changes nothing, see docs/node-versions.md.';
  return new BrokerError('ADDON_MISSING', message, { cause });
}
