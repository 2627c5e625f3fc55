/**
 * An add-on: messages that survive a reload of the page. The outbox keeps each message in IndexedDB
 * until the broker has it; the next page of the origin sends the remaining ones, in order. A message that the broker
 * received just before the page ended is sent again: delivery is at least once, whatever the QoS.
 *
 * Each page has its own messages and holds a lock named after them, so that no page sends the messages of another
 * page that is still open.
 */
import type { PublishOptions, PublishResult, QoS, RallyClient, Value } from './rally.ts';

interface StoredMessage {
  readonly owner: string;
  readonly topic: string;
  readonly value: Value;
  readonly options: { qos: QoS; retain: boolean; properties: NonNullable<PublishOptions['properties']> };
}

const storeName = 'messages';
/** Of those that earlier pages left, so many are sent at once: the queue of the client has a bound. */
const sentAtOnce = 50;

export class Outbox {
  readonly #rally: RallyClient;
  readonly #database: IDBDatabase;
  readonly #owner: string;

  private constructor(rally: RallyClient, database: IDBDatabase, owner: string) {
    this.#rally = rally;
    this.#database = database;
    this.#owner = owner;
  }

  /**
   * Opens the outbox `name` of this origin and begins to send what earlier pages left in it. It lives as
   * long as the page. `onError` is called for each of those messages that is not sent. What the broker refuses is discarded;
   * what it has not got, since the client is closed or has no room (0x97), stays for the next page.
   */
  static async open(
    rally: RallyClient,
    onError: (error: unknown) => void,
    name = 'rally-outbox',
  ): Promise<Outbox> {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(storeName, { autoIncrement: true });
    const database = await done(opening);
    const owner = `${name}/${Date.now()}/${Math.random()}`;
    await hold(owner);
    const outbox = new Outbox(rally, database, owner);
    await outbox.#adopt(onError);
    return outbox;
  }

  /**
   * Publishes once the message is stored, and resolves when the broker has it. `value` is anything that can
   * be cloned. QoS 1 by default; with QoS 0 the message is forgotten once it is sent.
   */
  async publish(
    topic: string,
    value?: Value,
    options: Omit<PublishOptions, 'signal'> = {},
  ): Promise<PublishResult | undefined> {
    const { qos = 1, retain = false, properties = {} } = options;
    const message = { owner: this.#owner, topic, value, options: { qos, retain, properties } };
    const key = await committed(this.#store('readwrite').add(message));
    return this.#send(key, message);
  }

  /** The stored messages: of this page, and of other open pages. */
  async count(): Promise<number> {
    return done(this.#store('readonly').count());
  }

  /** `isKept`: whether the next page may send it after this error. */
  async #send(
    key: IDBValidKey,
    { topic, value, options }: StoredMessage,
    isKept: (error: unknown) => boolean = () => false,
  ): Promise<PublishResult | undefined> {
    let result: PublishResult | undefined;
    try {
      result = await this.#rally.publish(topic, value, options);
    } catch (error) {
      // The error of a closed client is not about the message.
      if (this.#rally.status !== 'closed' && !isKept(error)) await this.#forget(key);
      throw error;
    }
    await this.#forget(key);
    return result;
  }

  async #forget(key: IDBValidKey): Promise<void> {
    try {
      await committed(this.#store('readwrite').delete(key));
    } catch {
      // The user may have deleted the database. Otherwise the next page sends the message again.
    }
  }

  /** Sends the messages of pages that are closed. */
  async #adopt(onError: (error: unknown) => void): Promise<void> {
    const store = this.#store('readonly');
    const [keys, messages] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
    const gone = new Map<string, boolean>();
    const left: [IDBValidKey, StoredMessage][] = [];
    for (const [index, message] of (messages as StoredMessage[]).entries()) {
      const { owner } = message;
      if (!gone.has(owner)) gone.set(owner, await hold(owner));
      const key = keys[index];
      if (key !== undefined && gone.get(owner)) left.push([key, message]);
    }
    void this.#sendLeft(left, onError);
  }

  async #sendLeft(
    left: readonly [IDBValidKey, StoredMessage][],
    onError: (error: unknown) => void,
  ): Promise<void> {
    for (let at = 0; at < left.length; at += sentAtOnce)
      await Promise.all(
        left.slice(at, at + sentAtOnce).map(([key, message]) =>
          this.#send(key, message, isQueueFull).catch((error) => {
            // What it throws is reported by the page; the other messages are still sent.
            queueMicrotask(() => onError(error));
          }),
        ),
      );
  }

  #store(mode: IDBTransactionMode): IDBObjectStore {
    return this.#database.transaction(storeName, mode).objectStore(storeName);
  }
}

function isQueueFull(error: unknown): boolean {
  return (error as { reasonCode?: number }).reasonCode === 0x97;
}

/** Takes the lock `name` for as long as the page lives. Returns whether it was free. */
function hold(name: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const holding = navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {}); // until the page ends
    });
    holding.catch(reject);
  });
}

/** The result of a write, once its transaction has ended: it may still fail, such as for want of space. */
function committed<Result>(request: IDBRequest<Result>): Promise<Result> {
  const transaction = request.transaction as IDBTransaction;
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    // The browser gives no error if it closes the database, as when the user deletes its data.
    transaction.onabort = () =>
      reject(transaction.error ?? new DOMException('the database was closed', 'AbortError'));
  });
}

function done<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
