/**
 * Gives the memory of large bytes back at once, which nobody must look at any more: on a thread that does nothing else
 * the collector may not come by for hours. Bytes that are moved to a port whose other end is closed are nobody's.
 */
import { MessageChannel } from 'node:worker_threads';

/** Less is not worth it, and may lie in a pool of Node's. */
const bytesMin = 65_536;

const { port1: nowhere, port2: otherEnd } = new MessageChannel();
otherEnd.close();

export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length >= bytesMin && buffer instanceof ArrayBuffer) nowhere.postMessage(null, [buffer]);
}
