// Bundles the client library from its sources into dist/client/, each entry as an ES module of its own and the
// client itself as a classic script too. The declarations beside them are tsc's. esbuild bundles, terser makes
// it small: it puts functions in the place of their only call, which esbuild does not.

import { mkdir, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { build } from 'esbuild';
import { minify } from 'terser';

const root = resolve(import.meta.dirname, '..');
const outdir = 'dist/client';
const addOns = ['respond', 'state', 'outbox', 'mqtt-3', 'scram', 'share', 'shared-worker', 'renew'];

// The client is not in the add-ons: those that use it, or its error, import it from beside them.
const clientBeside = {
  name: 'client-beside',
  setup(build) {
    build.onResolve({ filter: /^\.\/rally(-error)?\.ts$/ }, () => ({ path: './rally.js', external: true }));
  },
};

// core/wire/profile.ts says what this leaves out.
const pageProfile = {
  name: 'page-profile',
  setup(build) {
    const path = resolve(root, 'core/wire/profile-page.ts');
    build.onResolve({ filter: /\/profile\.ts$/ }, () => ({ path }));
  },
};

// Properties that only the client's own files know; none is a name of the language or of the page.
const internalNames = `
  accepted answer awaits binary body closed connected deliver disconnect end ended engine fail fault finish frame
  granted hasRoom header ids isDone isFinal link listeners lost newSubscriptionId offset open options packet packetId
  payload ping protocolVersion reasonCodes received refusal remaining requestCount restore resume server string stringPair
  subscription subscriptions succeed take toFrame topicFilter topicFilters uint8 uint16 uint32 variableByteInteger why withdraw`;

// Terser gives the names of other properties from the small letters on.
const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

const shared = {
  absWorkingDir: root,
  bundle: true,
  sourcemap: true,
  target: 'es2022',
  outdir,
  logLevel: 'warning',
};

/** The client itself, of MQTT 5 alone and as small as it gets. */
async function buildClient(name, options) {
  const { outputFiles } = await build({
    ...shared,
    ...options,
    entryPoints: [{ in: 'client/rally.ts', out: name }],
    minifySyntax: true,
    plugins: [pageProfile],
    write: false,
  });
  const [map, script] = outputFiles;
  const text = withoutPrivateNames(script.text.replace(/\n\/\/# sourceMappingURL=.*\n$/, ''));
  const { code, map: smallMap } = await minify(text, {
    module: options.format === 'esm',
    ecma: 2020,
    compress: {
      passes: 4,
      unsafe: true,
      unsafe_arrows: true,
      unsafe_methods: true,
      keep_fargs: false,
      pure_getters: true,
      inline: 1,
      hoist_funs: true,
      unsafe_comps: true,
      hoist_props: false,
      lhs_constants: false,
      arrows: false,
      sequences: false,
    },
    mangle: {
      properties: {
        regex: new RegExp(`^(?:${internalNames.trim().split(/\s+/).join('|')}|_\\w+)$`),
        keep_quoted: true,
        builtins: true,
      },
    },
    nameCache: { props: { props: shortNames(text) } },
    format: { ecma: 2020 },
    sourceMap: { content: map.text, filename: basename(script.path), url: basename(map.path) },
  });
  await writeFile(script.path, `${code}\n`);
  await writeFile(map.path, smallMap);
}

/**
 * Makes private members ordinary ones, `_name`, which the minifier can shorten: the compiler has seen to it that they
 * are private. Members without a value come to be when they are set, and constructors that do nothing are not needed.
 * Every line and column stays where it is, for the source map.
 */
function withoutPrivateNames(text) {
  return text
    .replaceAll(/(?<=[.* ])#(?=\w)/g, '_')
    .replaceAll(/^ {2}\w+;$/gm, '')
    .replaceAll(/^ {2}constructor\([^)]*\) {\n(?: {4}!1;\n)? {2}}$/gm, (lines) =>
      lines.replace(/[^\n]+/g, ''),
    );
}

/** Names of one letter for them. Those of different classes share letters, which makes the code more alike. */
function shortNames(text) {
  const classes = text.split(/\bclass (?:extends \w+ )?\{$/m).slice(1);
  const memberSets = classes.map((code) => new Set(code.match(/\b_[a-z]\w+/g)));
  const counts = new Map();
  for (const [name] of text.matchAll(/\b_[a-z]\w+/g)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const names = {};
  for (const name of [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one))) {
    const besides = memberSets.filter((members) => members.has(name)).flatMap((members) => [...members]);
    const taken = besides.map((other) => names[`$${other}`]);
    names[`$${name}`] = letters.find((letter) => !taken.includes(letter));
  }
  return names;
}

await mkdir(resolve(root, outdir), { recursive: true });
await Promise.all([
  build({
    ...shared,
    format: 'esm',
    minify: true,
    plugins: [clientBeside],
    entryPoints: addOns.map((name) => `client/${name}.ts`),
  }),
  buildClient('rally', { format: 'esm' }),
  buildClient('rally.global', { format: 'iife', globalName: 'Rally' }),
]);
