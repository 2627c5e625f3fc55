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
  /** Replaces the `properties` of the options, for example with an Authentication Method and its data. */
  properties?: Properties;
}

/** A message that the broker publishes when the client disappears without a DISCONNECT (section 3.1.2.5). */
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
  /** The longest delay before the first new attempt, in milliseconds; it doubles with each attempt. Default 500. */
  minMs?: number;
  /** The longest delay between two attempts, in milliseconds. Default 30,000. */
  maxMs?: number;
}

export interface QueueOptions {
  /** The number of messages that may wait to be sent. Default 1,000. */
  max?: number;
  /**
   * What happens to a message beyond that: `reject` refuses it (the default), `dropOldest` drops the one that has
   * waited longest. The promise of the dropped message rejects with reason code 0x97.
   */
  policy?: 'reject' | 'dropOldest';
}

export interface RallyOptions extends Credentials {
  /** The client identifier. By default the broker assigns one. */
  clientId?: string;
  /** Called before each attempt to connect, so that a token is always fresh. `url` is the address of the attempt. */
  credentials?: (url: string) => Credentials | Promise<Credentials>;
  /**
   * Whether the first connection starts a new session (section 3.1.2.4). Default true. With false and
   * its own `clientId`, a page resumes its session after a reload, and `close` does not end the session.
   */
  cleanStart?: boolean;
  /** In seconds. Default 60. The broker may set another value. */
  keepAliveSeconds?: number;
  will?: WillOptions;
  /**
   * Properties of CONNECT (section 3.1.2.11). Default: a `sessionExpiryInterval` of 300 seconds, during which a
   * lost connection can be resumed, and a `topicAliasMaximum` of 64.
   */
  properties?: Properties;
  /** The longest that an attempt may take, in milliseconds. Default 10,000. */
  connectTimeoutMs?: number;
  /**
   * Called when the broker has accepted a connection; the function that it returns is called when the connection ends.
   * `send` sends a complete MQTT packet. For add-ons such as `renewing`.
   */
  whileConnected?: (send: (packet: Uint8Array) => void) => () => void;
  /** When to try again. False: never; the client closes when its first connection is lost. */
  reconnect?: ReconnectOptions | false;
  /** The bound of the queue of messages to send. */
  queue?: QueueOptions;
  /** Closes the client when it aborts. */
  signal?: AbortSignal | undefined;
  /** Replaces the global WebSocket, which Node.js has since version 22. Without either, `closed` has an error with 0x83. */
  WebSocket?: WebSocketConstructor;
}

export interface PublishOptions {
  /** Default 0. */
  qos?: QoS;
  /** Whether the broker keeps the message for later subscribers. Default false. */
  retain?: boolean;
  /** Properties of MQTT 5 (section 3.3.2.3). */
  properties?: Properties;
  /** Stops waiting when it aborts. A message that was not sent yet is not sent. */
  signal?: AbortSignal | undefined;
}

/** The broker's answer to a message of QoS 1 or 2. */
export interface PublishResult {
  /** 0, or 0x10 if the broker reports that there are no subscribers. */
  reasonCode: number;
  properties: Properties;
}

export interface SubscribeOptions {
  /** The highest QoS of deliveries. Default 2: each message with the QoS it was published with. */
  qos?: QoS;
  /** Whether to leave out messages that this client publishes itself. Default false. */
  noLocal?: boolean;
  /** Whether `retain` of a message is as its publisher set it. Default false: it is true for stored messages only. */
  retainAsPublished?: boolean;
  /** Retained messages: 0 send (the default), 1 only for a new subscription, 2 never (section 3.8.3.1). */
  retainHandling?: 0 | 1 | 2;
  /** The number of messages that may wait for a slow `for await`; beyond that the oldest is dropped. Default 1,000. */
  bufferMax?: number;
  /** Unsubscribes when it aborts. */
  signal?: AbortSignal | undefined;
}
