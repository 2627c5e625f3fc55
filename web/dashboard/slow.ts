/**
 * Clients that are slower than their subscriptions: those that read nothing, have the longest queues, or lost the
 * most.
 */
import { byId, make } from '../shared/dom.ts';
import { ask } from './api.ts';
import { shownBytes, shownCount, shownDuration, shownTime } from './format.ts';
import { clientLink, showRows, type View } from './parts.ts';

interface SlowClient {
  readonly clientid: string;
  /** False: it is away, and its messages wait in its session. */
  readonly connected: boolean;
  /** Known only for the clients with the longest queues. */
  readonly waiting?: number;
  readonly waiting_bytes?: number;
  readonly blocked_ms?: number;
  readonly dropped: number;
  readonly dropped_at?: string;
  readonly drop_reason?: string;
}

const rowsMax = 100;

export class Slow implements View {
  readonly #sort = byId<HTMLSelectElement>('slow-sort');

  constructor(onFailed: (error: unknown) => void) {
    this.#sort.addEventListener('change', () => void this.refresh().catch(onFailed));
  }

  show(): void {}

  async refresh(): Promise<void> {
    const { value: sort } = this.#sort;
    const path = `slow-subscriptions?limit=${rowsMax}&sort=${sort}`;
    const { data } = await ask<{ data: readonly SlowClient[] }>(path);
    if (sort !== this.#sort.value) return;
    showRows(byId('slow-rows'), data.map(rowOf));
    byId('slow-table').hidden = data.length === 0;
    byId('slow-none').hidden = data.length > 0;
  }
}

function rowOf(client: SlowClient): HTMLTableRowElement {
  const { clientid, waiting, waiting_bytes: bytes, dropped, dropped_at: at, drop_reason: reason } = client;
  const last = at === undefined ? undefined : `${reason}, ${shownTime(at)}`;
  return make(
    'tr',
    {},
    make('th', { scope: 'row' }, clientLink(clientid)),
    make('td', {}, readsOf(client)),
    cell('Queued', waiting === undefined ? '–' : shownCount(waiting)),
    cell('Bytes', bytes === undefined ? '–' : shownBytes(bytes)),
    cell(
      'Dropped',
      shownCount(dropped),
      last === undefined ? undefined : make('span', { class: 'small quiet more' }, last),
    ),
  );
}

function readsOf({ connected, blocked_ms: blockedMs }: SlowClient): HTMLElement | string {
  if (!connected) return make('span', { class: 'quiet' }, 'away');
  if (blockedMs === undefined) return '–';
  if (blockedMs === 0) return make('span', { class: 'tag' }, 'reads');
  const text = `nothing for ${shownDuration(Math.max(1, blockedMs / 1_000))}`;
  return make('span', { class: 'tag bad' }, text);
}

/** `label`: the column header, which a phone shows beside the value. */
function cell(
  label: string,
  ...content: readonly (string | HTMLElement | undefined)[]
): HTMLTableCellElement {
  return make('td', { class: 'number', 'data-label': label }, ...content);
}
