/** The list of clients: found by a part of their identifiers, a page at a time. */
import { byId, make } from '../shared/dom.ts';
import { ask, type Page } from './api.ts';
import { shownAge } from './format.ts';
import { askNodes, type ClusterNode } from './nodes.ts';
import { clientLink, debounced, showRows, type View } from './parts.ts';

export interface Client {
  readonly clientid: string;
  /** Of a cluster. */
  readonly node?: string;
  readonly connected: boolean;
  readonly username: string | null;
  readonly ip_address: string;
  readonly transport: string;
  readonly tls: boolean;
  readonly proto_ver: 3 | 4 | 5;
  readonly connected_at?: string;
  readonly disconnected_at?: string;
  readonly session_ends_at?: string;
}

const rowsPerPage = 50;
export const versions = { 3: '3.1', 4: '3.1.1', 5: '5.0' } as const;

export class Clients implements View {
  readonly #search = byId<HTMLInputElement>('clients-search');
  readonly #state = byId<HTMLSelectElement>('clients-state');
  readonly #node = byId<HTMLSelectElement>('clients-node');
  readonly #rows = byId('clients-rows');
  readonly #more = byId('clients-more');
  #isInCluster = false;
  #cursor: string | undefined;
  /** More pages than the first are shown: then nothing is refreshed by itself. */
  #isLonger = false;
  /** The look that was begun last: an earlier one that answers later is not shown. */
  #looks = 0;

  /** `onFailed`: when a look fails that nobody waits for. */
  constructor(onFailed: (error: unknown) => void) {
    const look = (): void => void this.#look().catch(onFailed);
    byId('clients-form').addEventListener('submit', (event) => {
      event.preventDefault();
      look();
    });
    this.#search.addEventListener('input', debounced(look));
    this.#state.addEventListener('change', look);
    this.#node.addEventListener('change', look);
    this.#more.addEventListener('click', () => void this.#showMore().catch(onFailed));
  }

  show(): void {
    this.#isLonger = false;
  }

  /**
   * The nodes whose clients can be listed; undefined: the broker is not in a cluster. If the chosen one has left, it is
   * the node that serves this page.
   */
  showNodes(nodes: readonly ClusterNode[] | undefined): void {
    this.#isInCluster = nodes !== undefined;
    byId('clients-of').hidden = nodes === undefined || nodes.length < 2;
    const choices = (nodes ?? []).map(({ name, isHere }) => ({ name, value: isHere ? '' : name }));
    const known = [...this.#node.options].map(({ text, value }) => ({ name: text, value }));
    if (JSON.stringify(choices) === JSON.stringify(known)) return; // replacing them would close an open list
    const { value: chosen } = this.#node;
    this.#node.replaceChildren(...choices.map(({ name, value }) => make('option', { value }, name)));
    this.#node.value = choices.some(({ value }) => value === chosen) ? chosen : '';
  }

  async refresh(): Promise<void> {
    if (this.#isInCluster) this.showNodes((await askNodes()).nodes);
    if (!this.#isLonger) await this.#look();
  }

  async #look(): Promise<void> {
    const look = ++this.#looks;
    const page = await this.#ask(undefined);
    if (look !== this.#looks) return;
    this.#isLonger = false;
    showRows(this.#rows, page.data.map(rowOf));
    byId('clients-none').hidden = page.data.length > 0;
    this.#take(page);
  }

  async #showMore(): Promise<void> {
    const look = this.#looks;
    const page = await this.#ask(this.#cursor);
    if (look !== this.#looks) return;
    this.#isLonger = true;
    this.#rows.append(...page.data.map(rowOf));
    this.#take(page);
  }

  #take({ meta }: Page<Client>): void {
    this.#cursor = meta.cursor;
    this.#more.hidden = !meta.hasnext;
  }

  #ask(cursor: string | undefined): Promise<Page<Client>> {
    const query = new URLSearchParams({ limit: `${rowsPerPage}` });
    if (this.#search.value !== '') query.set('like_clientid', this.#search.value);
    if (this.#state.value !== '') query.set('conn_state', this.#state.value);
    if (this.#node.value !== '') query.set('node', this.#node.value);
    if (cursor !== undefined) query.set('cursor', cursor);
    return ask(`clients?${query}`);
  }
}

function rowOf(client: Client): HTMLTableRowElement {
  const { clientid, connected, username, ip_address: address, proto_ver: version } = client;
  const since = client.connected_at ?? client.disconnected_at;
  const state = make('span', { class: connected ? 'tag on' : 'tag off' }, connected ? 'connected' : 'away');
  const age = since === undefined ? undefined : make('span', { class: 'small quiet' }, ` ${shownAge(since)}`);
  return make(
    'tr',
    {},
    make('th', { scope: 'row' }, clientLink(clientid)),
    make('td', {}, state, age),
    make('td', { 'data-label': 'User' }, username ?? '–'),
    make('td', { 'data-label': 'Address', class: 'mono' }, address),
    make('td', { 'data-label': 'MQTT' }, `${versions[version]} ${roadOf(client)}`),
  );
}

export function roadOf({ transport, tls }: Client): string {
  return `${transport === 'ws' ? 'WebSocket' : 'TCP'}${tls ? ', TLS' : ''}`;
}
