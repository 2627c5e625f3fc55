/** Look-ups of retained messages, with workers that end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Told } from '../../../core/control/asks.ts';
import { RetainedLookUps } from '../../../core/host/retained-look-ups.ts';
import { within } from '../../support/wait.ts';
import { bytes } from '../wire/frames.ts';

class FakeWorkers {
  readonly running: Set<number>;
  readonly lookUps: RetainedLookUps;
  #asked: { readonly worker: number; readonly topic: string; readonly told: Told<'retained'> }[] = [];

  constructor(count: number) {
    this.running = new Set(Array(count).keys());
    this.lookUps = new RetainedLookUps(count, (worker, topic, told) => {
      if (this.running.has(worker)) this.#asked.push({ worker, topic, told });
      else told(undefined);
    });
  }

  /** What is asked and not answered. */
  get asked(): string[] {
    return this.#asked.map(({ worker, topic }) => `${worker} ${topic}`);
  }

  answer(topic: string, reply: Uint8Array<ArrayBuffer>): void {
    const asked =
      this.#asked.find((each) => each.topic === topic) ?? assert.fail(`${topic} is not asked for`);
    this.#asked = this.#asked.filter((each) => each !== asked);
    asked.told({ reply });
  }

  lose(worker: number): void {
    this.running.delete(worker);
    const lost = this.#asked.filter((each) => each.worker === worker);
    this.#asked = this.#asked.filter((each) => each.worker !== worker);
    for (const { told } of lost) told(undefined);
  }
}

test('workers are asked in turn, and answers go to who asked', async () => {
  const workers = new FakeWorkers(2);
  const { lookUps } = workers;
  const [first, second] = [lookUps.lookUp('a'), lookUps.lookUp('b')];
  assert.deepEqual(workers.asked, ['0 a', '1 b']);
  workers.answer('b', bytes(`33 0c 0001'b' 0001 05 02 00000007 'x'`));
  workers.answer('a', new Uint8Array());
  assert.equal(await within('the first', first), undefined);
  const found = await within('the second', second);
  assert.deepEqual(
    { ...found, payload: Buffer.from(found?.payload ?? []).toString() },
    { topic: 'b', payload: 'x', qos: 1, retain: true, properties: { messageExpiryInterval: 7 } },
  );
});

test('when a worker ends another one is asked, or the next that runs', async () => {
  const workers = new FakeWorkers(2);
  const found = workers.lookUps.lookUp('a');
  assert.deepEqual(workers.asked, ['0 a']);
  workers.lose(0);
  assert.deepEqual(workers.asked, ['1 a']);
  workers.lose(1);
  assert.deepEqual(workers.asked, []);
  workers.running.add(0);
  workers.lookUps.workerStarted();
  assert.deepEqual(workers.asked, ['0 a']);
  workers.answer('a', bytes(`31 05 0001'a' 00 '1'`));
  assert.equal((await within('the answer', found))?.topic, 'a');
});

test('the end rejects what is under way', async () => {
  const { lookUps } = new FakeWorkers(1);
  const open = lookUps.lookUp('a');
  lookUps.close(new Error('over'));
  await assert.rejects(open, /over/);
});

test('a bad packet from the data plane is a bug', async () => {
  const workers = new FakeWorkers(1);
  const open = workers.lookUps.lookUp('a');
  workers.answer('a', bytes('30 02 0000'));
  await assert.rejects(open, /the data plane sent a bad packet/);
});
