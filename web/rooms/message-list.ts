/** The messages of a room in the order in which they were written, and the delivery state of the visitor's own. */
import { make, setText, shownName, timeFormat } from '../shared/dom.ts';
import { errorText } from '../shared/page.ts';
import type { ChatMessage, Person, Receipt } from './topics.ts';

/** The number of colours in the style sheet. */
const colours = 6;

interface Entry {
  readonly element: HTMLLIElement;
  readonly ticks: HTMLElement;
  readonly at: number;
  isSent: boolean;
  error?: Error | undefined;
  /** Whether others have received and read it. */
  readonly receipts: Map<string, Receipt['state']>;
}

/** The colour of a name, always the same. */
export function colourClass(client: string): string {
  const sum = [...client].reduce((total, character) => total + (character.codePointAt(0) ?? 0), 0);
  return `who-${sum % colours}`;
}

export class MessageList {
  readonly #scroller: HTMLElement;
  readonly #place: HTMLElement;
  readonly #client: string;
  readonly #people: () => ReadonlyMap<string, Person>;
  readonly #entries = new Map<string, Entry>();
  #isAtEnd = true;

  constructor(
    scroller: HTMLElement,
    place: HTMLElement,
    client: string,
    people: () => ReadonlyMap<string, Person>,
  ) {
    this.#scroller = scroller;
    this.#place = place;
    this.#client = client;
    this.#people = people;
    scroller.addEventListener('scroll', () => {
      this.#isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
    });
    // A banner or a keyboard takes space: the last message stays visible.
    new ResizeObserver(() => this.#keepEnd()).observe(scroller);
  }

  /** `isSent`: the broker has it. */
  show(id: string, message: ChatMessage | undefined, isSent = true): void {
    const known = this.#entries.get(id);
    if (message === undefined) {
      known?.element.remove();
      this.#entries.delete(id);
      return;
    }
    if (known !== undefined) return;
    const isOwn = message.from === this.#client;
    const ticks = make('span', { class: 'ticks' });
    const element = make(
      'li',
      { class: `${isOwn ? 'own ' : ''}${colourClass(message.from)}`, 'data-id': id },
      make(
        'p',
        { class: 'from small' },
        make('strong', {}, isOwn ? 'You' : shownName(message.name)),
        ' ',
        make('time', { class: 'number' }, timeFormat.format(message.at)),
      ),
      make('p', { class: 'text', dir: 'auto' }, message.text),
      isOwn ? ticks : undefined,
    );
    const entry: Entry = { element, ticks, at: message.at, isSent, receipts: new Map() };
    this.#entries.set(id, entry);
    this.#insert(entry);
    if (isOwn) this.#showTicks(entry);
  }

  sent(id: string, error: Error | undefined): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.isSent = error === undefined;
    entry.error = error;
    this.#showTicks(entry);
  }

  receipt(id: string, { by, state }: Receipt): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || by === this.#client || entry.receipts.get(by) === 'read') return;
    entry.isSent = true;
    entry.receipts.set(by, state);
    this.#showTicks(entry);
  }

  #insert(entry: Entry): void {
    const later = [...this.#entries.values()].filter(
      ({ at, element }) => at > entry.at && element.isConnected,
    );
    const next = later.sort((one, two) => one.at - two.at)[0];
    this.#place.insertBefore(entry.element, next?.element ?? null);
    this.#keepEnd();
  }

  #keepEnd(): void {
    if (this.#isAtEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #showTicks({ ticks, isSent, error, receipts }: Entry): void {
    const readers = [...receipts].filter(([, state]) => state === 'read').map(([by]) => by);
    ticks.classList.toggle('read', readers.length > 0);
    ticks.classList.toggle('failed', error !== undefined);
    if (error !== undefined) setText(ticks, `not sent: ${errorText(error)}`);
    else if (readers.length > 0) setText(ticks, `✓✓ read by ${this.#namesOf(readers)}`);
    else if (receipts.size > 0) setText(ticks, `✓✓ delivered to ${this.#namesOf([...receipts.keys()])}`);
    else setText(ticks, isSent ? '✓ sent' : 'waiting for the broker');
  }

  #namesOf(clients: readonly string[]): string {
    if (clients.length > 2) return `${clients.length}`;
    return clients.map((client) => shownName(this.#people().get(client)?.name ?? 'somebody')).join(' and ');
  }
}
