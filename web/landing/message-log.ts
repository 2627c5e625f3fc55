/**
 * The messages of the console, newest first. Drawing is independent of receiving: a few times a second, and never
 * more rows than are shown, so that a flood costs the page little. While the list is scrolled down or paused, new
 * messages are kept and counted, and nothing moves.
 */
import type { Message, Properties } from '../../client/rally.ts';
import { byId, make, numberFormat, setText, shownName, shownText } from '../shared/dom.ts';
import { type Entry, type KeptMessage, KeptMessages } from './kept-messages.ts';
import { previewOf, showPayload, textOf } from './payload.ts';

const shownMax = 200;

export class MessageLog {
  readonly #kept = new KeptMessages();
  #drawn = 0;
  #search = '';
  readonly #place = byId('log');
  readonly #again: (message: KeptMessage) => void;

  /** `again` is called with a message to publish again. */
  constructor(again: (message: KeptMessage) => void) {
    this.#again = again;
    byId('pause').addEventListener('change', () => this.draw());
    this.#place.addEventListener('scroll', () => this.draw());
    byId('newer').addEventListener('click', () => {
      this.#place.scrollTop = 0;
      byId<HTMLInputElement>('pause').checked = false;
      this.draw();
    });
  }

  get count(): number {
    return this.#kept.count;
  }

  add(message: Message): void {
    this.#kept.add(message);
  }

  /** Only messages whose topic or payload contains `text`; all of them if it is empty. */
  search(text: string): void {
    this.#search = text.toLowerCase();
    this.#drawn = 0;
    this.#rows().forEach((row) => {
      row.remove();
    });
    this.#drawFrom(0);
  }

  clear(): void {
    this.#kept.clear();
    this.search(this.#search);
  }

  draw(): void {
    const fresh = this.count - this.#drawn;
    const isHeld = byId<HTMLInputElement>('pause').checked || this.#place.scrollTop > 4;
    byId('newer').hidden = !isHeld || fresh === 0;
    if (!isHeld) this.#drawFrom(this.#drawn);
    else setText(byId('newer'), `↑ ${numberFormat.format(fresh)} newer`);
  }

  #drawFrom(drawn: number): void {
    const fresh: Entry[] = [];
    const { entries } = this.#kept;
    for (let index = entries.length - 1; index >= 0 && fresh.length < shownMax; index -= 1) {
      const entry = entries[index] as Entry;
      if (entry.number <= drawn) break;
      if (this.#isWanted(entry)) fresh.push(entry);
    }
    this.#drawn = this.count;
    this.#place.prepend(...fresh.map((entry) => this.#rowOf(entry)));
    // A row has its message, which counts as kept.
    const oldest = entries[0]?.number ?? 0;
    for (const [index, row] of [...this.#rows()].entries())
      if (index >= shownMax || Number(row.dataset['number']) < oldest) row.remove();
    byId('log-empty').hidden = this.count > 0;
  }

  #rows(): NodeListOf<HTMLElement> {
    return this.#place.querySelectorAll('.message');
  }

  #isWanted(entry: Entry): boolean {
    if (this.#search === '') return true;
    const { topic, bytes } = entry.message;
    entry.searched ??= `${topic} ${textOf(bytes) ?? ''}`.toLowerCase();
    return entry.searched.includes(this.#search);
  }

  #rowOf({ message, atMs, number }: Entry): HTMLElement {
    const { topic, qos, retain, dup, bytes, properties } = message;
    const shown = shownProperties(properties);
    const row = make(
      'details',
      { class: 'message', 'data-number': number },
      make(
        'summary',
        {},
        make(
          'span',
          { class: 'about' },
          make('code', { class: 'topic' }, shownName(topic)),
          make('span', { class: `qos q${qos}` }, `QoS ${qos}`),
          retain ? make('span', { class: 'tag live' }, 'retained') : undefined,
          dup ? make('span', { class: 'tag' }, 'again') : undefined,
          make('span', { class: 'bytes' }, `${numberFormat.format(bytes.length)} B`),
        ),
        make('time', { datetime: new Date(atMs).toISOString() }, timeOf(atMs)),
        make('code', { class: 'preview' }, shownText(previewOf(bytes))),
        shown === '' ? undefined : make('span', { class: 'properties' }, shown),
      ),
    );
    // The details are rendered when they are opened.
    row.addEventListener('toggle', () => this.#open(row, message), { once: true });
    return row;
  }

  #open(row: HTMLElement, message: KeptMessage): void {
    const { kind, text } = showPayload(message.bytes);
    const again = make('button', { type: 'button', class: 'plain again' }, 'Copy to the form');
    again.addEventListener('click', () => this.#again(message));
    row.append(make('pre', { class: kind, tabindex: 0 }, text), again);
  }
}

function timeOf(ms: number): string {
  return `${new Date(ms).toLocaleTimeString('en-GB')}.${`${ms % 1_000}`.padStart(3, '0')}`;
}

function shownProperties({ userProperties = [], ...others }: Properties): string {
  const named = Object.entries(others)
    .filter(
      ([name, value]) => value !== undefined && name !== 'subscriptionIdentifiers' && name !== 'topicAlias',
    )
    .map(([name, value]) => `${name}: ${value instanceof Uint8Array ? previewOf(value) : value}`);
  return [...named, ...userProperties.map(([name, value]) => `${name} = ${value}`)]
    .map(shownText)
    .join(' · ');
}
