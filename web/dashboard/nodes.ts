/** The nodes of the cluster, as seen by this one, and its lanes to each other node. */
import { byId, make, setText } from '../shared/dom.ts';
import { ask } from './api.ts';
import { shownBytes, shownCount, shownDuration } from './format.ts';
import type { BrokerOverview } from './live.ts';
import { showRows, type View } from './parts.ts';

export interface ClusterNode {
  readonly name: string;
  readonly isHere: boolean;
  readonly state: 'serving' | 'leaving' | 'suspect';
  readonly workers: number;
  readonly slots: number;
  readonly lanes?: {
    readonly waitingBytes: number;
    readonly waitingMs: number;
    readonly framesResent: number;
  };
  /** For a lost node whose log the queried node could not take over yet. */
  readonly takeOver?: { readonly failed: number; readonly reason: string };
  /** For the queried node, with three replicas. */
  readonly log?: {
    readonly waitingBytes: number;
    readonly waitingMs: number;
    readonly isBehind: boolean;
  };
}

export interface ClusterState {
  readonly epoch: number;
  readonly isReached: boolean;
  readonly isSettled: boolean;
  readonly nodes: readonly ClusterNode[];
}

/** Undefined: the broker is not in a cluster. Errors: as ask(). */
export async function askCluster(): Promise<ClusterState | undefined> {
  // A 404 would appear as an error in the browser's console.
  const { isInCluster } = await ask<BrokerOverview>('overview');
  return isInCluster ? await askNodes() : undefined;
}

/** In a cluster. Errors: as ask(). */
export function askNodes(): Promise<ClusterState> {
  return ask<ClusterState>('nodes');
}

export class Nodes implements View {
  show(): void {}

  async refresh(): Promise<void> {
    const cluster = await askCluster();
    for (const id of ['nodes-table', 'nodes-note']) byId(id).hidden = cluster === undefined;
    setText(
      byId('nodes-said'),
      cluster === undefined ? 'This broker is not in a cluster.' : sentenceOf(cluster),
    );
    showRows(byId('nodes-rows'), (cluster?.nodes ?? []).map(rowOf));
  }
}

function sentenceOf({ epoch, isReached, isSettled, nodes }: ClusterState): string {
  if (!isReached) return 'This node is cut off from the others. This is the last state it knew.';
  const applied = isSettled ? 'All nodes have applied it.' : 'Slots are moving.';
  const log = nodes.find(({ isHere }) => isHere)?.log;
  const lost = nodes.map(takeOverOf).join('');
  return `Epoch ${epoch}. ${applied}${log === undefined ? '' : ` ${replicaOf(log)}`}${lost}`;
}

function takeOverOf({ name, takeOver }: ClusterNode): string {
  if (takeOver === undefined) return '';
  const { failed, reason } = takeOver;
  return ` The log of ${name}, which is lost, could not be taken over yet (attempts: ${failed}): ${reason}.`;
}

function replicaOf({ waitingBytes, waitingMs, isBehind }: NonNullable<ClusterNode['log']>): string {
  if (waitingBytes === 0) return 'JetStream has the log of this node.';
  const waiting = `JetStream has the log of this node except ${shownBytes(waitingBytes)}, the oldest of which has waited for ${shownAge(waitingMs)}`;
  return isBehind ? `${waiting}: messages that would have to be stored are refused.` : `${waiting}.`;
}

function rowOf({ name, isHere, state, workers, slots, lanes }: ClusterNode): HTMLTableRowElement {
  const tag = state === 'serving' ? 'tag on' : state === 'suspect' ? 'tag bad' : 'tag off';
  const here = isHere ? make('span', { class: 'small quiet' }, ' this one') : undefined;
  const oldest = lanes === undefined || lanes.waitingMs === 0 ? '–' : shownAge(lanes.waitingMs);
  return make(
    'tr',
    {},
    make('th', { scope: 'row', class: 'mono' }, name, here),
    make('td', {}, make('span', { class: tag }, state)),
    figure('Slots', shownCount(slots)),
    figure('Workers', `${workers}`),
    figure('Unacknowledged', lanes === undefined ? '–' : shownBytes(lanes.waitingBytes)),
    figure('Oldest', oldest),
    figure('Resent', lanes === undefined ? '–' : shownCount(lanes.framesResent)),
  );
}

/** `label`: the column header, which a phone shows beside the value. */
function figure(label: string, value: string): HTMLTableCellElement {
  return make('td', { class: 'number', 'data-label': label }, value);
}

function shownAge(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : shownDuration(ms / 1_000);
}
