/** A thread that does what takes long with a data directory (core/storage/store-command.ts). */

import { loadAddon } from '../core/data-plane/addon.ts';
import { backUp, restore } from '../core/storage/backup.ts';
import type { StoreTask } from '../core/storage/store-command.ts';

/** `progress[0]` is the percentage, for the thread that shows it. */
export async function runStoreTask({
  task,
  progress,
}: {
  readonly task: StoreTask;
  readonly progress: Uint8Array;
}): Promise<unknown> {
  const told = (done: number, total: number): void => {
    Atomics.store(progress, 0, Math.floor((done * 100) / total));
  };
  if (task.kind === 'check') return loadAddon().checkStore(task.directory, task.repairs, progress);
  if (task.kind === 'backup') return await backUp(task.directory, task.folder, told);
  return await restore(task.folder, task.directory, told);
}
