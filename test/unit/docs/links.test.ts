/** Every link of the documents leads somewhere, in the repository and in the package that npm installs. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '../../../..');
const { files: packed } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  'client/README.md',
  'deploy/README.md',
];

/** Links and images, but not those in code. */
function linksOf(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8')
    .replaceAll(/^```[\s\S]*?^```/gm, '')
    .replaceAll(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
}

/** As common renderers make them of headings. */
function anchorsOf(document: string): string[] {
  const text = readFileSync(join(root, document), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );
}

function isPacked(path: string): boolean {
  return packed.some((entry) => path === entry || path.startsWith(`${entry}/`));
}

for (const document of documents) {
  test(`the links of ${document} lead somewhere`, () => {
    const faults = linksOf(document)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? document : normalize(join(dirname(document), path));
        if (!existsSync(join(root, target))) return true;
        if (isPacked(document) && !isPacked(target)) return true;
        return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor);
      });
    assert.deepEqual(faults, []);
  });
}

test('no document names a path or a host of a machine that it was written on', () => {
  for (const document of documents) {
    const text = readFileSync(join(root, document), 'utf8');
    assert.doesNotMatch(text, /\/work\/|\/root\/|\/home\//, document);
  }
});
