/** What `connect`, `publish` and `subscribe` take. */
import type { QoS } from '../core/wire/packets.ts';
import type { Properties } from '../core/wire/properties.ts';
import type { Value } from './message.ts';

/** The part of the standard WebSocket that the client uses. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Uint8Array): void;
  close(): void;
}

export type WebSocketConstructor = new (url: string, subprotocol: string) => WebSocketLike;

export interface Credentials {
  username?: string;
  password?: string | Uint8Array;
  /** In place of those of the options, such as an Authentication Method and its data. */
  properties?: Properties;
}

/** A message that the broker publishes when the client is gone without a goodbye (section 3.1.2.5). */
export interface WillOptions {
  topic: string;
  value?: Value;
  /** Default 0. */
  qos?: QoS;
  /** Default false. */
  retain?: boolean;
  /** `willDelayInterval` (seconds), `contentType` and so on (section 3.1.3.2). */
  properties?: Properties;
}

export interface ReconnectOptions {
  /** Up to this, in milliseconds, lies before the first attempt, up to twice as much before the next. Default 500. */
  minMs?: number;
  /** The most that lies between two attempts, in milliseconds. Default 30,000. */
  maxMs?: number;
}

export interface QueueOptions {
  /** Messages that may wait until they can be sent. Default 1,000. */
  max?: number;
  /**
   * What happens to one more: `reject` refuses it (the default), `dropOldest` gives up the one that has
   * waited longest. Whichever is given up rejects with reason code 0x97.
   */
  policy?: 'reject' | 'dropOldest';
}

export interface RallyOptions extends Credentials {
  /** The client identifier. By default the broker assigns one. */
  clientId?: string;
  /** Called before each attempt to connect, so that a token is always fresh. `url` is where it will go. */
  credentials?: (url: string) => Credentials | Promise<Credentials>;
  /**
   * Whether the first connection starts a new session (section 3.1.2.4). Default true. With false and a
   * `clientId` of its own a page finds its session again after a reload, and `close` does not end it.
   */
  cleanStart?: boolean;
  /** In seconds. Default 60. The broker may overrule it. */
  keepAliveSeconds?: number;
  will?: WillOptions;
  /**
   * Those of CONNECT (section 3.1.2.11). Default: a `sessionExpiryInterval` of 300 seconds, during which a
   * lost connection can be resumed, and a `topicAliasMaximum` of 64.
   */
  properties?: Properties;
  /** How long an attempt may take, in milliseconds. Default 10,000. */
  connectTimeoutMs?: number;
  /**
   * Called when the broker has accepted a connection; what it returns is called when that is over. `send` sends a whole
   * MQTT packet. For add-ons such as `renewing`.
   */
  whileConnected?: (send: (packet: Uint8Array) => void) => () => void;
  /** When to try again. False: never, the first loss is the end. */
  reconnect?: ReconnectOptions | false;
  /** The bound of what waits for being sent. */
  queue?: QueueOptions;
  /** Closes the client when it aborts. */
  signal?: AbortSignal | undefined;
  /** Instead of the global WebSocket, which Node.js has since version 22. */
  WebSocket?: WebSocketConstructor;
}

export interface PublishOptions {
  /** Default 0. */
  qos?: QoS;
  /** Whether the broker keeps it for those who subscribe later. Default false. */
  retain?: boolean;
  /** Those of MQTT 5 (section 3.3.2.3). */
  properties?: Properties;
  /** Gives up waiting. A message that was not sent yet will not be. */
  signal?: AbortSignal | undefined;
}

/** What the broker answered to a message of QoS 1 or 2. */
export interface PublishResult {
  /** 0, or 0x10 if nobody is subscribed and the broker says so. */
  reasonCode: number;
  properties: Properties;
}

export interface SubscribeOptions {
  /** The highest QoS to deliver with. Default 2: each message as it was published. */
  qos?: QoS;
  /** Whether not to deliver what this client publishes itself. Default false. */
  noLocal?: boolean;
  /** Whether a message says `retain` as it was published. Default false: only what was kept says so. */
  retainAsPublished?: boolean;
  /** Retained messages: 0 send (the default), 1 only for a new subscription, 2 never (section 3.8.3.1). */
  retainHandling?: 0 | 1 | 2;
  /** Messages that wait for a slow `for await`; beyond it the oldest is dropped. Default 1,000. */
  bufferMax?: number;
  /** Unsubscribes when it aborts. */
  signal?: AbortSignal | undefined;
}
