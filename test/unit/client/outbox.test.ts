/** The outbox on a database and locks that are played here: what earlier pages left, and a client with little room. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../../../client/outbox.ts';
import { type PublishResult, type RallyClient, RallyError } from '../../../client/rally.ts';
import { startOnFake } from '../../support/fake-websocket.ts';
import { until, within } from '../../support/wait.ts';

/** A table of the database, whose requests are answered in the next turn, and committed in the one after it. */
class FakeStore {
  readonly rows = new Map<number, unknown>();
  /** Why no transaction can be committed. */
  failure: DOMException | 'closed' | undefined;

  #answer(act: () => unknown): object {
    const { failure } = this;
    const error = failure instanceof DOMException ? failure : null;
    const transaction = { oncomplete: (): void => {}, onabort: (): void => {}, error };
    const request = { result: undefined as unknown, onsuccess: (): void => {}, transaction };
    setImmediate(() => {
      request.result = act();
      request.onsuccess();
      setImmediate(() => (failure ? transaction.onabort() : transaction.oncomplete()));
    });
    return request;
  }
  add = (value: unknown) =>
    this.#answer(() => {
      const key = Math.max(0, ...this.rows.keys()) + 1;
      this.rows.set(key, value);
      return key;
    });
  delete = (key: number) => this.#answer(() => this.rows.delete(key));
  count = () => this.#answer(() => this.rows.size);
  getAll = () => this.#answer(() => [...this.rows.values()]);
  getAllKeys = () => this.#answer(() => [...this.rows.keys()]);
}

function played(left: number) {
  const store = new FakeStore();
  const options = { qos: 1, retain: false, properties: {} };
  for (let number = 1; number <= left; number++)
    store.rows.set(number, { owner: 'gone', topic: 't', value: number, options });
  const request = { result: undefined as unknown, onsuccess: (): void => {} };
  const database = { transaction: () => ({ objectStore: () => store }) };
  const given = {
    indexedDB: {
      open: () => {
        setImmediate(() => {
          request.result = database;
          request.onsuccess();
        });
        return request;
      },
    },
    navigator: {
      locks: {
        request: async (_name: string, _options: object, holder: (lock: object) => unknown) => holder({}),
      },
    },
  };
  for (const [name, value] of Object.entries(given))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return store;
}

test('what earlier pages left is sent as far as there is room, in order, and what finds none is kept', async () => {
  const store = played(250);
  const sent: number[] = [];
  const refused: unknown[] = [];
  let waiting = 0;
  let room = 100;
  const rally = {
    publish: async (_topic: string, value: number): Promise<PublishResult> => {
      if (waiting >= room) throw new RallyError(0x97, 'queue full');
      waiting++;
      await new Promise((resolve) => setImmediate(resolve));
      waiting--;
      sent.push(value);
      return { reasonCode: 0, properties: {} };
    },
  } as unknown as RallyClient;
  await Outbox.open(rally, (error) => refused.push(error));
  await until('all are sent', () => store.rows.size === 0);
  assert.deepEqual([sent.length, sent[249], refused], [250, 250, []]);
  assert.deepEqual(
    sent,
    sent.toSorted((a, b) => a - b),
  );

  const again = played(5);
  room = 0;
  await Outbox.open(rally, (error) => refused.push(error));
  await until('the attempts', () => refused.length === 5);
  assert.equal(again.rows.size, 5);
});

test('what a broker that turns the client away has not got is kept for the next page', async () => {
  const store = played(2);
  const { network, rally } = startOnFake();
  const errors: unknown[] = [];
  const outbox = await Outbox.open(rally, (error) => errors.push(error));
  const published = outbox.publish('t', 'mine');
  await until('all are stored', () => store.rows.size === 3);
  await new Promise((resolve) => setImmediate(resolve)); // and committed
  const socket = await network.opened();
  socket.receive('20 03 00 87 00'); // the token has expired
  await assert.rejects(within('the end', published), { reasonCode: 0x87 });
  await until('the others have failed too', () => errors.length === 2);
  assert.equal(store.rows.size, 3);
});

test('a message that cannot be stored after all is not published', async () => {
  const store = played(0);
  const published: string[] = [];
  const rally = {
    publish: async (topic: string): Promise<void> => void published.push(topic),
  } as unknown as RallyClient;
  const outbox = await Outbox.open(rally, (error) => assert.fail(`${error}`));
  store.failure = new DOMException('The disk is full.', 'QuotaExceededError');
  await assert.rejects(within('the end', outbox.publish('t', 1)), { name: 'QuotaExceededError' });
  store.failure = 'closed';
  await assert.rejects(within('the end', outbox.publish('t', 1)), { name: 'AbortError' });
  assert.deepEqual(published, []);
});

test('what the broker has is published, even if the database is gone by then', async () => {
  const store = played(0);
  const rally = {
    status: 'connected',
    publish: async (): Promise<PublishResult> => {
      store.delete = () => {
        throw new DOMException('The database connection is closing.', 'InvalidStateError');
      };
      return { reasonCode: 0, properties: {} };
    },
  } as unknown as RallyClient;
  const outbox = await Outbox.open(rally, (error) => assert.fail(`${error}`));
  assert.equal((await within('PUBACK', outbox.publish('t', 1)))?.reasonCode, 0);
});

test('an onError that throws does not keep the messages after it from being sent', async (context) => {
  const uncaught: unknown[] = [];
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  context.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  });
  const store = played(120);
  const sent: number[] = [];
  const rally = {
    publish: async (_topic: string, value: number): Promise<PublishResult> => {
      if (value === 1) throw new RallyError(0x87, 'refused');
      sent.push(value);
      return { reasonCode: 0, properties: {} };
    },
  } as unknown as RallyClient;
  await Outbox.open(rally, () => {
    throw new Error('of the page');
  });
  await until('all others are sent', () => store.rows.size === 0);
  assert.equal(sent.length, 119);
  assert.match(String(uncaught), /of the page/);
});
