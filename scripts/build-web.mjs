// Builds the pages into dist/web/public/, the folder that the broker serves: each page of web/html in the layout
// of web/layout.html, one script and one style sheet per page, minified, and the client library for other people's
// pages. Compressible files get gzip and Brotli variants beside them, so that the broker only reads.

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { docsPages } from './docs-pages.mjs';

const root = resolve(import.meta.dirname, '..');
const publicFolder = join(root, 'dist/web/public');

rmSync(publicFolder, { recursive: true, force: true });
cpSync(join(root, 'web/html'), publicFolder, { recursive: true });
for (const name of readdirSync(join(root, 'dist/client'))) {
  if (/\.js(\.map)?$/.test(name)) cpSync(join(root, 'dist/client', name), join(publicFolder, name));
}
for (const { path, title, description, html } of docsPages()) {
  const facts = { title: `${title} · RallyMQ`, description, script: 'docs' };
  mkdirSync(join(publicFolder, path), { recursive: true });
  writeFileSync(join(publicFolder, path, 'index.html'), `<!-- ${JSON.stringify(facts)} -->\n${html}`);
}
cpSync(join(root, 'docs/images'), join(publicFolder, 'docs/images'), { recursive: true });

// The pages use the client library like everyone else: built and minified.
const builtClient = {
  name: 'built-client',
  setup({ onResolve }) {
    onResolve({ filter: /\/client\/(rally|mqtt-3)\.ts$/ }, ({ path }) => ({
      path: join(root, 'dist/client', basename(path).replace('.ts', '.js')),
    }));
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
    docs: 'web/docs/docs.ts',
    dashboard: 'web/dashboard/dashboard.ts',
  },
});

const demos = {
  'demos/centre-court/': 'Centre Court',
  'demos/push-or-poll/': 'Push or poll',
  'demos/current-cost/': 'Current Cost',
  'demos/rooms/': 'Rooms',
};
const dashboardViews = {
  '#overview': 'Overview',
  '#clients': 'Clients',
  '#topics': 'Topics',
  '#slow': 'Slow',
  '#traces': 'Traces',
  '#nodes': 'Nodes',
  '#bans': 'Bans',
  '#publish': 'Console',
  '#settings': 'Config',
};

// The frame around a page, selected by its `frame`.
const frames = {
  demos: {
    navLabel: 'Demos',
    nav: navigation,
    tools: '',
    foot: `Served by <a href="{{root}}">RallyMQ</a>, with a <a href="{{root}}docs/client/">6 KB client library</a> for pages.
<a href="{{root}}docs/">Documentation</a>, <a href="{{root}}dashboard/">dashboard</a>`,
  },
  dashboard: {
    navLabel: 'Dashboard',
    nav: () => Object.entries(dashboardViews).map(linkOf).join('\n'),
    tools: '<button type="button" class="plain" id="sign-out">Sign out</button>',
    foot: `Served by <a href="{{root}}">RallyMQ</a>, from its <a href="{{root}}api/v1/openapi.json">HTTP API</a>. <a href="{{root}}docs/operating/">About the dashboard</a>`,
  },
};
const layout = readFileSync(join(root, 'web/layout.html'), 'utf8');

for (const name of readdirSync(publicFolder, { recursive: true })) {
  const file = join(publicFolder, name);
  if (name.endsWith('.html')) writeFileSync(file, pageOf(name, readFileSync(file, 'utf8')));
  if (/\.(html|css|js|map|svg|webmanifest)$/.test(name)) compress(file);
}

// A page begins with its title, description and script as JSON in a comment; {{root}} is the root of the site.
function pageOf(name, text) {
  const [comment, facts] = /^<!-- (\{.*\}) -->\n/.exec(text);
  const { title, description, script, frame = 'demos' } = JSON.parse(facts);
  const fromRoot = name.slice(0, -'index.html'.length);
  const toRoot = relative(fromRoot, '') === '' ? './' : `${relative(fromRoot, '')}/`;
  const parts = {
    title,
    description,
    script,
    ...frames[frame],
    nav: frames[frame].nav(fromRoot, toRoot),
    preloads: preloads(script, toRoot),
    content: text.slice(comment.length).trim(),
  };
  return layout
    .replace(/\{\{(\w+)\}\}/g, (whole, part) => parts[part] ?? whole) // once, since a document may contain such marks
    .replaceAll('{{root}}', toRoot);
}

function linkOf([path, title]) {
  return `<a href="${path}">${title}</a>`;
}

function navigation(fromRoot, toRoot) {
  const links = Object.entries(demos).map(([path, title]) => {
    const current = fromRoot.startsWith(path) ? ' aria-current="page"' : '';
    return `<a href="${toRoot}${path}"${current}>${title}</a>`;
  });
  return links.join('\n');
}

// The imports of a page's script are requested together with it, not after it.
function preloads(script, toRoot) {
  const { imports } = metafile.outputs[`dist/web/public/assets/${script}.js`];
  return imports
    .filter(({ kind }) => kind === 'import-statement')
    .map(({ path }) => `<link rel="modulepreload" href="${toRoot}assets/${basename(path)}">`)
    .join('\n');
}

function compress(file) {
  const body = readFileSync(file);
  writeFileSync(`${file}.gz`, gzipSync(body, { level: 9 }));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  writeFileSync(`${file}.br`, brotliCompressSync(body, { params }));
}
