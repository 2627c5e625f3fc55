/** Clients that take less than they subscribe to: who reads nothing, and for whom most waits. */
import { byId, make } from '../shared/dom.ts';
import { ask } from './api.ts';
import { shownBytes, shownCount, shownDuration } from './format.ts';
import { clientLink, showRows, type View } from './parts.ts';

interface SlowClient {
  readonly clientid: string;
  readonly waiting: number;
  readonly waiting_bytes: number;
  readonly blocked_ms: number;
}

const rowsMax = 100;

export class Slow implements View {
  show(): void {}

  async refresh(): Promise<void> {
    const { data } = await ask<{ data: readonly SlowClient[] }>(`slow-subscriptions?limit=${rowsMax}`);
    showRows(byId('slow-rows'), data.map(rowOf));
    byId('slow-table').hidden = data.length === 0;
    byId('slow-none').hidden = data.length > 0;
  }
}

function rowOf({
  clientid,
  waiting,
  waiting_bytes: bytes,
  blocked_ms: blockedMs,
}: SlowClient): HTMLTableRowElement {
  const reads =
    blockedMs === 0
      ? make('span', { class: 'tag' }, 'reads')
      : make('span', { class: 'tag bad' }, `nothing for ${shownDuration(Math.max(1, blockedMs / 1_000))}`);
  return make(
    'tr',
    {},
    make('th', { scope: 'row' }, clientLink(clientid)),
    make('td', {}, reads),
    make('td', { class: 'number' }, shownCount(waiting)),
    make('td', { class: 'number' }, shownBytes(bytes)),
  );
}
