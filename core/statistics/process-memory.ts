/** The memory that this process has taken, and what it may have: of its control group if that has a limit, else of the machine. */
import { totalmem } from 'node:os';

let lastBytes = 0;

/** That it has in memory. Node.js opens a file to know, and where there is none left the answer is the last one. */
export function residentBytes(rss: () => number = process.memoryUsage.rss): number {
  try {
    lastBytes = rss();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EMFILE')) throw error;
  }
  return lastBytes;
}

export function memoryOfProcess(): { readonly usedBytes: number; readonly availableBytes: number } {
  // Without a limit Node.js gives 0, undefined or a number beyond all memory.
  const limit = process.constrainedMemory();
  const total = totalmem();
  const availableBytes = limit !== undefined && limit > 0 ? Math.min(limit, total) : total;
  return { usedBytes: residentBytes(), availableBytes };
}
