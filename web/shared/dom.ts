/** The DOM functions that the pages need: find, create, replace. Text is always text, never HTML. */

type Child = Node | string | undefined;

/** The element with this id, which the page must contain. */
export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`there is no #${id} on this page`);
  return element as Type;
}

/** Creates an element: attributes by name (false and undefined: absent, true: empty), then its content. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | number | boolean | undefined>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(attribute, value === true ? '' : `${value}`);
  }
  for (const child of children) if (child !== undefined) element.append(child);
  return element;
}

/** Sets the text if it has changed, and lets it flash if `flashes` is set. */
export function setText(element: Element, text: string, flashes = false): void {
  if (element.textContent === text) return;
  const isFirst = element.textContent === '';
  element.textContent = text;
  if (flashes && !isFirst) flash(element);
}

/**
 * A name chosen by a client. Invisible characters are spelled out: control characters, zero-width spaces, and
 * direction marks, with which one name could look like another.
 */
export function shownName(name: string): string {
  const unseen = /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;
  return name.replace(unseen, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function flash(element: Element): void {
  element.classList.remove('flash');
  void (element as HTMLElement).offsetWidth; // the animation starts again
  element.classList.add('flash');
}

export const timeFormat = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
export const numberFormat = new Intl.NumberFormat();
