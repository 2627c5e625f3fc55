/** Look-ups of retained messages, with workers that end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetainedLookUps } from '../../../core/host/retained-look-ups.ts';
import { within } from '../../support/wait.ts';
import { bytes } from '../wire/frames.ts';

class FakeWorkers {
  readonly running: Set<number>;
  readonly lookUps: RetainedLookUps;
  readonly #asked: string[] = [];

  constructor(count: number) {
    this.running = new Set(Array(count).keys());
    this.lookUps = new RetainedLookUps(count, (worker, request, topic) => {
      if (!this.running.has(worker)) return false;
      this.#asked.push(`${worker} ${request} ${topic}`);
      return true;
    });
  }

  lose(worker: number): void {
    this.running.delete(worker);
    this.lookUps.workerLost(worker);
  }

  asked(): string[] {
    return this.#asked.splice(0);
  }
}

test('workers are asked in turn, and answers go to who asked', async () => {
  const workers = new FakeWorkers(2);
  const { lookUps } = workers;
  const [first, second] = [lookUps.lookUp('a'), lookUps.lookUp('b')];
  assert.deepEqual(workers.asked(), ['0 1 a', '1 2 b']);
  lookUps.answered(2, bytes(`33 0c 0001'b' 0001 05 02 00000007 'x'`));
  lookUps.answered(1, new Uint8Array());
  assert.equal(await within('the first', first), undefined);
  const found = await within('the second', second);
  assert.deepEqual(
    { ...found, payload: Buffer.from(found?.payload ?? []).toString() },
    { topic: 'b', payload: 'x', qos: 1, retain: true, properties: { messageExpiryInterval: 7 } },
  );
});

test('when a worker ends another one is asked, or the next that runs; two answers are one', async () => {
  const workers = new FakeWorkers(2);
  const found = workers.lookUps.lookUp('a');
  assert.deepEqual(workers.asked(), ['0 1 a']);
  workers.lose(0);
  assert.deepEqual(workers.asked(), ['1 1 a']);
  workers.lose(1);
  assert.deepEqual(workers.asked(), []);
  workers.running.add(0);
  workers.lookUps.workerStarted();
  assert.deepEqual(workers.asked(), ['0 1 a']);
  workers.lookUps.answered(1, bytes(`31 05 0001'a' 00 '1'`));
  workers.lookUps.answered(1, new Uint8Array());
  assert.equal((await within('the answer', found))?.topic, 'a');
});

test('the end rejects what is under way', async () => {
  const { lookUps } = new FakeWorkers(1);
  const open = lookUps.lookUp('a');
  lookUps.close(new Error('over'));
  await assert.rejects(open, /over/);
});

test('a bad packet from the data plane is a bug', async () => {
  const { lookUps } = new FakeWorkers(1);
  const open = lookUps.lookUp('a');
  lookUps.answered(1, bytes('30 02 0000'));
  await assert.rejects(open, /the data plane sent a bad packet/);
});
