/** What the main thread asks its workers: answers find who asked, and a worker that ends answers nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Answers,
  type AskMessage,
  Asks,
  answerAsk,
  type ReplyMessage,
} from '../../../core/control/asks.ts';

/** Workers that answer when they are told to. */
class FakeWorkers {
  readonly running = new Set([0, 1]);
  readonly told: string[] = [];
  readonly asks = new Asks((worker, message) => {
    if (!this.running.has(worker)) return false;
    this.#asked.push({ worker, message });
    return true;
  });
  readonly #asked: { readonly worker: number; readonly message: AskMessage }[] = [];
  readonly #answers: Answers = {
    retained: ({ topic }, reply) => reply(Buffer.from(`the message of ${topic}`)),
    reconfigure: (_, reply) => reply(undefined),
    adoptRules: (_, reply) => reply(undefined),
    lag: (_, reply) => reply(undefined),
    sessionRow: ({ session }, reply) =>
      reply({ session, state: 'absent', expirySeconds: 0, willDelaySeconds: undefined, awayMs: 0 }),
    offersLeft: (_, reply) => reply(0),
    walksLeft: (_, reply) => reply(0),
    inspect: (_, reply) => reply(undefined),
    subscribe: ({ qos }, reply) => reply({ reasonCode: qos, wasSubscribed: false }),
    unsubscribe: (_, reply) => reply(true),
    renewCertificates: (_, reply) => reply({ refusal: 'expired' }),
  };

  look(worker: number, topic: string): void {
    this.asks.ask(worker, 'retained', { topic }, (answer) => {
      this.told.push(`${topic}: ${answer === undefined ? 'no answer' : Buffer.from(answer.reply)}`);
    });
  }

  /** Each question gets its answer, or more than one; the newest first. */
  answer(times = 1): void {
    for (const { worker, message } of this.#asked.splice(0).reverse()) {
      answerAsk(this.#answers, message, (reply: ReplyMessage) => {
        for (let time = 0; time < times; time++) this.asks.answered(worker, reply);
      });
    }
  }

  lose(worker: number): void {
    this.running.delete(worker);
    this.asks.workerLost(worker);
  }
}

test('each answer is told once, to who asked, in whatever order answers come', () => {
  const workers = new FakeWorkers();
  workers.look(0, 'a');
  workers.look(1, 'b');
  workers.answer(2);
  assert.deepEqual(workers.told, ['b: the message of b', 'a: the message of a']);
});

test('an answer that says nothing is one', () => {
  const workers = new FakeWorkers();
  const told: unknown[] = [];
  workers.asks.ask(0, 'adoptRules', undefined, (answer) => told.push(answer));
  workers.asks.ask(1, 'renewCertificates', {} as never, (answer) => told.push(answer?.reply.refusal));
  workers.answer();
  assert.deepEqual(told, ['expired', { reply: undefined }]);
});

test('a worker that does not run is told of at once, and one that ends when it ends', () => {
  const workers = new FakeWorkers();
  workers.look(0, 'a');
  workers.look(1, 'b');
  workers.lose(0);
  assert.deepEqual(workers.told, ['a: no answer']);
  workers.look(0, 'c');
  assert.deepEqual(workers.told, ['a: no answer', 'c: no answer']);
  workers.answer(); // what it had posted before it ended
  assert.deepEqual(workers.told.slice(2), ['b: the message of b']);
});

test('who asks is told whether the worker runs', () => {
  const workers = new FakeWorkers();
  workers.lose(1);
  assert.deepEqual(
    [0, 1].map((worker) => workers.asks.ask(worker, 'lag', undefined, () => {})),
    [true, false],
  );
});

test('an answer of the wrong worker is none', () => {
  const told: unknown[] = [];
  const asks = new Asks(() => true);
  asks.ask(0, 'adoptRules', undefined, (answer) => told.push(answer));
  asks.answered(1, { type: 'reply', call: 'adoptRules', id: 1, reply: undefined });
  assert.deepEqual(told, []);
  asks.answered(0, { type: 'reply', call: 'adoptRules', id: 1, reply: undefined });
  assert.equal(told.length, 1);
});

test('who is told that a worker has ended may ask another one at once', () => {
  const workers = new FakeWorkers();
  workers.asks.ask(0, 'retained', { topic: 'a' }, (answer) => {
    if (answer === undefined) workers.look(1, 'a');
  });
  workers.lose(0);
  workers.answer();
  assert.deepEqual(workers.told, ['a: the message of a']);
});
