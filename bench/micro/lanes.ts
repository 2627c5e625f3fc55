/** MessagePort, the rival of the lanes: records of 32 bytes to another thread, alone or in batches. */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const recordBytes = 32;

/** Hands over `records` in batches of `batch`; returns how many arrived per second. */
export async function messagePortRate(records: number, batch: number): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { isMessagePortReader: true, records } });
  try {
    await once(worker, 'message'); // ready
    const startMs = performance.now();
    for (let sent = 0; sent < records; sent += batch) {
      const bytes = new Uint8Array(recordBytes * Math.min(batch, records - sent));
      worker.postMessage(bytes, [bytes.buffer]);
    }
    const [arrived] = await once(worker, 'message');
    if (arrived !== records) throw new Error(`${arrived} of ${records} records have arrived`);
    return (records * 1_000) / (performance.now() - startMs);
  } finally {
    await worker.terminate();
  }
}

function read(records: number): void {
  let arrived = 0;
  parentPort?.on('message', (bytes: Uint8Array) => {
    arrived += bytes.length / recordBytes;
    if (arrived >= records) parentPort?.postMessage(arrived);
  });
  parentPort?.postMessage('ready');
}

if (!isMainThread && workerData?.isMessagePortReader === true) read(workerData.records);
