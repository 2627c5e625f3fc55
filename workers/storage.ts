/** A thread for long operations on a data directory (core/storage/store-command.ts). */
import { BrokerError } from '../core/broker-error.ts';
import { loadAddon } from '../core/data-plane/addon.ts';
import { backUp, restore, withCopyOf } from '../core/storage/backup.ts';
import { exportStore, importStore } from '../core/storage/export.ts';
import type { StoreAnswer, StoreTask } from '../core/storage/store-command.ts';
import { isSystemError, systemReason } from '../core/system-reason.ts';

/**
 * `progress[0]` is the percentage, for the thread that shows it; `progress[1]` is set when the task has to end;
 * `progress[2]` is set when an export has made its file.
 */
export async function runStoreTask({
  task,
  progress,
}: {
  readonly task: StoreTask;
  readonly progress: Uint8Array;
}): Promise<StoreAnswer> {
  const told = (done: number, total: number): void => {
    Atomics.store(progress, 0, Math.floor((done * 100) / total));
    if (Atomics.load(progress, 1) !== 0) throw new BrokerError('STORE_NOT_USABLE', 'It was interrupted.');
  };
  try {
    return { result: await resultOf(task, progress, told) };
  } catch (error) {
    if (isSystemError(error)) {
      const message = `${error.path ?? task.directory} cannot be used: ${systemReason(error)}.`;
      return { refused: { code: 'STORE_NOT_USABLE', message } };
    }
    if (!(error instanceof BrokerError)) throw error;
    return { refused: { code: error.code, message: error.message } }; // an error's class is lost between threads
  }
}

async function resultOf(
  task: StoreTask,
  progress: Uint8Array,
  told: (done: number, total: number) => void,
): Promise<unknown> {
  switch (task.kind) {
    case 'check':
      return loadAddon().checkStore(task.directory, task.repairs, progress, task.bytesPerSecond, false);
    case 'check-online':
      return await withCopyOf(loadAddon(), task.directory, (folder) =>
        loadAddon().checkStore(folder, false, progress, task.bytesPerSecond, true),
      );
    case 'compact':
      return loadAddon().compactStore(task.directory, progress);
    case 'export':
      return await exportStore(loadAddon(), task.directory, task.folder, progress, () => {
        Atomics.store(progress, 2, 1);
      });
    case 'import':
      return await importStore(loadAddon(), task.directory, task.folder, told);
    case 'backup':
      return await backUp(loadAddon(), task.directory, task.folder, told);
    case 'restore':
      return await restore(loadAddon(), task.directory, task.folder, told);
  }
}
