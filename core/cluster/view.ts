/**
 * The view of a cluster: which nodes are in it, and who owns which slot. It is a single value in a register
 * written by compare-and-set, so there is one sequence of views, numbered by epochs, that all nodes agree on.
 * It is written when nodes come and go, never for a client.
 *
 *   a node joins:    serving, without slots --slots in steps, the next once all have applied the last--> its share
 *   a node is lost:  gone, others own its slots in the same view --all have applied it--> entry removed
 *
 * The entry of a lost node stays until all nodes have released its workers, so that their numbers are not reused
 * before.
 */
import { isRecord, isWholeNumber } from '../unknown-value.ts';
import { parsed } from './json-bytes.ts';
import { bestWorkerOf, clusterWorkersMax, type SlotWorker, slotCount, standInWorkers } from './slots.ts';

/** The version written; a node that reads a higher one is too old for its cluster. */
export const viewFormat = 1;

export type NodeState = 'serving' | 'leaving' | 'gone';

export interface NodeEntry {
  /** A number that no other node of the cluster has had; a node that comes back gets a new one. */
  readonly incarnation: number;
  readonly name: string;
  /** Made up by the node, to recognise its own entry. */
  readonly id: string;
  /** Its workers' numbers among all of the cluster; they are consecutive. */
  readonly firstWorker: number;
  readonly workers: number;
  readonly state: NodeState;
  /**
   * The oldest and the newest frame version that it supports; a node without this field supports only the first one.
   */
  readonly links?: readonly [oldest: number, newest: number];
  /** Whether it has a data directory; a node without this field may be in any cluster. */
  readonly keepsData?: boolean;
  /** The second copy of its log (log-streams.ts), taken over by another node when it is lost. Undefined: none. */
  readonly stream?: string;
  /** The incarnation of the node whose log this one takes over, to give its contents to the others. */
  readonly standsFor?: number;
}

/** What a node announces when it joins. */
export type Newcomer = Pick<
  NodeEntry,
  'name' | 'id' | 'workers' | 'links' | 'keepsData' | 'stream' | 'standsFor'
>;

export interface View {
  readonly epoch: number;
  /** For the data plane's hashes and slotOfClientId(), in hexadecimal digits. */
  readonly keys: string;
  readonly lastIncarnation: number;
  readonly nodes: readonly NodeEntry[];
  /** By slot: the worker that owns it, and since which epoch. */
  readonly owners: readonly number[];
  readonly since: readonly number[];
}

/** For nodes that do not announce their versions. */
const firstLinks: readonly [number, number] = [2, 2];

/** Slots that move in one step. */
const slotsPerStep = 128;

export function firstView(keys: string): View {
  const nobody = new Array<number>(slotCount).fill(0);
  return { epoch: 0, keys, lastIncarnation: 0, nodes: [], owners: nobody, since: nobody };
}

/** The nodes that are not gone, oldest first. */
export function liveNodes(view: View): NodeEntry[] {
  return view.nodes.filter(({ state }) => state !== 'gone');
}

export function nodeOf(view: View, incarnation: number): NodeEntry | undefined {
  return view.nodes.find((node) => node.incarnation === incarnation && node.state !== 'gone');
}

/** By slot, for each view that was asked about. */
const slotOwners = new WeakMap<View, readonly (NodeEntry | undefined)[]>();

/** The node that owns the slot; undefined before there is a node. */
export function ownerOfSlot(view: View, slot: number): NodeEntry | undefined {
  let owners = slotOwners.get(view);
  if (owners === undefined) {
    const byWorker = nodesByWorker(view);
    owners = view.owners.map((worker) => byWorker[worker]);
    slotOwners.set(view, owners);
  }
  return owners[slot];
}

function nodesByWorker(view: View): readonly (NodeEntry | undefined)[] {
  const byWorker = new Array<NodeEntry | undefined>(clusterWorkersMax).fill(undefined);
  for (const node of liveNodes(view)) for (const worker of workersOf(node)) byWorker[worker] = node;
  return byWorker;
}

export function slotsOf(view: View, { firstWorker, workers }: NodeEntry): number {
  return view.owners.filter((owner) => owner >= firstWorker && owner < firstWorker + workers).length;
}

/** The workers of a node, numbered across the cluster. */
export function workersOf({ firstWorker, workers }: NodeEntry): number[] {
  return Array.from({ length: workers }, (_, index) => firstWorker + index);
}

// --- the next view ----------------------------------------------------------------------------------

/** The version of frames between two nodes; undefined: they have none in common. */
export function linkVersionOf(a: Pick<NodeEntry, 'links'>, b: Pick<NodeEntry, 'links'>): number | undefined {
  const [oldestOfA, newestOfA] = a.links ?? firstLinks;
  const [oldestOfB, newestOfB] = b.links ?? firstLinks;
  const version = Math.min(newestOfA, newestOfB);
  return version >= Math.max(oldestOfA, oldestOfB) ? version : undefined;
}

/**
 * Adds a node; undefined if there is no room for its workers. The first node gets all slots. A stand-in gets none,
 * since it will leave soon.
 */
export function withNode(view: View, node: Newcomer): View | undefined {
  const firstWorker = freeWorkers(view.nodes, node);
  if (firstWorker === undefined) return undefined;
  const incarnation = view.lastIncarnation + 1;
  const state = node.standsFor === undefined ? 'serving' : 'leaving';
  const entry: NodeEntry = { ...node, incarnation, firstWorker, state };
  const next = { ...view, lastIncarnation: incarnation, nodes: [...view.nodes, entry] };
  return liveNodes(view).length === 0 ? withSlotsDealt(next, slotCount) : advanced(next);
}

/** Whether these nodes leave room for the workers of another node. */
export function haveRoomFor(nodes: readonly NodeEntry[], node: Newcomer): boolean {
  return freeWorkers(nodes, node) !== undefined;
}

/** NATS may have lost views that a node has seen: epochs and incarnations continue after them. */
export function withPast(view: View, epoch: number, incarnation: number): View {
  const lastIncarnation = Math.max(view.lastIncarnation, incarnation);
  return { ...view, epoch: Math.max(view.epoch, epoch), lastIncarnation };
}

/** Removes a node; the others get its slots immediately. */
export function withoutNode(view: View, incarnation: number): View {
  const nodes = view.nodes.map((node) =>
    node.incarnation === incarnation ? { ...node, state: 'gone' as const } : node,
  );
  return withSlotsDealt({ ...view, nodes }, 0);
}

/** The node gives away its slots, step by step. */
export function withNodeLeaving(view: View, incarnation: number): View {
  const nodes = view.nodes.map((node) =>
    node.incarnation === incarnation && node.state === 'serving'
      ? { ...node, state: 'leaving' as const }
      : node,
  );
  return advanced({ ...view, nodes });
}

/**
 * The next step towards the desired view, once everyone has applied this one; undefined: no step is needed.
 */
export function nextStepOf(view: View): View | undefined {
  const isAnyGone = view.nodes.some(({ state }) => state === 'gone');
  const pruned = isAnyGone ? { ...view, nodes: liveNodes(view) } : view;
  const dealt = withSlotsDealt(pruned, slotsPerStep);
  const isMoved = dealt.since.some((epoch) => epoch === dealt.epoch);
  return isMoved || isAnyGone ? dealt : undefined;
}

/** Slots without an owner get one; of the others, `most` move to the worker that should have them. */
function withSlotsDealt(view: View, most: number): View {
  const next = advanced(view);
  const candidates = slotWorkersOf(view);
  if (candidates.length === 0) return next;
  const byWorker = nodesByWorker(view);
  const owners = [...view.owners];
  const since = [...view.since];
  let moved = 0;
  for (let slot = 0; slot < slotCount; slot++) {
    const isOwned = since[slot] !== 0 && byWorker[owners[slot] ?? 0] !== undefined;
    if (isOwned && moved >= most) continue;
    const best = bestWorkerOf(slot, candidates);
    if (best === undefined || (isOwned && best.worker === owners[slot])) continue;
    if (isOwned) moved++;
    owners[slot] = best.worker;
    since[slot] = next.epoch;
  }
  return { ...next, owners, since };
}

/** The nodes that may own slots: all that are not leaving, or all nodes if there are no others. */
function slotWorkersOf(view: View): SlotWorker[] {
  const live = liveNodes(view);
  const serving = live.filter(({ state }) => state === 'serving');
  return (serving.length > 0 ? serving : live).flatMap((node) =>
    workersOf(node).map((worker) => ({ worker, incarnation: node.incarnation })),
  );
}

function freeWorkers(nodes: readonly NodeEntry[], newcomer: Newcomer): number | undefined {
  const { workers, stream, standsFor } = newcomer;
  const isReplicated = stream !== undefined && standsFor === undefined;
  const isTaken = new Array<boolean>(clusterWorkersMax).fill(false);
  for (const node of nodes) for (const worker of workersOf(node)) isTaken[worker] = true;
  const free = isTaken.filter((each) => !each).length;
  if (free < workers + (isReplicated ? standInWorkers : 0)) return undefined;
  for (let first = 0; first + workers <= clusterWorkersMax; first++)
    if (!isTaken.slice(first, first + workers).includes(true)) return first;
  return undefined;
}

function advanced(view: View): View {
  return { ...view, epoch: view.epoch + 1 };
}

// --- as text ----------------------------------------------------------------------------------------

export function encodeView(view: View): Uint8Array {
  return Buffer.from(JSON.stringify({ format: viewFormat, ...view }));
}

/** An invalid text yields a sentence that explains the fault. */
export function decodeView(bytes: Uint8Array): View | string {
  const value = parsed(bytes);
  if (!isRecord(value)) return 'it is not an object of JSON';
  const { format, epoch, keys, lastIncarnation, nodes, owners, since } = value;
  if (format !== viewFormat)
    return `it has format ${JSON.stringify(format)}, but this version of RallyMQ knows ${viewFormat}`;
  if (!isCount(epoch) || !isCount(lastIncarnation)) return 'it has no epoch';
  if (typeof keys !== 'string' || !/^[0-9a-f]{48,512}$/.test(keys)) return 'it has no keys';
  if (!Array.isArray(nodes) || !nodes.every(isNode)) return 'an entry of a node is wrong';
  if (!isSlotList(owners) || !isSlotList(since)) return 'its slots are wrong';
  if (owners.some((worker) => worker >= clusterWorkersMax)) return 'its slots are wrong';
  return { epoch, keys, lastIncarnation, nodes, owners, since };
}

function isNode(value: unknown): value is NodeEntry {
  if (!isRecord(value)) return false;
  const { incarnation, name, id, firstWorker, workers, state, links, keepsData, stream, standsFor } = value;
  return (
    isCount(incarnation) &&
    typeof name === 'string' &&
    typeof id === 'string' &&
    isWholeNumber(firstWorker, 0, clusterWorkersMax - 1) &&
    isWholeNumber(workers, 1, clusterWorkersMax - firstWorker) &&
    (state === 'serving' || state === 'leaving' || state === 'gone') &&
    (links === undefined || (Array.isArray(links) && links.length === 2 && links.every(isCount))) &&
    (keepsData === undefined || typeof keepsData === 'boolean') &&
    (stream === undefined || typeof stream === 'string') &&
    (standsFor === undefined || isCount(standsFor))
  );
}

function isSlotList(value: unknown): value is number[] {
  return Array.isArray(value) && value.length === slotCount && value.every(isCount);
}

export function isCount(value: unknown): value is number {
  return isWholeNumber(value, 0, Number.MAX_SAFE_INTEGER);
}
