/** Bans: the list, a form to add one, and a button to lift each. */
import { byId, make, shownName } from '../shared/dom.ts';
import { ask, type Page, pathOf } from './api.ts';
import { shownDuration } from './format.ts';
import { attempt, showRows, type View } from './parts.ts';

type Kind = 'clientid' | 'username' | 'peerhost';

interface Ban {
  readonly as: Kind;
  readonly who: string;
  readonly by: string;
  readonly reason: string;
  readonly until?: string;
}

const kindNames: Readonly<Record<Kind, string>> = {
  clientid: 'client identifier',
  username: 'user name',
  peerhost: 'address',
};

const origins: Readonly<Record<string, string>> = {
  hand: 'an operator',
  failedLogins: 'the broker, for failed logins',
  flapping: 'the broker, for connecting too often',
};

const rowsPerPage = 100;

export class BanView implements View {
  readonly #rows = byId('bans-rows');
  readonly #more = byId('bans-more');
  readonly #kind = byId<HTMLSelectElement>('ban-kind');
  readonly #who = byId<HTMLInputElement>('ban-who');
  #cursor: string | undefined;
  #isLonger = false;

  constructor(onFailed: (error: unknown) => void) {
    byId('ban-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void attempt(byId('bans-said'), () => this.#add());
    });
    this.#more.addEventListener('click', () => void this.#showMore().catch(onFailed));
  }

  /** `detail`: a kind and a value, such as clientid/court/1, to fill in the form. */
  show(detail: string): void {
    this.#isLonger = false;
    const [kind = '', ...who] = detail.split('/');
    if (!Object.hasOwn(kindNames, kind)) return;
    this.#kind.value = kind;
    this.#who.value = who.join('/');
  }

  async refresh(): Promise<void> {
    if (this.#isLonger) return;
    const page = await this.#ask(undefined);
    showRows(
      this.#rows,
      page.data.map((ban) => this.#row(ban)),
    );
    byId('bans-none').hidden = page.data.length > 0;
    byId('bans-table').hidden = page.data.length === 0;
    this.#take(page);
  }

  async #showMore(): Promise<void> {
    const page = await this.#ask(this.#cursor);
    this.#isLonger = true;
    this.#rows.append(...page.data.map((ban) => this.#row(ban)));
    this.#take(page);
  }

  #take({ meta }: Page<Ban>): void {
    this.#cursor = meta.cursor;
    this.#more.hidden = !meta.hasnext;
  }

  #ask(cursor: string | undefined): Promise<Page<Ban>> {
    const query = new URLSearchParams({
      limit: `${rowsPerPage}`,
      ...(cursor === undefined ? {} : { cursor }),
    });
    return ask(`banned?${query}`);
  }

  async #add(): Promise<string> {
    const seconds = Number(byId<HTMLSelectElement>('ban-time').value);
    const reason = byId<HTMLInputElement>('ban-reason').value.trim();
    const ban = await ask<Ban>('banned', 'POST', {
      as: this.#kind.value,
      who: this.#who.value,
      ...(reason === '' ? {} : { reason }),
      ...(seconds === 0 ? {} : { until: new Date(Date.now() + seconds * 1_000).toISOString() }),
    });
    byId<HTMLFormElement>('ban-form').reset();
    this.#isLonger = false;
    await this.refresh();
    return `${ban.who} can no longer connect.`;
  }

  async #lift({ as, who }: Ban): Promise<string> {
    await ask(pathOf(`banned/${as}/{who}`, who), 'DELETE');
    this.#isLonger = false;
    await this.refresh();
    return `${who} can connect again.`;
  }

  #row(ban: Ban): HTMLTableRowElement {
    const { as, who, by, reason, until } = ban;
    const lift = make(
      'button',
      { type: 'button', class: 'plain small', 'aria-label': `Lift the ban on ${who}` },
      'Lift',
    );
    lift.addEventListener('click', () => void attempt(byId('bans-said'), () => this.#lift(ban)));
    return make(
      'tr',
      {},
      make(
        'th',
        { scope: 'row' },
        make('span', { class: 'mono' }, shownName(who)),
        make('span', { class: 'small quiet more' }, `${kindNames[as]}, by ${origins[by] ?? by}`),
        reason === '' ? undefined : make('span', { class: 'small more' }, reason),
      ),
      make('td', {}, until === undefined ? 'permanent' : `for ${shownDuration(secondsUntil(until))}`),
      make('td', { class: 'action' }, lift),
    );
  }
}

function secondsUntil(iso: string): number {
  return Math.max(0, (Date.parse(iso) - Date.now()) / 1_000);
}
