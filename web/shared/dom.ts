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

/** Control characters, soft hyphens, zero-width spaces, direction marks, fillers. */
const unseen =
  /[\u034f\p{Cc}\p{Zl}\p{Zp}\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0]/gu;
/** Spaces that are not U+0020, or not between two words. */
const unclearSpaces = /(?! )\p{Zs}|^ | (?= |$)/gu;
/** Characters of a name: with 64 KB, which a topic may have, it would be the whole page. */
const nameLengthMax = 512;

/** Text from a client, in which invisible characters are spelled out. */
export function shownText(text: string): string {
  return text.replace(unseen, spelledOut);
}

/** A name from a client, which no other one looks like, cut if it is very long. */
export function shownName(name: string): string {
  const cut = name.slice(0, nameLengthMax);
  const rest = name.length - cut.length;
  const shown = shownText(rest > 0 ? cut.replace(/[\ud800-\udbff]$/, '') : cut).replace(
    unclearSpaces,
    spelledOut,
  );
  return rest > 0 ? `${shown}… (${numberFormat.format(rest)} more characters)` : shown;
}

function spelledOut(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function flash(element: Element): void {
  element.classList.remove('flash');
  void (element as HTMLElement).offsetWidth; // the animation starts again
  element.classList.add('flash');
}

export const timeFormat = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
export const numberFormat = new Intl.NumberFormat();
