/** The client: what a page imports. Begin with `connect`. */
import type { Properties } from '../core/wire/properties.ts';
import { isValidTopicFilter, isValidTopicName } from '../core/wire/topic.ts';
import { Connection, type ConnectionOptions, timerMsMax } from './connection.ts';
import {
  emit,
  type ListenOptions,
  listen,
  listenForWaking,
  type RallyEvents,
  type Status,
  whenReady,
} from './events.ts';
import { type Message, toBytes, type Value } from './message.ts';
import type { PublishOptions, PublishResult, RallyOptions, SubscribeOptions } from './options.ts';
import { RallyError } from './rally-error.ts';
import { request } from './request.ts';
import { Session } from './session.ts';
import type { Listener, Subscription } from './subscription.ts';

export type { QoS } from '../core/wire/packets.ts';
export type { Properties } from '../core/wire/properties.ts';
export type { RallyEvents, Status } from './events.ts';
export type { JsonObject, Message, Value } from './message.ts';
export type * from './options.ts';
export { RallyError } from './rally-error.ts';
export type { Listener, Subscription } from './subscription.ts';

/**
 * Connects to a broker, and stays connected until `close`. Resolves when the broker has accepted the first
 * connection; until then it keeps trying. Rejects with a RallyError if the broker refuses permanently, and with
 * the reason of `options.signal` if that aborts, whose `cause` is the error of the last attempt.
 *
 * `url` is the WebSocket of the broker: `wss://example.org/mqtt`, or `/mqtt` on the server of the page.
 */
export async function connect(url: string | URL, options: RallyOptions = {}): Promise<Rally> {
  const rally = new Rally(url, options);
  await rally.ready;
  return rally;
}

/** Only the client itself changes it. */
interface Writable {
  clientId: string;
}

/** The methods of a Rally, wherever its connection is. */
export type RallyClient = Pick<Rally, keyof Rally>;

/** A connection that lasted this long was not a failure: the backoff starts over. */
const stableMs = 5_000;

/** A client that connects automatically. You can call everything immediately; what needs the broker waits for it. */
export class Rally {
  /** Resolves with the first connection; rejects if there will be none. You may ignore it. */
  readonly ready: Promise<void>;
  readonly status: Status = 'connecting';
  /** The client identifier: yours, or the one that the broker assigned; empty before that. */
  readonly clientId: string;
  readonly #url: URL;
  /** For the next attempt. */
  readonly #options: ConnectionOptions;
  /** Of the DISCONNECT: a session that cannot be resumed need not outlive the connection. */
  readonly #goodbye: Properties;
  readonly #session: Session;
  readonly #events = new EventTarget();
  readonly #unlisten = new AbortController();
  /** The connection or attempt, the last one once it has ended; undefined during the delay before the next attempt. */
  #connection: Connection | undefined;
  /** Resolves when the WebSocket of the connection is closed. */
  #closing: Promise<void> | undefined;
  /** Where the next attempt goes. */
  #target: URL;
  /** Consecutive failed attempts. */
  #failures = 0;
  #connectedAtMs = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;

  /** Like `connect`, without waiting. */
  constructor(url: string | URL, options: RallyOptions = {}) {
    const { signal } = options;
    signal?.throwIfAborted();
    this.#url = this.#target = new URL(url, globalThis.location as unknown as string);
    this.#url.protocol = this.#url.protocol.replace('http', 'ws');
    this.#options = {
      clientId: '',
      cleanStart: true,
      keepAliveSeconds: 60,
      connectTimeoutMs: 10_000,
      isNew: true,
      ...options,
    };
    this.#goodbye = options.cleanStart === false ? {} : { sessionExpiryInterval: 0 };
    this.clientId = this.#options.clientId;
    this.#session = new Session(options.queue);
    this.ready = whenReady(this, signal);
    signal?.addEventListener('abort', () => this.close(), this.#unlisten);
    listenForWaking(() => {
      const connection = this.#connection;
      if (!connection) this.#open();
      else if (connection.server) connection.ping();
    }, this.#unlisten);
    this.#open();
  }

  /** Calls `listener` for each event; returns a function that removes it, as `options.signal` does. */
  on<Name extends keyof RallyEvents>(
    name: Name,
    listener: (event: RallyEvents[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    return listen(this.#events, name, listener, options);
  }

  /**
   * Publishes `value` to `topic`. With QoS 1 and 2 it resolves when the broker has the message, across any number of
   * connections, with the broker's answer; with QoS 0 once the message is sent, without a value. Rejects with a
   * RallyError: 0x90 not a topic name, 0x99 not a value, 0x97 the queue is full, 0x95, 0x9A, 0x9B the broker does not
   * accept such a message, or the reason that the broker gave.
   */
  async publish(
    topic: string,
    value?: Value,
    options: PublishOptions = {},
  ): Promise<PublishResult | undefined> {
    this.#assertOpen();
    if (!isValidTopicName(topic)) throw new RallyError(0x90, `not a topic name: ${topic}`);
    const { qos = 0, retain = false, properties = {}, signal } = options;
    if (![0, 1, 2].includes(qos)) throw new RallyError(0x9b, 'not a QoS');
    return this.#session.publish({ topic, payload: toBytes(value), qos, retain, properties }, signal);
  }

  /**
   * Subscribes to `topicFilter`. The listener is called for each message; without a listener,
   * use `for await (const message of rally.subscribe(…))`. Throws a RallyError with 0x8F if it is not a
   * topic filter.
   */
  subscribe(topicFilter: string, options?: SubscribeOptions): Subscription;
  subscribe(topicFilter: string, listener: Listener, options?: SubscribeOptions): Subscription;
  subscribe(
    topicFilter: string,
    listener?: Listener | SubscribeOptions,
    options: SubscribeOptions = {},
  ): Subscription {
    this.#assertOpen();
    if (!isValidTopicFilter(topicFilter)) throw new RallyError(0x8f, `not a topic filter: ${topicFilter}`);
    type Given = [Listener | undefined, SubscribeOptions];
    const given: Given =
      typeof listener === 'function' ? [listener, options] : [undefined, listener ?? options];
    return this.#session.subscribe(topicFilter, ...given);
  }

  /**
   * Publishes `value` with a response topic and resolves with the first response (section 4.10). There may be no
   * responder, so pass a timeout signal: `AbortSignal.timeout(5_000)`.
   */
  request(topic: string, value?: Value, options: PublishOptions = {}): Promise<Message> {
    return request(this, topic, value, options);
  }

  /**
   * Closes the client immediately: sends DISCONNECT, ends all loops, and rejects messages that the broker does not have yet.
   * Resolves when the DISCONNECT is sent and the WebSocket closed.
   */
  async close(): Promise<void> {
    this.#connection?.disconnect({ reasonCode: 0, properties: this.#goodbye }, undefined, true);
    this.#ended(undefined, true);
    if (this.#connection?.server) await this.#closing;
  }

  #assertOpen(): void {
    if (this.status === 'closed') throw new RallyError();
  }

  #tell<Name extends Exclude<keyof RallyEvents, 'status'>>(name: Name, detail: RallyEvents[Name]): void {
    emit(this.#events, this, name, detail);
  }

  #open(): void {
    clearTimeout(this.#retryTimer);
    const options = this.#options;
    const connection = new Connection(options, this.#session.engine, {
      accepted: ({ sessionPresent, properties }) => {
        options.cleanStart = options.isNew = false;
        options.clientId = (this as Writable).clientId = properties.assignedClientIdentifier ?? this.clientId;
        this.#connectedAtMs = Date.now();
        this.#session.engine.connected(connection, sessionPresent);
        this.#tell('connected', { sessionPresent, properties });
      },
      ended: (error, isFinal, serverReference) => this.#ended(error, isFinal, serverReference),
    });
    this.#connection = connection;
    this.#closing = connection.open(this.#target.href);
  }

  #ended(error: Error | undefined, isFinal?: boolean, serverReference?: string): void {
    const { reconnect = {} } = this.#options;
    if (this.status === 'connected' && Date.now() - this.#connectedAtMs > stableMs) this.#failures = 0;
    clearTimeout(this.#retryTimer);
    if (isFinal || !reconnect) {
      if (this.status === 'closed') return;
      this.#unlisten.abort();
      this.#session.closed(error);
      this.#tell('closed', { error });
      return;
    }
    this.#connection = undefined;
    // One or more of host[:port], separated by spaces (section 4.11); the scheme and the path stay.
    this.#target = new URL(this.#url);
    if (serverReference) this.#target.host = serverReference.split(' ')[0] as string;
    const { minMs = 500, maxMs = 30_000 } = reconnect;
    const delayMs = Math.random() * Math.min(timerMsMax, maxMs, minMs * 2 ** this.#failures++);
    this.#retryTimer = setTimeout(() => this.#open(), delayMs);
    this.#session.engine.lost();
    this.#tell('reconnecting', { error, delayMs });
  }
}
