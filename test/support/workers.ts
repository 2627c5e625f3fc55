/**
 * The worker threads of the brokers that a test starts, as Node announces them: to end one by an error
 * without a way for it in the product.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { within } from './wait.ts';

export class Workers {
  readonly all: Worker[] = [];

  /** Makes a worker's thread throw; resolves when it has ended and the next one is there. */
  async crash(index: number): Promise<void> {
    const worker = this.all[index] ?? assert.fail(`no worker ${index}`);
    const next = once(process, 'worker');
    worker.postMessage(null); // it reads the type of the message
    await within(`the end of worker ${index}`, once(worker, 'exit'));
    await within(`a new worker ${index}`, next);
    this.all[index] = this.all.pop() ?? assert.fail('no new worker');
  }
}

export function watchWorkers(test: TestContext): Workers {
  const workers = new Workers();
  const add = (worker: Worker): void => void workers.all.push(worker);
  process.on('worker', add);
  test.after(() => process.off('worker', add));
  return workers;
}
