/**
 * The worker threads of a test's brokers, as announced by Node: to make one fail with an error without a hook in the
 * product.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { atEnd } from './at-end.ts';
import { until, within } from './wait.ts';

export class Workers {
  readonly all: Worker[] = [];

  /** Makes a worker's thread throw; resolves when it has ended and the next one listens. */
  async crash(index: number): Promise<void> {
    const worker = this.all[index] ?? assert.fail(`no worker ${index}`);
    const count = this.all.length;
    worker.postMessage(null); // reading the type of the message fails
    await within(`the end of worker ${index}`, once(worker, 'exit'));
    await until(`a new worker ${index}`, () => this.all.length > count);
    const next = this.all.pop() ?? assert.fail('no new worker');
    this.all[index] = next;
    await within(`worker ${index} to listen`, once(next, 'message')); // its first message
  }
}

export function watchWorkers(test: TestContext): Workers {
  const workers = new Workers();
  const add = (worker: Worker): void => void workers.all.push(worker);
  process.on('worker', add);
  atEnd(test, () => process.off('worker', add));
  return workers;
}
