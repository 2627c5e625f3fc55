/**
 * The slots of a cluster: each is a 1,024th of all topics and client identifiers, and is owned by one worker.
 * The data plane assigns topics to slots, and client identifiers are assigned here. Both use the keys of the
 * cluster, which are secret, so nobody can deliberately direct load at one node.
 *
 * Rendezvous hashing selects the worker of each slot: when a worker comes or goes, no slot moves between the
 * others.
 */
import { HalfSipHash } from '../sessions/half-sip-hash.ts';

export const slotCount = 1_024;

/** The most workers in total: the workers with subscribers of a filter are the bits of a 64-bit number. */
export const clusterWorkersMax = 64;
/**
 * Of those, how many stay free where logs have second copies: a node that takes over the log of a lost node needs
 * them.
 */
export const standInWorkers = 1;

/** A worker that may own slots. */
export interface SlotWorker {
  readonly worker: number;
  /** Of its node: a replacement worker has a different incarnation. */
  readonly incarnation: number;
}

/** HalfSipHash-2-4 over the code units of the text; `key` has at least eight bytes. */
export function slotOfClientId(clientId: string, key: Uint8Array): number {
  const hash = new HalfSipHash(wordOf(key, 0), wordOf(key, 4), 2);
  const pairs = clientId.length & ~1;
  for (let index = 0; index < pairs; index += 2)
    hash.takeWord(clientId.charCodeAt(index) | (clientId.charCodeAt(index + 1) << 16));
  const last = pairs < clientId.length ? clientId.charCodeAt(pairs) : 0;
  hash.takeWord((clientId.length << 24) | last);
  return hash.end(4) % slotCount;
}

function wordOf(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** The worker that should have the slot; undefined if there is none. */
export function bestWorkerOf(slot: number, workers: readonly SlotWorker[]): SlotWorker | undefined {
  let best: SlotWorker | undefined;
  let bestWeight = -1;
  for (const each of workers) {
    const weight = weightOf(slot, each);
    if (weight <= bestWeight) continue;
    best = each;
    bestWeight = weight;
  }
  return best;
}

/** The same on every node, and evenly distributed: the finaliser of MurmurHash3. */
function weightOf(slot: number, { worker, incarnation }: SlotWorker): number {
  let mixed = mix(slot ^ 0x5bd1_e995);
  mixed = mix(mixed ^ (incarnation >>> 0));
  return mix(mixed ^ Math.imul(worker + 1, 0x9e37_79b1));
}

function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
