/**
 * What the main thread and its workers tell each other: their only channel. Everything is plain data, posted in order,
 * an array for each turn (outgoing.ts). What is asked and answered is in asks.ts. No application message passes here but
 * those of the host program.
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

/** What a worker is started with. */
export interface WorkerStart {
  readonly broker: number;
  readonly worker: number;
  readonly version: string;
  readonly config: BrokerConfig;
  /** How many workers were started before, so that no two connections ever have the same number. */
  readonly startedBefore: number;
  /** Undefined: this is not a node of a cluster. */
  readonly cluster: WorkerCluster | undefined;
}

/** The place of a worker in a cluster. */
export interface WorkerCluster {
  readonly incarnation: number;
  /** The number of this node's first worker among all. */
  readonly firstWorker: number;
  /** The last one. */
  readonly view: ClusterView;
  /** The last one that the data plane of this worker has applied, before its thread was restarted. */
  readonly applied: ClusterView | undefined;
}

/** What the data plane has to know of a view (core/cluster/view.ts). */
export interface ClusterView {
  readonly epoch: number;
  readonly nodes: readonly {
    readonly incarnation: number;
    readonly firstWorker: number;
    readonly workers: number;
  }[];
  /** By slot: the worker. */
  readonly owners: readonly number[];
}

/** A CONNECT on its way to the session directory; its will stays with the worker, and in a cluster others keep it too. */
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
  /** Where it has come in: of `config.listeners`, from 1; 0: on one of the broker's own ports. */
  readonly listener: number;
  /** That came with the opening of its WebSocket. */
  readonly token: string | undefined;
  /** The topic of its will, and how it is to be published. */
  readonly willTopic: string | undefined;
  readonly willQos?: 0 | 1 | 2 | undefined;
  readonly willRetain?: boolean | undefined;
  /** In a cluster: the will as a PUBLISH of MQTT 5, and its delay. */
  readonly will?: { readonly packet: Uint8Array<ArrayBuffer>; readonly delaySeconds: number } | undefined;
  /** Undefined if it is plain. */
  readonly tls: ClientTls | undefined;
}

/** A connected client that authenticates again (MQTT 5, 4.12.1). */
export interface RenewalRequest {
  readonly clientId: string;
  readonly remoteAddress: string;
  readonly transport: Transport;
  readonly listener: number;
  readonly tls: ClientTls | undefined;
  readonly method: string;
  readonly data: Uint8Array | undefined;
}

/** What a client is let in with. */
export interface Admission {
  /** Who it is to the rules: of encodeAccess(). Undefined where there are none. */
  readonly access: Uint8Array | undefined;
  /** When the connection ends unless it is renewed, of the wall clock. */
  readonly expiresAtMs: number | undefined;
  /** That the broker makes for the client. */
  readonly subscriptions: readonly ServerSubscription[];
  /** How fast the client may send; undefined: as all may. */
  readonly quotas?: Quotas | undefined;
  /** Goes before all its topics; undefined: nothing. */
  readonly topicPrefix?: string | undefined;
}

/** What a client wants to do with a topic, or a topic filter. */
export interface AskedTopic {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** `keptMs`: for how long it counts; 0: once. */
export interface DecidedTopic {
  readonly isAllowed: boolean;
  readonly keptMs: number;
}

/** Where a listener listens: on a port, or on a Unix socket that is bound. */
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
      /** Where the HTTP server listens, in the file system. */
      readonly httpSocket: string;
      /** In the order of the configuration. */
      readonly listeners: readonly ListenerPlace[];
    }
  | { readonly type: 'ticketKeys'; readonly keys: Uint8Array }
  /** `closed` follows in the end. */
  | {
      readonly type: 'accept';
      readonly connection: number;
      readonly session: number;
      /** The session is made now. Else it is here. */
      readonly isNew: boolean;
      /** The last one of an enhanced authentication. */
      readonly authenticationData: Uint8Array | undefined;
      readonly admission: Admission | undefined;
    }
  /** Of a CONNECT, or of a connected client that may not stay. */
  | { readonly type: 'refuse'; readonly connection: number; readonly reasonCode: number }
  /** The client has to answer with AUTH. */
  | { readonly type: 'challenge'; readonly connection: number; readonly data: Uint8Array }
  | {
      readonly type: 'renewed';
      readonly connection: number;
      readonly data: Uint8Array | undefined;
      readonly admission: Admission | undefined;
    }
  /** The client has connected again: ends its connection, if it is there still. `closed` follows. */
  | { readonly type: 'evict'; readonly connection: number; readonly reasonCode: number }
  /** Takes the session over from another worker. `arrived` follows. */
  | { readonly type: 'moveHere'; readonly session: number; readonly from: number }
  /** Ends a session whose client is not connected. `settled` follows. */
  | { readonly type: 'endSession'; readonly session: number }
  /** The delay of its will has passed. `settled` follows. */
  | { readonly type: 'publishWill'; readonly session: number }
  /** Of each topic that was asked about, in their order. */
  | {
      readonly type: 'authorized';
      readonly connection: number;
      readonly request: number;
      readonly decided: readonly DecidedTopic[];
    }
  /** What programs have decided about topics counts no more. */
  | { readonly type: 'forgetDecisions' }
  /** The broker has more to do than it can: clients with a pace may send half as fast, or again as fast as before. */
  | { readonly type: 'halvePaces'; readonly isHalved: boolean }
  /**
   * What happens to a target is told from now on, for the trace with this index. `away`: the session of a client that is
   * not connected; 0: none.
   */
  | {
      readonly type: 'trace';
      readonly index: number;
      readonly target: TraceTarget;
      readonly payloadBytesMax: number;
      readonly away: number;
    }
  | { readonly type: 'endTrace'; readonly index: number }
  /** Spans of OpenTelemetry: as Engine.makeSpans(). */
  | { readonly type: 'makeSpans'; readonly followsParent: boolean; readonly ratio: number }
  | { readonly type: 'openHost'; readonly session: number }
  /** `viewApplied` follows, unless a later one comes before that. */
  | { readonly type: 'clusterView'; readonly view: ClusterView }
  /** Moves of sessions and slots that begin from now on have larger numbers than this. */
  | { readonly type: 'noteMove'; readonly number: number }
  | { readonly type: 'hostBytes'; readonly bytes: Uint8Array }
  /** The host client has processed this much of its PUBLISH packets. */
  | { readonly type: 'hostProcessed'; readonly bytes: number; readonly messages: number }
  /** `reply` follows. */
  | AskMessage
  | { readonly type: 'stop'; readonly reasonCode: number };

export type ToMain =
  /** A client was not let in: by the worker itself, or as the main thread has decided. */
  | {
      readonly type: 'refused';
      readonly client: RefusedClient;
      readonly refusal: RefusalReason;
      readonly isDecidedByWorker: boolean;
    }
  /** A web page of this origin may not open a WebSocket. */
  | { readonly type: 'originRefused'; readonly origin: string }
  /** `reason`: more than the notice says; may be empty. */
  | {
      readonly type: 'noticed';
      readonly notice: Notice;
      readonly remoteAddress: string;
      readonly reason: string;
    }
  | { readonly type: 'listening' }
  /** The data plane has done what the view of this epoch asks for. `lastMove`: the largest number of a move that it knows. */
  | { readonly type: 'viewApplied'; readonly epoch: number; readonly lastMove: number }
  /** A worker of another node has sent what none would send. */
  | { readonly type: 'linkBroken'; readonly worker: number }
  /** Each second: as readLinkFigures() reads them. */
  | { readonly type: 'links'; readonly figures: readonly number[] }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'connect'; readonly connection: number; readonly connect: ConnectRequest }
  /** The client has answered a challenge. */
  | { readonly type: 'answered'; readonly connection: number; readonly data: Uint8Array | undefined }
  | { readonly type: 'renew'; readonly connection: number; readonly renewal: RenewalRequest }
  /** The client has left before it was let in, or while it authenticated again. */
  | { readonly type: 'abandoned'; readonly connection: number; readonly clientId: string }
  /** The sessions that the worker has when it starts, as bytes for readSessionRows(). */
  | { readonly type: 'sessions'; readonly rows: Uint8Array }
  /**
   * A connection that was accepted is over, or was over before. What its client has published and its will are with
   * their shards: whatever comes from it now comes behind.
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
  /** A program is to say whether the client may do this. `authorized` follows unless it has left. */
  | {
      readonly type: 'authorize';
      readonly connection: number;
      readonly clientId: string;
      readonly request: number;
      readonly action: 'publish' | 'subscribe';
      readonly topics: readonly AskedTopic[];
    }
  /** A client has done what it may not, and was told so. */
  | {
      readonly type: 'rightRefused';
      readonly action: 'publish' | 'subscribe';
      readonly clientId: string;
      readonly topic: string;
    }
  | { readonly type: 'hostBytes'; readonly bytes: Uint8Array }
  /** So many bytes more of the host client's were taken. */
  | { readonly type: 'hostTaken'; readonly bytes: number }
  /** The host client's connection is over, which is a fault of ours: it is to be opened again. */
  | { readonly type: 'hostEnded'; readonly reasonCode: number }
  /** A connected client may not subscribe to these, or cannot: `reasonCode` is that of the first. */
  | {
      readonly type: 'subscriptionRefused';
      readonly clientId: string;
      readonly topicFilters: readonly string[];
      readonly reasonCode: number;
    }
  /** For traces and spans: readTraceRecord() reads it. */
  | { readonly type: 'traced'; readonly record: Uint8Array }
  /** For traces: what a SUBSCRIBE or UNSUBSCRIBE was answered. `traces`: a bit for each. */
  | {
      readonly type: 'subscriptionTraced';
      readonly traces: number;
      readonly clientId: string;
      readonly action: 'subscribe' | 'unsubscribe';
      readonly topicFilters: readonly string[];
      readonly reasonCodes: readonly number[];
    }
  | ReplyMessage;
