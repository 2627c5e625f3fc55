/** The topics of the received messages as a tree, with the last value and the number of messages of each. */
import type { Message } from '../../client/rally.ts';
import { byId, make, numberFormat, setText, shownName, shownText } from '../shared/dom.ts';
import { previewBytesMax, previewOf } from './payload.ts';

/** Further topics are counted and not shown. */
const topicsMax = 2_000;
/** Levels that are expanded at first. */
const openLevels = 2;

interface Branch {
  readonly list: HTMLUListElement;
  readonly count: HTMLElement;
  readonly branches: Map<string, Branch>;
  messages: number;
}

interface Leaf {
  readonly topic: string;
  messages: number;
  /** The first bytes of the last payload. A copy: a view would keep everything that was received with it. */
  last: Uint8Array;
  shown?: { readonly value: HTMLElement; readonly count: HTMLElement; readonly path: readonly Branch[] };
}

export class TopicTree {
  readonly #leaves = new Map<string, Leaf>();
  readonly #changed = new Set<Leaf>();
  readonly #choose: (topic: string) => void;
  #root = newBranch();

  /** `choose` is called with a topic when it is clicked. */
  constructor(choose: (topic: string) => void) {
    this.#choose = choose;
    byId('tree').append(this.#root.list);
  }

  get count(): number {
    return this.#leaves.size;
  }

  add(message: Message): void {
    const { topic } = message;
    const last = message.bytes.slice(0, previewBytesMax);
    const known = this.#leaves.get(topic);
    if (known === undefined && this.#leaves.size >= topicsMax) return;
    const leaf = known ?? { topic, messages: 0, last };
    leaf.messages += 1;
    leaf.last = last;
    this.#leaves.set(topic, leaf);
    this.#changed.add(leaf);
  }

  clear(): void {
    this.#leaves.clear();
    this.#changed.clear();
    this.#root = newBranch();
    byId('tree').replaceChildren(this.#root.list);
  }

  /** Shows the changes since the last call. */
  draw(): void {
    const branches = new Set<Branch>();
    for (const leaf of this.#changed) {
      leaf.shown ??= this.#place(leaf);
      const before = Number(leaf.shown.count.dataset['messages'] ?? 0);
      leaf.shown.count.dataset['messages'] = `${leaf.messages}`;
      for (const branch of leaf.shown.path) {
        branch.messages += leaf.messages - before;
        branches.add(branch);
      }
      setText(leaf.shown.value, shownText(previewOf(leaf.last)));
      setText(leaf.shown.count, numberFormat.format(leaf.messages));
    }
    for (const { count, messages } of branches) setText(count, numberFormat.format(messages));
    this.#changed.clear();
  }

  #place({ topic }: Leaf): NonNullable<Leaf['shown']> {
    const levels = topic.split('/');
    const name = levels.pop() ?? '';
    const path = [this.#root];
    for (const level of levels) {
      const parent = path.at(-1) as Branch;
      const branch = parent.branches.get(level) ?? addBranch(parent, level, path.length <= openLevels);
      parent.branches.set(level, branch);
      path.push(branch);
    }
    const value = make('code', { class: 'value' });
    const count = make('span', { class: 'count' });
    const button = make('button', { type: 'button', class: 'leaf' }, levelName(name), value, count);
    button.addEventListener('click', () => this.#choose(topic));
    (path.at(-1) as Branch).list.append(make('li', {}, button));
    return { value, count, path };
  }
}

function newBranch(): Branch {
  return { list: make('ul'), count: make('span', { class: 'count' }), branches: new Map(), messages: 0 };
}

function addBranch(parent: Branch, level: string, isOpen: boolean): Branch {
  const branch = newBranch();
  const summary = make('summary', {}, levelName(level), ' ', branch.count);
  parent.list.append(make('li', {}, make('details', { open: isOpen }, summary, branch.list)));
  return branch;
}

/** A level may be empty. */
function levelName(level: string): HTMLElement {
  return make('span', { class: 'level' }, level === '' ? '(empty)' : shownName(level));
}
