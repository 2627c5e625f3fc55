/**
 * Runs in the shared worker of `share.ts`: one connection for all tabs with the same options, each of them behind a
 * MessagePort. The client merges their subscriptions, so that the broker has each topic filter once, with the
 * highest QoS, and a later tab still gets the retained messages.
 *
 * A tab lives as long as it holds its lock, which the browser releases when the tab is closed or crashes. The
 * connection ends with the last tab.
 */
import {
  type Credentials,
  type Message,
  Rally,
  RallyError,
  type RallyEvents,
  type Subscription,
} from './rally.ts';
import { type Failure, type FromTab, holdLock, type ToTab, tabWindow, toFailure } from './share-messages.ts';

/** The number of messages of one subscription that wait for a tab that does not read them, such as a frozen one. */
const tabBufferMax = 10_000;

type OpenMessage = Extract<FromTab, { type: 'open' }>;

/** By the URL, the options and the group. */
const connections = new Map<string, SharedConnection>();

globalThis.addEventListener?.('connect', (event) => {
  const [port] = (event as MessageEvent).ports;
  if (port) adopt(port);
});

/** Accepts a tab; its first message names the connection that it wants. */
export function adopt(port: MessagePort): void {
  port.onmessage = ({ data }: MessageEvent<OpenMessage>) => {
    const { key } = data;
    const connection = connections.get(key) ?? new SharedConnection(data);
    connections.set(key, connection);
    connection.add(port, data);
  };
}

class SharedConnection {
  readonly #key: string;
  readonly #rally: Rally;
  readonly #tabs = new Set<Tab>();
  #accepted: RallyEvents['connected'] | undefined;

  constructor({ key, url, options, hasCredentials }: OpenMessage) {
    this.#key = key;
    const credentials = (target: string): Promise<Credentials> => this.#askForCredentials(target);
    this.#rally = new Rally(url, { ...options, ...(hasCredentials && { credentials }) });
    this.#rally.on('connected', (detail) => {
      this.#accepted = detail;
      for (const tab of this.#tabs) this.#tellAccepted(tab, detail);
    });
    this.#rally.on('reconnecting', ({ error, delayMs }) => {
      this.#accepted = undefined;
      this.#tellAll({ type: 'event', name: 'reconnecting', delayMs, failure: error && toFailure(error) });
    });
    this.#rally.on('closed', ({ error }) => {
      this.#forget();
      this.#tellAll({ type: 'event', name: 'closed', failure: error && toFailure(error) });
    });
  }

  add(port: MessagePort, { lock }: OpenMessage): void {
    // It tells the tab when the worker crashes, which may run in the process of another tab.
    const lifetime = holdLock('worker');
    const tab = new Tab(port, this.#rally, () => {
      lifetime.release();
      this.#tabs.delete(tab);
      if (this.#tabs.size > 0) return;
      this.#forget();
      this.#rally.close();
    });
    this.#tabs.add(tab);
    if (this.#accepted) this.#tellAccepted(tab, this.#accepted);
    void lifetime.held.then(() => tab.tell({ type: 'hello', lock: lifetime.name }));
    navigator.locks.request(lock, () => tab.release()).catch(() => tab.release());
  }

  /** A later tab starts over. */
  #forget(): void {
    if (connections.get(this.#key) === this) connections.delete(this.#key);
  }

  #tellAccepted(tab: Tab, detail: RallyEvents['connected']): void {
    tab.tell({ type: 'event', name: 'connected', detail, clientId: this.#rally.clientId });
  }

  #tellAll(message: ToTab): void {
    for (const tab of this.#tabs) tab.tell(message);
  }

  /** All tabs are asked, since any of them may be frozen; the first answer counts. */
  async #askForCredentials(url: string): Promise<Credentials> {
    // The first attempt is made while the first tab is being added.
    await undefined;
    return Promise.any([...this.#tabs].map((tab) => tab.askForCredentials(url))).catch((error) => {
      throw (error as AggregateError).errors[0] ?? new RallyError();
    });
  }
}

interface Asked {
  resolve(credentials: Credentials): void;
  reject(error: unknown): void;
}

class Tab {
  readonly #port: MessagePort;
  readonly #rally: Rally;
  readonly #onRelease: () => void;
  readonly #subscriptions = new Map<number, TabSubscription>();
  /** Of messages that the broker does not have yet. They are sent even when the tab is gone. */
  readonly #publishing = new Map<number, AbortController>();
  readonly #asked = new Map<number, Asked>();
  #lastAskedId = 0;
  #isReleased = false;

  constructor(port: MessagePort, rally: Rally, onRelease: () => void) {
    this.#port = port;
    this.#rally = rally;
    this.#onRelease = onRelease;
    port.onmessage = ({ data }: MessageEvent<FromTab>) => this.#take(data);
  }

  tell(message: ToTab): void {
    if (!this.#isReleased) this.#port.postMessage(message);
  }

  askForCredentials(url: string): Promise<Credentials> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastAskedId;
      this.#asked.set(id, { resolve, reject });
      this.tell({ type: 'credentials', id, url });
    });
  }

  /** The tab is gone, and so are its subscriptions. */
  release(): void {
    if (this.#isReleased) return;
    this.tell({ type: 'released' });
    this.#port.close();
    this.#isReleased = true;
    for (const subscription of this.#subscriptions.values()) subscription.end();
    for (const { reject } of this.#asked.values()) reject(new RallyError());
    this.#onRelease();
  }

  #take(message: FromTab): void {
    if (this.#isReleased) return;
    switch (message.type) {
      case 'publish':
        void this.#publish(message);
        break;
      case 'subscribe':
        this.#subscribe(message);
        break;
      case 'cancel':
        this.#publishing.get(message.id)?.abort();
        this.#subscriptions.get(message.id)?.end();
        break;
      case 'taken':
        this.#subscriptions.get(message.id)?.taken(message.count);
        break;
      case 'credentials':
        this.#answered(message);
        break;
      case 'wake':
        // The clients in this worker listen for it, like those in a page.
        globalThis.dispatchEvent?.(new Event('online'));
        break;
      case 'close':
        this.release();
        break;
      default:
        break; // a tab opens once
    }
  }

  async #publish({ id, topic, payload, options }: Extract<FromTab, { type: 'publish' }>): Promise<void> {
    const abort = new AbortController();
    this.#publishing.set(id, abort);
    try {
      const result = await this.#rally.publish(topic, payload, { ...options, signal: abort.signal });
      this.tell({ type: 'done', id, result });
    } catch (error) {
      this.tell({ type: 'failed', id, failure: toFailure(error) });
    } finally {
      this.#publishing.delete(id);
    }
  }

  #subscribe({ id, topicFilter, options }: Extract<FromTab, { type: 'subscribe' }>): void {
    const fail = (failure: Failure | undefined): void => {
      this.#subscriptions.delete(id);
      this.tell({ type: 'failed', id, failure });
    };
    try {
      const subscription = this.#rally.subscribe(topicFilter, { ...options, bufferMax: tabBufferMax });
      const passing = new TabSubscription(subscription, (message) => {
        const { topic, bytes, qos, retain, dup, properties } = message;
        // Sliced, because cloning a view copies its whole buffer.
        const plain = { topic, bytes: bytes.slice(), qos, retain, dup, properties };
        this.tell({ type: 'message', id, message: plain, dropped: subscription.dropped });
      });
      this.#subscriptions.set(id, passing);
      subscription.ready.then(
        () => this.tell({ type: 'done', id }),
        () => {}, // the loop fails too
      );
      passing.run().then(
        () => fail(undefined),
        (error) => fail(toFailure(error)),
      );
    } catch (error) {
      fail(toFailure(error));
    }
  }

  #answered({ id, credentials = {}, failure }: Extract<FromTab, { type: 'credentials' }>): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (failure) asked?.reject(failure.error);
    else asked?.resolve(credentials);
  }
}

/** A subscription of a tab, which gets messages only as fast as it processes them. */
class TabSubscription {
  readonly #subscription: Subscription;
  readonly #pass: (message: Message) => void;
  #onTheWay = 0;
  #isOver = false;
  #wake = (): void => {};

  constructor(subscription: Subscription, pass: (message: Message) => void) {
    this.#subscription = subscription;
    this.#pass = pass;
  }

  async run(): Promise<void> {
    for await (const message of this.#subscription) {
      if (this.#isOver) return;
      this.#pass(message);
      this.#onTheWay++;
      while (this.#onTheWay >= tabWindow && !this.#isOver)
        await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** What waits is dropped: the tab does not want it any more. */
  end(): void {
    this.#isOver = true;
    this.#subscription.unsubscribe();
    this.#wake();
  }

  taken(count: number): void {
    this.#onTheWay -= count;
    this.#wake();
  }
}
