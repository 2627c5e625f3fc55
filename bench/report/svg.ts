/** SVG as text: elements with attributes, escaped, and a style that follows the reader's light or dark scheme. */

export type Attributes = Readonly<Record<string, string | number>>;

/** An element; text content is escaped, children are elements already. */
export function element(
  name: string,
  attributes: Attributes,
  content: string | readonly string[] = [],
): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeText(shown(value))}"`);
  const inner = typeof content === 'string' ? escapeText(content) : content.join('\n');
  return inner === '' ? `<${name}${written.join('')}/>` : `<${name}${written.join('')}>${inner}</${name}>`;
}

/** A whole picture with a title for those who do not see it. */
export function picture(width: number, height: number, title: string, content: readonly string[]): string {
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${shown(width)} ${shown(height)}`,
    width,
    height,
    role: 'img',
  };
  const style = `<style>${styleSheet}</style>`;
  const ground = element('rect', { width, height, rx: 6, class: 'ground' });
  return `${element('svg', attributes, [element('title', {}, title), style, ground, ...content])}\n`;
}

/** Colours for so many series that tell apart also for the colour-blind (Okabe and Ito). */
export function seriesClass(index: number): string {
  return `series${index % seriesColours.length}`;
}

const seriesColours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

const styleSheet = [
  'text{font:12px system-ui,sans-serif;fill:#1f2328}',
  '.ground{fill:#fff}',
  '.title{font-weight:600;font-size:14px}',
  '.quiet{fill:#59636e}',
  '.end{text-anchor:end}',
  '.line{stroke:#d1d9e0;stroke-width:1}',
  ...seriesColours.map(
    (colour, index) =>
      `.series${index}{fill:${colour}} .stroke${index}{stroke:${colour};fill:none;stroke-width:2}`,
  ),
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.quiet{fill:#9198a1}.line{stroke:#3d444d}}',
].join('');

function shown(value: string | number): string {
  return typeof value === 'number' ? `${Math.round(value * 100) / 100}` : value;
}

function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
