/**
 * The list of clients: searched by identifier, user or address, one page at a time; all results can be exported as a
 * file.
 */
import { byId, make, numberFormat, shownName } from '../shared/dom.ts';
import { ask, type Page } from './api.ts';
import { shownAge } from './format.ts';
import { askNodes, type ClusterNode } from './nodes.ts';
import { attempt, clientLink, debounced, saveFile, showRows, type View } from './parts.ts';

export interface Client {
  readonly clientid: string;
  /** In a cluster. */
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
const exportRowsPerPage = 1_000;
/** The fields to search, as named in the API. */
const searches: readonly string[] = ['like_clientid', 'like_username', 'ip_address'];
export const versions = { 3: '3.1', 4: '3.1.1', 5: '5.0' } as const;

export class Clients implements View {
  readonly #by = byId<HTMLSelectElement>('clients-by');
  readonly #search = byId<HTMLInputElement>('clients-search');
  readonly #state = byId<HTMLSelectElement>('clients-state');
  readonly #node = byId<HTMLSelectElement>('clients-node');
  readonly #rows = byId('clients-rows');
  readonly #more = byId('clients-more');
  #isInCluster = false;
  #cursor: string | undefined;
  /** More than the first page is shown: no automatic refresh then. */
  #isLonger = false;
  /** The number of the latest look-up: an earlier one that answers later is not shown. */
  #looks = 0;

  /** `onFailed`: called when a look-up fails that has no awaiting caller. */
  constructor(onFailed: (error: unknown) => void) {
    const look = (): void => void this.#look().catch(onFailed);
    byId('clients-form').addEventListener('submit', (event) => {
      event.preventDefault();
      look();
    });
    this.#search.addEventListener('input', debounced(look));
    this.#by.addEventListener('change', look);
    this.#state.addEventListener('change', look);
    byId('clients-export').addEventListener('click', () => {
      void attempt(byId('clients-said'), () => this.#export());
    });
    this.#node.addEventListener('change', look);
    this.#more.addEventListener('click', () => void this.#showMore().catch(onFailed));
  }

  /** `detail`: what to search for, such as ip_address/192.0.2.1. */
  show(detail: string): void {
    this.#isLonger = false;
    const [by = '', ...text] = detail.split('/');
    if (!searches.includes(by)) return;
    this.#by.value = by;
    this.#search.value = text.join('/');
  }

  /**
   * The nodes whose clients can be listed; undefined: the broker is not in a cluster. If the chosen node has left, the
   * selection returns to the node that serves this page.
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

  /** All results of the search, as CSV. */
  async #export(): Promise<string> {
    const lines = [csvLine(csvColumns)];
    let cursor: string | undefined;
    do {
      const { data, meta } = await this.#ask(cursor, exportRowsPerPage);
      for (const client of data) lines.push(csvLine(csvColumns.map((name) => `${client[name] ?? ''}`)));
      cursor = meta.cursor;
    } while (cursor !== undefined);
    saveFile('clients.csv', new Blob([lines.join('')], { type: 'text/csv' }));
    const count = lines.length - 1;
    return count === 1 ? 'One client exported.' : `${numberFormat.format(count)} clients exported.`;
  }

  #ask(cursor: string | undefined, limit = rowsPerPage): Promise<Page<Client>> {
    const query = new URLSearchParams({ limit: `${limit}` });
    const text = this.#search.value;
    if (text !== '') query.set(this.#by.value, this.#by.value === 'ip_address' ? text.trim() : text);
    if (this.#state.value !== '') query.set('conn_state', this.#state.value);
    if (this.#node.value !== '') query.set('node', this.#node.value);
    if (cursor !== undefined) query.set('cursor', cursor);
    return ask(`clients?${query}`);
  }
}

const csvColumns = [
  'clientid',
  'node',
  'connected',
  'username',
  'ip_address',
  'transport',
  'tls',
  'proto_ver',
  'connected_at',
  'disconnected_at',
  'session_ends_at',
] as const satisfies readonly (keyof Client)[];

/** Prevents a name chosen by a client from being a formula in the program that opens the file. */
function csvLine(cells: readonly string[]): string {
  const quoted = cells.map(
    (cell) => `"${(/^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell).replaceAll('"', '""')}"`,
  );
  return `${quoted.join(',')}\r\n`;
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
    make('td', { 'data-label': 'User' }, username === null ? '–' : shownName(username)),
    make('td', { 'data-label': 'Address', class: 'mono' }, address),
    make('td', { 'data-label': 'MQTT' }, `${versions[version]} ${roadOf(client)}`),
  );
}

export function roadOf({ transport, tls }: Client): string {
  return `${transport === 'ws' ? 'WebSocket' : 'TCP'}${tls ? ', TLS' : ''}`;
}
