/**
 * An add-on: one connection for all tabs of an origin. `shareConnection` returns the same as `new Rally`, and the
 * connection is in a SharedWorker (`shared-worker.ts`), which lives as long as any of the tabs.
 */

import { isValidTopicFilter } from '../core/wire/topic.ts';
import { abortable } from './abortable.ts';
import { emit, type ListenOptions, listen, listenForWaking, whenReady } from './events.ts';
import { toBytes, toMessage } from './message.ts';
import {
  type Listener,
  type Message,
  type PublishOptions,
  type PublishResult,
  Rally,
  type RallyClient,
  RallyError,
  type RallyEvents,
  type RallyOptions,
  type Status,
  type SubscribeOptions,
  type Subscription,
  type Value,
} from './rally.ts';
import { request } from './request.ts';
import { type Failure, type FromTab, holdLock, type ToTab, tabWindow, toFailure } from './share-messages.ts';
import { createReceiver, type Receiver } from './subscription.ts';

export interface ShareOptions extends RallyOptions {
  /** Where `shared-worker.js` is, on the origin of the page: `new URL('./shared-worker.js', import.meta.url)`. */
  worker: string | URL;
  /** Separates tabs that would otherwise share, for example by the name of the signed-in user. */
  group?: string;
}

/**
 * Like `new Rally`, but all tabs of the origin with the same URL, options and `group` share a connection and a session; a
 * tab that differs in one of them has another connection. `credentials` is called in all tabs, and the first answer
 * counts. Where the browser has no SharedWorker, or no locks because the page is not from a secure origin, the tab gets its
 * own connection. Throws a TypeError for `options.WebSocket` and `options.whileConnected`, which cannot be passed to a
 * worker.
 */
export function shareConnection(url: string | URL, options: ShareOptions): RallyClient {
  const { worker, group = '', ...own } = options;
  own.signal?.throwIfAborted();
  if (typeof SharedWorker === 'undefined' || !globalThis.navigator?.locks) return new Rally(url, own);
  for (const name of ['WebSocket', 'whileConnected'] as const)
    if (own[name]) throw new TypeError(`a shared worker cannot be given options.${name}`);
  const start = (): SharedWorker => new SharedWorker(worker, { type: 'module', name: 'rally' });
  return new SharedRally(start, new URL(url, globalThis.location?.href).href, group, own);
}

/** A subscription of this tab. */
interface Received {
  readonly receiver: Receiver;
  readonly request: FromTab;
  /** Messages that the tab has not confirmed to the worker yet. */
  taken: number;
  /** The number of messages that the worker has dropped. */
  dropped: number;
}

interface Publishing {
  readonly request: FromTab;
  resolve(result: PublishResult | undefined): void;
  reject(error: unknown): void;
}

/** The tab's side: everything goes through the port, and signals and loops stay here. */
class SharedRally implements RallyClient {
  readonly ready: Promise<void>;
  status: Status = 'connecting';
  clientId = '';
  readonly #start: () => SharedWorker;
  readonly #opening: FromTab;
  readonly #credentials: RallyOptions['credentials'];
  /** While it is held, the worker considers the tab alive. */
  readonly #lifetime = holdLock('tab');
  readonly #events = new EventTarget();
  readonly #unlisten = new AbortController();
  readonly #publishing = new Map<number, Publishing>();
  readonly #received = new Map<number, Received>();
  #port: MessagePort | undefined;
  #lastId = 0;

  constructor(start: () => SharedWorker, url: string, group: string, given: RallyOptions) {
    const { signal, credentials, WebSocket, ...options } = given;
    this.#start = start;
    this.#credentials = credentials;
    const hasCredentials = credentials !== undefined;
    const key = JSON.stringify([url, group, hasCredentials, options]);
    this.#opening = { type: 'open', key, url, options, hasCredentials, lock: this.#lifetime.name };
    this.ready = whenReady(this, signal);
    this.#attach();
    signal?.addEventListener('abort', () => this.close(), this.#unlisten);
    listenForWaking(() => this.#tell({ type: 'wake' }), this.#unlisten);
  }

  on<Name extends keyof RallyEvents>(
    name: Name,
    listener: (event: RallyEvents[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    return listen(this.#events, name, listener, options);
  }

  async publish(
    topic: string,
    value?: Value,
    options: PublishOptions = {},
  ): Promise<PublishResult | undefined> {
    this.#assertOpen();
    const { signal, ...rest } = options;
    const payload = toBytes(value);
    const id = ++this.#lastId;
    return abortable<PublishResult | undefined>(signal, (resolve, reject) => {
      const request: FromTab = { type: 'publish', id, topic, payload, options: rest };
      this.#publishing.set(id, { request, resolve, reject });
      this.#tell(request, reject);
      return () => {
        this.#publishing.delete(id);
        if (signal?.aborted) this.#tell({ type: 'cancel', id });
      };
    });
  }

  subscribe(topicFilter: string, options?: SubscribeOptions): Subscription;
  subscribe(topicFilter: string, listener: Listener, options?: SubscribeOptions): Subscription;
  subscribe(
    topicFilter: string,
    listener?: Listener | SubscribeOptions,
    given: SubscribeOptions = {},
  ): Subscription {
    this.#assertOpen();
    const [callback, options] =
      typeof listener === 'function' ? [listener, given] : [undefined, listener ?? given];
    const { signal, bufferMax = 1_000, ...rest } = options;
    if (!isValidTopicFilter(topicFilter)) throw new RallyError(0x8f, `not a topic filter: ${topicFilter}`);
    const id = ++this.#lastId;
    const receiver = createReceiver(callback, bufferMax, () => {
      signal?.removeEventListener('abort', subscription.unsubscribe);
      this.#received.delete(id);
      if (this.status !== 'closed') this.#tell({ type: 'cancel', id });
      return undefined; // the worker tells the broker
    });
    const { subscription } = receiver;
    const request: FromTab = { type: 'subscribe', id, topicFilter, options: rest };
    this.#received.set(id, { receiver, request, taken: 0, dropped: 0 });
    this.#tell(request, receiver.end);
    signal?.addEventListener('abort', subscription.unsubscribe);
    if (signal?.aborted) subscription.unsubscribe();
    return subscription;
  }

  request(topic: string, value?: Value, options: PublishOptions = {}): Promise<Message> {
    return request(this, topic, value, options);
  }

  /** Leaves the connection, which ends with the last tab. Resolves when the worker knows. */
  async close(): Promise<void> {
    await this.#leave(undefined);
  }

  #assertOpen(): void {
    if (this.status === 'closed') throw new RallyError();
  }

  /** Connects to the worker, which may be a new one without any state. */
  #attach(): void {
    const worker = this.#start();
    worker.onerror = () => this.#ended(new RallyError(0, 'the shared worker does not run'));
    this.#port = worker.port;
    this.#port.onmessage = ({ data }: MessageEvent<ToTab>) => this.#take(data);
    const requests = [...this.#received.values(), ...this.#publishing.values()];
    for (const request of [this.#opening, ...requests.map((known) => known.request)]) this.#tell(request);
  }

  /** Waits for the end of the worker, whose process may crash, and continues with a new one. */
  async #watch(lock: string): Promise<void> {
    try {
      await navigator.locks.request(lock, this.#unlisten, () => {});
    } catch {
      return; // closed
    }
    if (this.status === 'closed') return;
    for (const received of this.#received.values()) received.taken = received.dropped = 0;
    this.#attach(); // first: a listener may close the client
    this.#dispatch('reconnecting', { error: new RallyError(0, 'the shared worker is gone'), delayMs: 0 });
  }

  /** `onError` is called if the browser cannot clone the message. */
  #tell(
    message: FromTab,
    onError: (error: unknown) => void = (error) => this.#ended(error as Error),
  ): Promise<void> {
    return this.#lifetime.held.then(() => this.#port?.postMessage(message)).catch(onError);
  }

  async #leave(error: Error | undefined): Promise<void> {
    if (this.status === 'closed') return;
    const told = this.#tell({ type: 'close' });
    this.#ended(error);
    await told;
  }

  #ended(error: Error | undefined): void {
    if (this.status === 'closed') return;
    this.#unlisten.abort();
    emit(this.#events, this, 'closed', { error });
    for (const { receiver } of this.#received.values()) receiver.end(error);
    for (const { reject } of this.#publishing.values()) reject(error ?? new RallyError());
  }

  #dispatch<Name extends 'connected' | 'reconnecting'>(name: Name, detail: RallyEvents[Name]): void {
    emit(this.#events, this, name, detail);
  }

  #take(message: ToTab): void {
    switch (message.type) {
      case 'event':
        this.#happened(message);
        break;
      case 'done':
        this.#publishing.get(message.id)?.resolve(message.result);
        this.#received.get(message.id)?.receiver.granted();
        break;
      case 'failed': {
        const error = message.failure && toError(message.failure);
        this.#publishing.get(message.id)?.reject(error);
        this.#received.get(message.id)?.receiver.end(error);
        break;
      }
      case 'message':
        this.#deliver(message);
        break;
      case 'credentials':
        void this.#giveCredentials(message);
        break;
      case 'hello':
        void this.#watch(message.lock);
        break;
      case 'released':
        this.#lifetime.release();
        break;
    }
  }

  #happened(event: Extract<ToTab, { type: 'event' }>): void {
    if (this.status === 'closed') return;
    if (event.name === 'connected') {
      this.clientId = event.clientId;
      this.#dispatch('connected', event.detail);
      return;
    }
    const error = event.failure && toError(event.failure);
    if (event.name === 'reconnecting') this.#dispatch('reconnecting', { error, delayMs: event.delayMs });
    else void this.#leave(error);
  }

  #deliver({ id, message, dropped }: Extract<ToTab, { type: 'message' }>): void {
    const received = this.#received.get(id);
    if (!received) return;
    const { receiver } = received;
    receiver.subscription.dropped += dropped - received.dropped;
    received.dropped = dropped;
    receiver.deliver(toMessage({ ...message, payload: message.bytes }));
    received.taken++;
    if (received.taken < tabWindow / 2) return;
    this.#tell({ type: 'taken', id, count: received.taken });
    received.taken = 0;
  }

  async #giveCredentials({ id, url }: Extract<ToTab, { type: 'credentials' }>): Promise<void> {
    try {
      this.#tell({ type: 'credentials', id, credentials: (await this.#credentials?.(url)) ?? {} });
    } catch (error) {
      const tell = (thrown: unknown, onError?: () => void): Promise<void> =>
        this.#tell({ type: 'credentials', id, failure: toFailure(thrown) }, onError);
      // What was thrown may be anything, such as a Response, which cannot be cloned.
      void tell(error, () => void tell(new Error(`no credentials: ${String(error)}`)));
    }
  }
}

function toError({ error, reasonCode, status }: Failure): Error {
  if (reasonCode === undefined) return error as Error;
  const { message, cause } = error as Error;
  return Object.assign(new RallyError(reasonCode, message), { cause, ...(status && { status }) });
}
