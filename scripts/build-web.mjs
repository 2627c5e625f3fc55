// Builds the pages into dist/web/public/, the folder that the broker serves: HTML as it is, one script and one
// style sheet for each page, minified, the client library for pages of others, and beside each file its gzip
// variant.

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const publicFolder = join(root, 'dist/web/public');

rmSync(publicFolder, { recursive: true, force: true });
cpSync(join(root, 'web/html'), publicFolder, { recursive: true });
for (const name of ['rally.js', 'rally.global.js']) {
  cpSync(join(root, 'dist/client', name), join(publicFolder, name));
}

// The pages use the client library as others do: built, and as small as that makes it.
const builtClient = {
  name: 'built-client',
  setup({ onResolve }) {
    onResolve({ filter: /\/client\/rally\.ts$/ }, () => ({ path: join(root, 'dist/client/rally.js') }));
  },
};

const { metafile } = await build({
  absWorkingDir: root,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  splitting: true, // for what a page loads after its first paint
  outdir: join(publicFolder, 'assets'),
  chunkNames: '[name]-[hash]',
  logLevel: 'warning',
  metafile: true,
  plugins: [builtClient],
  entryPoints: {
    style: 'web/shared/style.css',
    landing: 'web/landing/landing.ts',
    'centre-court': 'web/centre-court/matches.ts',
    match: 'web/centre-court/match.ts',
    umpire: 'web/centre-court/umpire.ts',
    'push-or-poll': 'web/push-or-poll/push-or-poll.ts',
    'current-cost': 'web/current-cost/current-cost.ts',
    rooms: 'web/rooms/rooms.ts',
  },
});

for (const name of readdirSync(publicFolder, { recursive: true })) {
  if (name.endsWith('.html')) preloadModules(join(publicFolder, name));
  if (!/\.(css|js|svg)$/.test(name)) continue;
  const file = join(publicFolder, name);
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
}

// What the script of a page imports is asked for together with it, and not after it.
function preloadModules(file) {
  const html = readFileSync(file, 'utf8');
  const [tag, folder, script] = /<script type="module" src="(.*)assets\/(.*)"><\/script>/.exec(html);
  const { imports } = metafile.outputs[`dist/web/public/assets/${script}`];
  const preloads = imports
    .filter(({ kind }) => kind === 'import-statement')
    .map(({ path }) => `<link rel="modulepreload" href="${folder}assets/${basename(path)}">`);
  writeFileSync(file, html.replace(tag, [tag, ...preloads].join('\n')));
}
