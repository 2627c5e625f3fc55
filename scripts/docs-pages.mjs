// Converts the broker's user documents to pages: `docs/tls.md` becomes `docs/tls/`. The broker serves them, so that
// they match its version.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Marked } from 'marked';

const root = resolve(import.meta.dirname, '..');

/** In the order of the table of contents. */
const names = [
  'getting-started',
  'client',
  'configuration',
  'security',
  'tls',
  'proxies',
  'storage',
  'log',
  'clustering',
  'operating',
  'api',
  'embedding',
  'troubleshooting',
  'migrating',
  'node-versions',
  'demos',
];

/** Pages by path: a title, a description, and the text as HTML. Images are copied by the caller. */
export function docsPages() {
  const documents = names.map((name) => {
    const text = readFileSync(join(root, `docs/${name}.md`), 'utf8');
    const [, heading = name] = /^# (.*)$/m.exec(text) ?? [];
    const title = heading.replaceAll('`', '');
    const [, first = ''] = /^# .*\n\n([^\n]+(?:\n[^\n#|-][^\n]*)*)/.exec(text) ?? [];
    const description = plain(first).replace(/(?<=\.) .*/s, '');
    return {
      path: `docs/${name}/`,
      title,
      description,
      html: `<article class="prose">${rendered(text)}</article>`,
    };
  });
  const contents = documents.map(
    ({ path, title, description }) =>
      `<a class="card" href="${path.slice('docs/'.length)}"><h2>${escaped(title)}</h2><p>${escaped(description)}</p></a>`,
  );
  const html = `<h1>Documentation</h1>\n<div class="contents">${contents.join('\n')}</div>`;
  return [{ path: 'docs/', title: 'Documentation', description: 'How to use RallyMQ.', html }, ...documents];
}

function rendered(text) {
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth, text: heading }) {
        return `<h${depth} id="${anchorOf(heading)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const shown = this.parser.parseInline(tokens);
        const target = targetOf(href);
        return target === undefined ? shown : `<a href="${escaped(target)}">${shown}</a>`;
      },
      codespan({ text: code }) {
        const breakable = escaped(code).replaceAll(/[/_](?=[\w{])/g, '$&<wbr>'); // long paths and variables
        return `<code>${breakable}</code>`;
      },
      image({ href, text: alt }) {
        return `<img src="../${escaped(href)}" alt="${escaped(alt)}" loading="lazy">`;
      },
    },
  });
  return marked
    .parse(text)
    .replaceAll('<table>', '<div class="scroll" tabindex="0"><table>')
    .replaceAll('</table>', '</table></div>')
    .replaceAll('<pre>', '<pre tabindex="0">');
}

/** Undefined: not served, such as a source file. */
function targetOf(href) {
  if (/^(https?:|#)/.test(href)) return href;
  const [path, anchor] = href.split('#');
  const name = /^([\w-]+)\.md$/.exec(path)?.[1];
  if (name === undefined || !names.includes(name)) return undefined;
  return `../${name}/${anchor === undefined ? '' : `#${anchor}`}`;
}

function anchorOf(heading) {
  return plain(heading)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function plain(markdown) {
  return markdown
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[`*]/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function escaped(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
