/**
 * What the main thread and its workers tell each other: the control plane's only channel. Everything is
 * plain data, posted in order, an array for each turn (outgoing.ts). No application message passes here but those of the host program.
 */

import type { BrokerConfig } from '../config/options.ts';
import type { Notice } from '../data-plane/addon.ts';
import type { ProtocolVersion, Will } from '../wire/packets.ts';

/** What a worker is started with. */
export interface WorkerStart {
  readonly broker: number;
  readonly worker: number;
  readonly version: string;
  readonly config: BrokerConfig;
  /** How many workers were started before, so that no two connections ever have the same number. */
  readonly startedBefore: number;
}

/** A CONNECT on its way to the session directory. */
export interface ConnectRequest {
  readonly clientId: string;
  readonly protocolVersion: ProtocolVersion;
  readonly cleanStart: boolean;
  readonly sessionExpirySeconds: number;
  readonly will: Will | undefined;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly authenticationMethod: string | undefined;
  readonly authenticationData: Uint8Array | undefined;
  readonly remoteAddress: string;
  readonly transport: 'ws' | 'tcp';
}

/** A connected client that authenticates again (MQTT 5, 4.12.1). */
export interface RenewalRequest {
  readonly clientId: string;
  readonly remoteAddress: string;
  readonly transport: 'ws' | 'tcp';
  readonly method: string;
  readonly data: Uint8Array | undefined;
}

/** How a session comes to the worker that accepts its client. */
export type SessionOrigin =
  | { readonly from: 'new' }
  | { readonly from: 'here' }
  | { readonly from: 'worker'; readonly worker: number };

/** Why a client's connection is over: with a normal DISCONNECT, or in a way that lets its will go out. */
export type CloseCause = 'disconnected' | 'disconnectedWithWill' | 'lost';

export type ToWorker =
  | {
      readonly type: 'listen';
      readonly host: string;
      readonly port: number;
      readonly tcpPort: number | false;
      /** Where the HTTP server listens, in the file system. */
      readonly httpSocket: string;
    }
  | {
      readonly type: 'accept';
      /** Of a session that changes workers: the reply says that it is here. All others need none. */
      readonly request: number | undefined;
      readonly connection: number;
      readonly session: number;
      readonly origin: SessionOrigin;
      /** The last one of an enhanced authentication. */
      readonly authenticationData: Uint8Array | undefined;
    }
  /** Of a CONNECT, or of a client that authenticates again. */
  | { readonly type: 'refuse'; readonly connection: number; readonly reasonCode: number }
  /** The client has to answer with AUTH. */
  | { readonly type: 'challenge'; readonly connection: number; readonly data: Uint8Array }
  | { readonly type: 'renewed'; readonly connection: number; readonly data: Uint8Array | undefined }
  | {
      readonly type: 'evict';
      readonly request: number;
      readonly connection: number;
      readonly reasonCode: number;
    }
  | { readonly type: 'destroySession'; readonly session: number }
  /** After a restart: ends all sessions but these. */
  | { readonly type: 'keepSessions'; readonly sessions: readonly number[] }
  | { readonly type: 'openHost'; readonly session: number }
  | { readonly type: 'hostBytes'; readonly bytes: Uint8Array }
  | { readonly type: 'stop'; readonly reasonCode: number };

export type ToMain =
  /** A web page of this origin may not open a WebSocket. */
  | { readonly type: 'originRefused'; readonly origin: string }
  | { readonly type: 'noticed'; readonly notice: Notice; readonly remoteAddress: string }
  | { readonly type: 'listening' }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'connect'; readonly connection: number; readonly connect: ConnectRequest }
  /** The client has answered a challenge. */
  | { readonly type: 'answered'; readonly connection: number; readonly data: Uint8Array | undefined }
  | { readonly type: 'renew'; readonly connection: number; readonly renewal: RenewalRequest }
  /** The client has left while it may have been authenticating. */
  | { readonly type: 'abandoned'; readonly connection: number }
  | { readonly type: 'reply'; readonly request: number; readonly value: unknown }
  | {
      readonly type: 'closed';
      readonly session: number;
      readonly cause: CloseCause;
      readonly reasonCode: number;
      readonly sessionExpirySeconds: number | undefined;
    }
  | { readonly type: 'hostBytes'; readonly bytes: Uint8Array };
