/**
 * The messages between the main thread and its workers, their only channel. Everything is plain data, posted
 * in order, as one array per turn (outgoing.ts), partly as bytes (posted.ts). Questions and answers are in
 * asks.ts. No application messages pass here, except those of the host program.
 */

import type { ClientTls, Quotas, Transport } from '../config/authentication.ts';
import type { BrokerConfig } from '../config/options.ts';
import type { CloseCause, Notice, TlsMaterial } from '../data-plane/addon.ts';
import type { SessionRow } from '../data-plane/session-row.ts';
import type { ServerSubscription } from '../security/access.ts';
import type { TraceTarget } from '../tracing/trace-target.ts';
import type { ProtocolVersion } from '../wire/packets.ts';
import type { AskMessage, ReplyMessage } from './asks.ts';
import type { RefusalReason, RefusedClient } from './refusals.ts';

/** The data that a worker is started with. */
export interface WorkerStart {
  readonly broker: number;
  readonly worker: number;
  readonly version: string;
  readonly config: BrokerConfig;
  /** How many workers were started before, so that no two connections ever share a number. */
  readonly startedBefore: number;
  /** Undefined: this is not a node of a cluster. */
  readonly cluster: WorkerCluster | undefined;
}

/** The place of a worker in a cluster. */
export interface WorkerCluster {
  readonly incarnation: number;
  /** The number of this node's first worker in the cluster. */
  readonly firstWorker: number;
  /** The latest one. */
  readonly view: ClusterView;
  /** The latest one that this worker's data plane had applied before its thread was restarted. */
  readonly applied: ClusterView | undefined;
}

/** The part of a view (core/cluster/view.ts) that the data plane needs. */
export interface ClusterView {
  readonly epoch: number;
  readonly nodes: readonly {
    readonly incarnation: number;
    readonly firstWorker: number;
    readonly workers: number;
    /** It has the sessions of a node that is lost. */
    readonly standsIn: boolean;
    /** Of frames to its workers. */
    readonly linkVersion: number;
  }[];
  /** By slot: the worker. */
  readonly owners: readonly number[];
}

/**
 * A CONNECT on its way to the session directory. Its will stays with the worker; in a cluster another node
 * keeps a copy.
 */
export interface ConnectRequest {
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  readonly cleanStart: boolean;
  readonly sessionExpirySeconds: number;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly authenticationMethod: string | undefined;
  readonly authenticationData: Uint8Array | undefined;
  readonly remoteAddress: string;
  readonly transport: Transport;
  /** The listener it came in on: one of `config.listeners`, from 1; 0: one of the broker's own ports. */
  readonly listener: number;
  /** From the request that opened its WebSocket. */
  readonly token: string | undefined;
  /** The topic of its will, and how to publish it. */
  readonly willTopic: string | undefined;
  readonly willQos?: 0 | 1 | 2 | undefined;
  readonly willRetain?: boolean | undefined;
  /** In a cluster: the will as a PUBLISH of MQTT 5, and its delay. */
  readonly will?: { readonly packet: Uint8Array<ArrayBuffer>; readonly delaySeconds: number } | undefined;
  /** Undefined for a plain connection. */
  readonly tls: ClientTls | undefined;
}

/** A connected client that reauthenticates (MQTT 5, 4.12.1). */
export interface RenewalRequest {
  readonly clientId: string;
  readonly remoteAddress: string;
  readonly transport: Transport;
  readonly listener: number;
  readonly tls: ClientTls | undefined;
  readonly method: string;
  readonly data: Uint8Array | undefined;
}

/** What a client is granted. */
export interface Admission {
  /** Its identity for the access rules: encodeAccess(). Undefined without rules. */
  readonly access: Uint8Array | undefined;
  /** When the connection ends unless it is renewed, in wall-clock time. */
  readonly expiresAtMs: number | undefined;
  /** Subscriptions that the broker makes for the client. */
  readonly subscriptions: readonly ServerSubscription[];
  /** How fast the client may send; undefined: the general limits. */
  readonly quotas?: Quotas | undefined;
  /** Prepended to all its topics; undefined: nothing. */
  readonly topicPrefix?: string | undefined;
}

/** An operation of a client on a topic or topic filter. */
export interface AskedTopic {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** `keptMs`: how long the answer is valid; 0: only once. */
export interface DecidedTopic {
  readonly isAllowed: boolean;
  readonly keptMs: number;
}

/** The address of a listener: a port, or a bound Unix socket. */
export interface ListenerPlace {
  readonly host: string;
  readonly port: number;
  readonly descriptor: number | undefined;
}

export type ToWorker =
  | {
      readonly type: 'listen';
      readonly host: string;
      /** 0: none. */
      readonly port: number;
      readonly tcpPort: number | false;
      readonly tlsPort: number | false;
      readonly mqttsPort: number | false;
      /** For the ports with TLS. */
      readonly tls: TlsMaterial | undefined;
      readonly ticketKeys: Uint8Array;
      /** The Unix socket on which the HTTP server listens. */
      readonly httpSocket: string;
      /** In the order of the configuration. */
      readonly listeners: readonly ListenerPlace[];
    }
  | { readonly type: 'ticketKeys'; readonly keys: Uint8Array }
  /** `closed` follows eventually. */
  | {
      readonly type: 'accept';
      readonly connection: number;
      readonly session: number;
      /** Creates the session. Otherwise it is already here. */
      readonly isNew: boolean;
      /** The last data of an enhanced authentication. */
      readonly authenticationData: Uint8Array | undefined;
      readonly admission: Admission | undefined;
    }
  /** Answers a CONNECT, or ends a connected client. */
  | { readonly type: 'refuse'; readonly connection: number; readonly reasonCode: number }
  /** The client has to answer with AUTH. */
  | { readonly type: 'challenge'; readonly connection: number; readonly data: Uint8Array }
  | {
      readonly type: 'renewed';
      readonly connection: number;
      readonly data: Uint8Array | undefined;
      readonly admission: Admission | undefined;
    }
  /** The client has reconnected: ends its old connection, if there still is one. `closed` follows. */
  | { readonly type: 'evict'; readonly connection: number; readonly reasonCode: number }
  /** Takes the session over from another worker. `arrived` follows. */
  | { readonly type: 'moveHere'; readonly session: number; readonly from: number }
  /** Ends a session whose client is disconnected. `settled` follows. */
  /** `isOutdated`: another node has a later one of its client. */
  | { readonly type: 'endSession'; readonly session: number; readonly isOutdated?: boolean }
  /** The delay of its will has passed. `settled` follows. */
  | { readonly type: 'publishWill'; readonly session: number }
  /** For each topic that was asked about, in order. */
  | {
      readonly type: 'authorized';
      readonly connection: number;
      readonly request: number;
      readonly decided: readonly DecidedTopic[];
    }
  /** Earlier decisions of programs about topics are no longer valid. */
  | { readonly type: 'forgetDecisions' }
  /**
   * The broker is overloaded, or has recovered: clients with a rate limit may send half as fast, or as fast
   * as before.
   */
  | { readonly type: 'halvePaces'; readonly isHalved: boolean }
  /**
   * Events of a target are reported from now on, for the trace with this index. `away`: the session of a
   * disconnected client; 0: none.
   */
  | {
      readonly type: 'trace';
      readonly index: number;
      readonly target: TraceTarget;
      readonly payloadBytesMax: number;
      readonly away: number;
    }
  | { readonly type: 'endTrace'; readonly index: number }
  /** Spans of OpenTelemetry; see Engine.makeSpans(). */
  | { readonly type: 'makeSpans'; readonly followsParent: boolean; readonly ratio: number }
  | { readonly type: 'openHost'; readonly session: number }
  /** `viewApplied` follows, unless a later view arrives first. */
  | { readonly type: 'clusterView'; readonly view: ClusterView }
  /** Moves of sessions and slots that begin from now on must have higher numbers than this. */
  | { readonly type: 'noteMove'; readonly number: number }
  | { readonly type: 'hostBytes'; readonly bytes: Uint8Array }
  /** The host client has processed this many bytes of its PUBLISH packets. */
  | { readonly type: 'hostProcessed'; readonly bytes: number; readonly messages: number }
  /** `reply` follows. */
  | AskMessage
  | { readonly type: 'stop'; readonly reasonCode: number };

export type ToMain =
  /** A client was refused, by the worker or as the main thread decided. */
  | {
      readonly type: 'refused';
      readonly client: RefusedClient;
      readonly refusal: RefusalReason;
      readonly isDecidedByWorker: boolean;
    }
  /** A web page of this origin was refused a WebSocket. */
  | { readonly type: 'originRefused'; readonly origin: string }
  /** `reason`: details beyond the notice; may be empty. */
  | {
      readonly type: 'noticed';
      readonly notice: Notice;
      readonly remoteAddress: string;
      readonly reason: string;
    }
  | { readonly type: 'listening' }
  /** The data plane has applied the view of this epoch. `lastMove`: the highest move number that it knows. */
  | { readonly type: 'viewApplied'; readonly epoch: number; readonly lastMove: number }
  /** A worker of another node has sent what no worker would. */
  | { readonly type: 'linkBroken'; readonly worker: number }
  /** Each second: see readLinkFigures(). */
  | { readonly type: 'links'; readonly figures: readonly number[] }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'connect'; readonly connection: number; readonly connect: ConnectRequest }
  /** The client has answered a challenge. */
  | { readonly type: 'answered'; readonly connection: number; readonly data: Uint8Array | undefined }
  | { readonly type: 'renew'; readonly connection: number; readonly renewal: RenewalRequest }
  /** The client left before it was accepted, or while it reauthenticated. */
  | { readonly type: 'abandoned'; readonly connection: number; readonly clientId: string }
  /** The sessions that the worker has when it starts, as bytes for readSessionRows(). */
  | { readonly type: 'sessions'; readonly rows: Uint8Array }
  /**
   * An accepted connection has ended, perhaps before this message. The client's messages and its will have
   * reached their shards: whatever comes from the client now comes after them.
   */
  | {
      readonly type: 'closed';
      readonly session: number;
      readonly cause: CloseCause;
      readonly reasonCode: number;
      readonly row: SessionRow;
    }
  /** The directory's request for the session has been carried out, or there is no such session. */
  | { readonly type: 'settled'; readonly session: number; readonly row: SessionRow }
  | { readonly type: 'arrived'; readonly session: number; readonly row: SessionRow }
  /** Asks whether a program allows this to the client. `authorized` follows unless it has left. */
  | {
      readonly type: 'authorize';
      readonly connection: number;
      readonly clientId: string;
      readonly request: number;
      readonly action: 'publish' | 'subscribe';
      readonly topics: readonly AskedTopic[];
    }
  /** A client was refused an action, and was told so. */
  | {
      readonly type: 'rightRefused';
      readonly action: 'publish' | 'subscribe';
      readonly clientId: string;
      readonly topic: string;
    }
  | { readonly type: 'hostBytes'; readonly bytes: Uint8Array }
  /** This many more bytes of the host client were taken. */
  | { readonly type: 'hostTaken'; readonly bytes: number }
  /** The host client's connection has ended, because of a bug of ours: it is to be reopened. */
  | { readonly type: 'hostEnded'; readonly reasonCode: number }
  /** A connected client was refused these subscriptions: `reasonCode` is that of the first. */
  | {
      readonly type: 'subscriptionRefused';
      readonly clientId: string;
      readonly topicFilters: readonly string[];
      readonly reasonCode: number;
    }
  /** For traces and spans: readTraceRecord() reads it. */
  | { readonly type: 'traced'; readonly record: Uint8Array }
  /** Clients that did not get messages in the last second: readDropRecords() reads it. */
  | { readonly type: 'dropped'; readonly records: Uint8Array }
  /** For traces: the answer to a SUBSCRIBE or UNSUBSCRIBE. `traces`: a bit for each. */
  | {
      readonly type: 'subscriptionTraced';
      readonly traces: number;
      readonly clientId: string;
      readonly action: 'subscribe' | 'unsubscribe';
      readonly topicFilters: readonly string[];
      readonly reasonCodes: readonly number[];
    }
  | ReplyMessage;
