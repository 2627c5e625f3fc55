/** A thread that does what takes long with a data directory (core/storage/store-command.ts). */
import { BrokerError } from '../core/broker-error.ts';
import { loadAddon } from '../core/data-plane/addon.ts';
import { backUp, restore } from '../core/storage/backup.ts';
import type { StoreAnswer, StoreTask } from '../core/storage/store-command.ts';

/** `progress[0]` is the percentage, for the thread that shows it. */
export async function runStoreTask({
  task,
  progress,
}: {
  readonly task: StoreTask;
  readonly progress: Uint8Array;
}): Promise<StoreAnswer> {
  const told = (done: number, total: number): void => {
    Atomics.store(progress, 0, Math.floor((done * 100) / total));
  };
  try {
    if (task.kind === 'check') {
      return { result: loadAddon().checkStore(task.directory, task.repairs, progress) };
    }
    const copy = task.kind === 'backup' ? backUp : restore;
    return { result: await copy(task.directory, task.folder, told) };
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    return { refused: { code: error.code, message: error.message } }; // its class does not come along between threads
  }
}
