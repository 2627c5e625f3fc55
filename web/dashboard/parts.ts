/** Parts shared by several views. */
import { make, setText, shownName } from '../shared/dom.ts';
import { sentenceOf } from './api.ts';

/** A view of the dashboard. Only one is shown at a time. */
export interface View {
  /** It is shown now, with the part of the address after its name. */
  show(detail: string): void;
  /** Called now and then while it is shown. Errors are those of the API. */
  refresh(): Promise<void>;
  /** Another view is shown. */
  hide?(): void;
}

export function say(element: HTMLElement, text: string, isBad = false): void {
  element.classList.toggle('bad', isBad);
  setText(element, text);
}

/** Runs the action of a button or a form, and shows the result. */
export async function attempt(said: HTMLElement, work: () => Promise<string>): Promise<void> {
  say(said, '');
  try {
    say(said, await work());
  } catch (error) {
    say(said, sentenceOf(error), true);
  }
}

/** Names and values; undefined values are left out. */
export function showFacts(
  list: HTMLElement,
  facts: Readonly<Record<string, string | HTMLElement | undefined>>,
): void {
  const shown = Object.entries(facts).filter(([, value]) => value !== undefined);
  showRows(
    list,
    shown.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))),
  );
}

/**
 * Replaces the content of a list by `rows`. Unchanged rows and cells stay in place, with their keyboard focus and
 * selection. Two rows are the same if they have the same `id`, or without one the same first element.
 */
export function showRows(list: HTMLElement, rows: readonly HTMLElement[]): void {
  const old = [...list.children] as HTMLElement[];
  const oldKeys = keysOf(old);
  const known = new Map(old.map((row, index) => [oldKeys[index], row]));
  const keys = keysOf(rows);
  const shown = new Set(keys);
  for (const [key = '', row] of known) if (!shown.has(key)) row.remove();
  let next = list.firstElementChild;
  for (const [index, row] of rows.entries()) {
    const kept = known.get(keys[index]);
    if (kept === undefined) {
      list.insertBefore(row, next);
      continue;
    }
    if (kept === next) next = kept.nextElementSibling;
    else list.insertBefore(kept, next);
    updateCells(kept, row);
  }
}

/** Identical names are numbered. */
function keysOf(rows: readonly HTMLElement[]): string[] {
  const counts = new Map<string, number>();
  return rows.map((row) => {
    const name = row.id || (row.firstElementChild ?? row).textContent || '';
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    return `${count} ${name}`;
  });
}

function updateCells(row: HTMLElement, { className, children }: HTMLElement): void {
  if (row.className !== className) row.className = className;
  const cells = [...children];
  for (const old of [...row.children].slice(cells.length)) old.remove();
  for (const [index, cell] of cells.entries()) {
    const old = row.children[index];
    if (old === undefined) row.append(cell);
    else if (!old.isEqualNode(cell)) old.replaceWith(cell);
  }
}

export function clientLink(clientId: string): HTMLAnchorElement {
  return make('a', { href: `#client/${encodeURIComponent(clientId)}`, class: 'mono' }, shownName(clientId));
}

/** The browser saves it in the download folder. */
export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Over http, except on this machine, a page has no clipboard but that of its selection. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return await navigator.clipboard.writeText(text);
  const field = make('textarea', { class: 'unseen' });
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}

/** Calls `work` after a short pause in typing. */
export function debounced(work: () => void, ms = 150): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
}
