/**
 * Frees the memory of large bytes immediately; nothing may use them any more. On a thread that is otherwise idle, the
 * garbage collector may not run for hours. Bytes transferred to a port whose other end is closed are freed.
 */
import { MessageChannel } from 'node:worker_threads';

/** Smaller ones are not worth it, and may be part of Node's pool. */
const bytesMin = 65_536;

const { port1: nowhere, port2: otherEnd } = new MessageChannel();
otherEnd.close();

export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length >= bytesMin && buffer instanceof ArrayBuffer) nowhere.postMessage(null, [buffer]);
}
