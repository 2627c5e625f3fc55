/** Topics as a tree, one level at a time, with the counts of each level and everything below it. */
import { byId, make, setText, shownName } from '../shared/dom.ts';
import { ask, type Page } from './api.ts';
import { shownBytes, shownCount, shownRate } from './format.ts';

interface Level {
  readonly topic: string;
  readonly level: string;
  readonly children: boolean;
  readonly messages: number;
  readonly messages_per_second: number;
  readonly bytes_per_second: number;
}

const rowsPerLevel = 100;

export class TopicTree {
  readonly #root = byId('topic-tree');
  readonly #onFailed: (error: unknown) => void;
  /** The open ones, by topic; undefined: the first level. */
  readonly #open = new Map<string | undefined, Branch>();

  constructor(onFailed: (error: unknown) => void) {
    this.#onFailed = onFailed;
    this.#open.set(undefined, new Branch(this.#root));
  }

  async refresh(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((topic) => this.#load(topic)));
    byId('topic-tree-none').hidden = this.#root.childElementCount > 0;
  }

  async #load(topic: string | undefined): Promise<void> {
    const branch = this.#open.get(topic);
    if (branch === undefined) return;
    const query = new URLSearchParams({ limit: `${branch.rowsMax}` });
    if (topic !== undefined) query.set('prefix', topic);
    const { data, meta } = await ask<Page<Level>>(`topics?${query}`);
    branch.update(data, (level, row) => this.#makeRow(level, row));
    this.#forgetVanished();
    branch.setMore(meta.hasnext, () => {
      branch.rowsMax += rowsPerLevel;
      void this.#load(topic).catch(this.#onFailed);
    });
  }

  /** Closes the branches whose rows have gone, so that nobody asks for them any more. */
  #forgetVanished(): void {
    for (const [topic, { list }] of this.#open) if (!this.#root.contains(list)) this.#open.delete(topic);
  }

  #makeRow({ topic, level, children }: Level, row: HTMLLIElement): void {
    const name = level === '' ? '(empty)' : shownName(level);
    const head = children
      ? make('button', { type: 'button', class: 'branch mono', 'aria-expanded': 'false' }, name)
      : make('span', { class: 'leaf mono' }, name);
    const figures = make('span', { class: 'figures small quiet number' });
    row.append(make('div', { class: 'level' }, head, figures));
    if (!children) return;
    head.addEventListener('click', () => void this.#toggle(topic, row, head).catch(this.#onFailed));
  }

  async #toggle(topic: string, row: HTMLLIElement, head: HTMLElement): Promise<void> {
    const isOpen = this.#open.has(topic);
    head.setAttribute('aria-expanded', `${!isOpen}`);
    if (isOpen) {
      for (const open of [...this.#open.keys()])
        if (open !== undefined && (open === topic || open.startsWith(`${topic}/`))) this.#open.delete(open);
      row.querySelector('ul')?.remove();
      return;
    }
    const list = make('ul', {});
    row.append(list);
    this.#open.set(topic, new Branch(list));
    await this.#load(topic);
  }
}

/** A list of levels: rows stay in place while their figures change, and keep the keyboard focus. */
class Branch {
  rowsMax = rowsPerLevel;
  readonly list: HTMLElement;
  readonly #rows = new Map<string, HTMLLIElement>();
  #more: HTMLLIElement | undefined;

  constructor(list: HTMLElement) {
    this.list = list;
  }

  update(levels: readonly Level[], makeRow: (level: Level, row: HTMLLIElement) => void): void {
    const names = new Set(levels.map(rowName));
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      row.remove();
      this.#rows.delete(name);
    }
    let before: Element | null = this.list.firstElementChild;
    for (const level of levels) {
      let row = this.#rows.get(rowName(level));
      if (row === undefined) {
        row = make('li', {});
        makeRow(level, row);
        this.#rows.set(rowName(level), row);
        this.list.insertBefore(row, before);
      } else if (row === before) before = row.nextElementSibling;
      else this.list.insertBefore(row, before);
      const figures = row.querySelector('.figures');
      if (figures !== null) setText(figures, figuresOf(level));
    }
  }

  setMore(isMore: boolean, onMore: () => void): void {
    this.#more?.remove();
    this.#more = undefined;
    if (!isMore) return;
    const button = make('button', { type: 'button', class: 'plain small' }, 'Show more');
    button.addEventListener('click', onMore);
    this.#more = make('li', {}, button);
    this.list.append(this.#more);
  }
}

/** A leaf that gets sublevels becomes a different row. */
function rowName({ level, children }: Level): string {
  return `${children} ${level}`;
}

function figuresOf({ messages, messages_per_second: rate, bytes_per_second: bytes }: Level): string {
  const total = `${shownCount(messages)} in all`;
  return rate < 0.05 ? total : `${shownRate(rate)}/s · ${shownBytes(bytes)}/s · ${total}`;
}
