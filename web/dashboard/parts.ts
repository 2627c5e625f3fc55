/** What several views are made of. */
import { make, setText } from '../shared/dom.ts';
import { sentenceOf } from './api.ts';

/** A part of the dashboard. Only one is shown. */
export interface View {
  /** It is shown now, with what stands behind its name in the address. */
  show(detail: string): void;
  /** Now and then while it is shown. Errors are those of the API. */
  refresh(): Promise<void>;
  /** Another view is shown. */
  hide?(): void;
}

export function say(element: HTMLElement, text: string, isBad = false): void {
  element.classList.toggle('bad', isBad);
  setText(element, text);
}

/** Does what a button or a form asks for, and says what came of it. */
export async function attempt(said: HTMLElement, work: () => Promise<string>): Promise<void> {
  say(said, '');
  try {
    say(said, await work());
  } catch (error) {
    say(said, sentenceOf(error), true);
  }
}

/** Names and values; those that are undefined are left out. */
export function showFacts(list: HTMLElement, facts: Readonly<Record<string, string | undefined>>): void {
  const shown = Object.entries(facts).filter(([, value]) => value !== undefined);
  list.replaceChildren(
    ...shown.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))),
  );
}

export function clientLink(clientId: string): HTMLAnchorElement {
  return make('a', { href: `#client/${encodeURIComponent(clientId)}`, class: 'mono' }, clientId);
}

/** Calls `work` once nobody has typed for a moment. */
export function debounced(work: () => void, ms = 150): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
}
