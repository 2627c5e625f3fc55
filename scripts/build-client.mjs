// Bundles the client library from its sources into dist/client/: each entry as its own ES module, and the client itself
// also as a classic script. tsc writes the declarations beside them. esbuild bundles, and terser minifies: unlike
// esbuild, it inlines functions with a single call.

import { mkdir, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { build } from 'esbuild';
import { minify } from 'terser';

const root = resolve(import.meta.dirname, '..');
const outdir = 'dist/client';
const addOns = [
  'respond',
  'state',
  'outbox',
  'mqtt-3',
  'scram',
  'share',
  'shared-worker',
  'renew',
  'explain',
];

// The add-ons do not contain the client: they import it, or its error, from beside them.
const clientBeside = {
  name: 'client-beside',
  setup(build) {
    build.onResolve({ filter: /^\.\/rally(-error)?\.ts$/ }, () => ({ path: './rally.js', external: true }));
  },
};

// Loaded on demand.
const explainBeside = {
  name: 'explain-beside',
  setup(build) {
    build.onResolve({ filter: /^\.\/explain\.ts$/ }, () => ({ path: './explain.js', external: true }));
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

// Properties known only to the client's own files, by object: names within one object get different letters. Those of
// classes, which are named as in the sources, share them with the private members of the class. None is a name of the
// language or of the page.
const internalNames = Object.entries({
  Reader:
    'fault fail finish take remaining uint8 uint16 uint32 variableByteInteger string stringPair binary packetId',
  FrameReader: '',
  Connection: 'server hasRoom open ping disconnect end',
  ClientEngine: 'requestCount newSubscriptionId withdraw connected lost end resume received',
  Session: 'refusal engine closed restore deliver',
  Rally: '',
  write: 'uint8 uint16 uint32 variableByteInteger string stringPair binary',
  // isProtocolError() looks for `why` in all of these.
  frameOrPacket:
    'why header body payload packetId subscriptions topicFilter topicFilters reasonCodes protocolVersion isNew',
  connectionOwner: 'accepted ended',
  request: 'awaits toFrame packetId succeed fail',
  filter: 'topicFilter listeners options ids',
  receiver: 'subscription granted deliver end',
}).map(([object, names]) => ({ object, names: names.split(' ').filter(Boolean) }));

// In Terser's order of assigning them to variables: equal spellings compress better.
const letters = [...'tiesrnohalucpfdwybmvgkqxzj'];

const shared = {
  absWorkingDir: root,
  bundle: true,
  sourcemap: true,
  target: 'es2022',
  outdir,
  logLevel: 'warning',
};

/** The client itself, MQTT 5 only and as small as possible. */
async function buildClient(name, options) {
  const { outputFiles } = await build({
    ...shared,
    ...options,
    entryPoints: [{ in: 'client/rally.ts', out: name }],
    minifySyntax: true,
    plugins: [pageProfile, explainBeside],
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
      booleans_as_integers: true,
      arrows: false,
      sequences: false,
    },
    mangle: {
      reserved: ['RallyError'], // Node.js shows the class name too
      properties: {
        regex: new RegExp(`^(?:${internalNames.flatMap(({ names }) => names).join('|')}|_\\w+)$`),
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
 * Turns private members into ordinary ones, `_name`, which the minifier can shorten: the compiler has verified that
 * they are private. Members without a value are created when they are set, and constructors that do nothing are
 * removed. Every line and column stays in place, for the source map.
 */
function withoutPrivateNames(text) {
  return text
    .replaceAll(/(?<=[.* ])#(?=\w)/g, '_')
    .replaceAll(/^ {2}\w+;$/gm, '')
    .replaceAll(/^ {2}constructor\([^)]*\) {\n(?: {4}!1;\n)? {2}}$/gm, (lines) =>
      lines.replace(/[^\n]+/g, ''),
    );
}

/** One-letter names, the most frequent property first. Properties of different objects share letters. */
function shortNames(text) {
  const [, ...classes] = text.split(/\b(\w+) = class (?:extends \w+ )?\{$/m);
  const memberSets = internalNames.map(({ object, names }) => {
    const code = classes[classes.indexOf(object) + 1];
    return new Set(classes.includes(object) ? [...names, ...(code.match(/\b_[a-z]\w+/g) ?? [])] : names);
  });
  const counts = new Map();
  for (const [name] of text.matchAll(/\b_?[a-z]\w+/g)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const members = [...new Set(memberSets.flatMap((set) => [...set]))].filter((name) => counts.has(name));
  const names = {};
  for (const name of members.sort((one, other) => counts.get(other) - counts.get(one))) {
    const besides = memberSets.filter((set) => set.has(name)).flatMap((set) => [...set]);
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
