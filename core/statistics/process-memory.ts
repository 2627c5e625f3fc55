/** The memory that this process uses, and its limit: that of its control group, or else the size of the machine's memory. */
import { totalmem } from 'node:os';

let lastBytes = 0;

/** Resident memory. Node.js opens a file to find out; without free file descriptors the previous value is returned. */
export function residentBytes(rss: () => number = process.memoryUsage.rss): number {
  try {
    lastBytes = rss();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EMFILE')) throw error;
  }
  return lastBytes;
}

export function memoryOfProcess(): { readonly usedBytes: number; readonly availableBytes: number } {
  // Without a limit Node.js returns 0, undefined or a number beyond all memory.
  const limit = process.constrainedMemory();
  const total = totalmem();
  const availableBytes = limit !== undefined && limit > 0 ? Math.min(limit, total) : total;
  return { usedBytes: residentBytes(), availableBytes };
}
