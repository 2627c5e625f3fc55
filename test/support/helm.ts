/**
 * Renders the templates of a Helm chart, as far as ours require: values, `if`, `include`, and the functions below.
 * Anything unknown is an error, so no template passes unread.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump, load } from 'js-yaml';

type Values = Record<string, unknown>;
type Node = string | { readonly condition: string; readonly inside: readonly Node[] };

interface Scope {
  readonly Values: Values;
  readonly Release: Values;
  readonly Chart: Values;
}

/** Documents by file name; an empty one renders to undefined. */
export function renderChart(folder: string, values: Values): Map<string, unknown> {
  const chart = load(readFileSync(join(folder, 'Chart.yaml'), 'utf8')) as Values;
  const scope: Scope = {
    Values: merged(load(readFileSync(join(folder, 'values.yaml'), 'utf8')) as Values, values),
    Release: { Name: 'mqtt' },
    Chart: { Name: chart['name'], AppVersion: chart['appVersion'] },
  };
  const templates = join(folder, 'templates');
  const partials = new Map<string, readonly Node[]>();
  const texts = readdirSync(templates).map(
    (name) => [name, readFileSync(join(templates, name), 'utf8')] as const,
  );
  for (const [, text] of texts)
    for (const [, name = '', body = ''] of text.matchAll(
      /\{\{-? define "([^"]+)" -?\}\}([\s\S]*?)\{\{-? end \}\}/g,
    ))
      partials.set(name, parse(body.trim()));
  const documents = new Map<string, unknown>();
  for (const [name, text] of texts) {
    if (!name.endsWith('.yaml')) continue;
    const rendered = render(parse(text), scope, partials);
    documents.set(name, rendered.trim() === '' ? undefined : load(rendered));
  }
  return documents;
}

function merged(base: Values, changed: Values): Values {
  const result: Values = { ...base };
  for (const [key, value] of Object.entries(changed)) {
    const before = result[key];
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    assert.ok(key in base, `values.yaml has no ${key}`);
    result[key] =
      isMap && Object.keys(before ?? {}).length > 0 ? merged(before as Values, value as Values) : value;
  }
  return result;
}

function parse(text: string): Node[] {
  const parts = text
    .replaceAll(/\s*\{\{- /g, '{{ ')
    .replaceAll(/ -\}\}\s*/g, ' }}')
    .split(/(\{\{ .*? \}\})/);
  const root: Node[] = [];
  const open: Node[][] = [root];
  for (const part of parts) {
    const inside = open.at(-1) ?? assert.fail('an end too many');
    const condition = /^\{\{ if (.*) \}\}$/.exec(part)?.[1];
    if (condition !== undefined) {
      const node = { condition, inside: [] as Node[] };
      inside.push(node);
      open.push(node.inside);
    } else if (part === '{{ end }}') open.pop();
    else inside.push(part);
  }
  assert.equal(open.length, 1, 'an if without its end');
  return root;
}

function render(
  nodes: readonly Node[],
  scope: Scope,
  partials: ReadonlyMap<string, readonly Node[]>,
): string {
  return nodes
    .map((node) => {
      if (typeof node !== 'string') {
        const value = evaluate(node.condition, scope, partials);
        const isEmpty = !value || (Array.isArray(value) && value.length === 0);
        return isEmpty ? '' : render(node.inside, scope, partials);
      }
      const expression = /^\{\{ (.*) \}\}$/.exec(node)?.[1];
      return expression === undefined ? node : `${evaluate(expression, scope, partials)}`;
    })
    .join('');
}

function evaluate(text: string, scope: Scope, partials: ReadonlyMap<string, readonly Node[]>): unknown {
  const functions: Readonly<Record<string, (...values: unknown[]) => unknown>> = {
    include: (name) => render(partials.get(`${name}`) ?? assert.fail(`no template ${name}`), scope, partials),
    nindent: (count, value) => `\n${`${value}`.replaceAll(/^(?=.)/gm, ' '.repeat(Number(count)))}`,
    quote: (value) => JSON.stringify(`${value}`),
    default: (fallback, value) => value || fallback,
    toJson: (value) => JSON.stringify(value),
    toYaml: (value) => dump(value).trimEnd(),
    join: (separator, value) => (value as unknown[]).join(`${separator}`),
    sha256sum: (value) => createHash('sha256').update(`${value}`).digest('hex'),
  };
  let piped: unknown[] = [];
  for (const step of text.split(' | ')) {
    const words = [...step.matchAll(/"[^"]*"|\S+/g)].map(([word]) => word);
    const [first = ''] = words;
    const called = functions[first];
    const values = (called === undefined ? words : words.slice(1)).map((word) => valueAt(word, scope));
    if (called === undefined) assert.ok(values.length === 1 && piped.length === 0, `not understood: ${text}`);
    piped = [called === undefined ? values[0] : called(...values, ...piped)];
  }
  return piped[0];
}

function valueAt(word: string, scope: Scope): unknown {
  if (word.startsWith('"')) return word.slice(1, -1);
  if (/^\d+$/.test(word)) return Number(word);
  if (word === '.') return scope;
  assert.match(word, /^\.(Values|Release|Chart)\./, `not understood: ${word}`);
  return word
    .slice(1)
    .split('.')
    .reduce<unknown>((value, key) => {
      assert.ok(typeof value === 'object' && value !== null && key in value, `there is no ${word}`);
      return (value as Values)[key];
    }, scope);
}
