/**
 * A thread that makes a data directory of the second copy of a log (core/cluster/stand-in.ts). From the mark on that it leaves
 * in the stream nobody else can append to it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { isWholeFrom, LogStreams, nameOfMark } from '../core/cluster/log-streams.ts';
import type { Copied, CopyStart } from '../core/cluster/stand-in.ts';
import { loadAddon } from '../core/data-plane/addon.ts';
import { makeDirectory } from '../core/storage/make-directory.ts';

const port = parentPort;
if (port === null) throw new Error('workers/stand-in is the entry of a worker thread');
const { access, stream: id, directory } = workerData as CopyStart;

const connectMs = 5_000;

/** Undefined: it is there. Else a sentence. */
async function copyLog(): Promise<string | undefined> {
  const { nats, streams } = await LogStreams.reach(access, 'stand-in', connectMs);
  try {
    makeDirectory(directory);
    const copy = loadAddon().copyLog(directory);
    if ('fault' in copy) return `${directory} cannot be used: ${copy.detail}`;
    const last = await streams.last(id);
    if (last === undefined) return 'there is no second copy of its log';
    const first = await streams.first(id);
    // No mark then: its node would set its own log aside, the only whole one.
    if (first === undefined || !isWholeFrom(first.chunk))
      return 'the second copy of its log was not complete yet';
    const mark = copy.mark();
    const place = { behind: last.sequence, name: nameOfMark(mark), nameBefore: undefined };
    const marked = await streams.append(id, mark, place);
    if (marked !== 'stored') return 'its log was extended in the meantime';
    for await (const { chunk } of streams.read(id, last.sequence))
      if (!copy.take(chunk)) return 'the second copy of its log is damaged, or the disk here is full';
    if (!copy.isWhole()) return 'the second copy of its log has lost its beginning';
    return copy.finish() ? undefined : 'the disk here is full or has failed';
  } finally {
    await nats.close();
  }
}

const copied: Copied = { refusal: await copyLog() };
port.postMessage(copied);
