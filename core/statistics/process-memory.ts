/** The memory that this process has taken, and what it may have: of its control group if that has a limit, else of the machine. */
import { totalmem } from 'node:os';

export function memoryOfProcess(): { readonly usedBytes: number; readonly availableBytes: number } {
  // Without a limit Node.js gives 0, undefined or a number beyond all memory.
  const limit = process.constrainedMemory();
  const total = totalmem();
  const availableBytes = limit !== undefined && limit > 0 ? Math.min(limit, total) : total;
  return { usedBytes: process.memoryUsage.rss(), availableBytes };
}
