// Bundles the client library from its sources into dist/client/, each entry as an ES module of its own and the
// client itself as a classic script too. The declarations beside them are tsc's. esbuild bundles, terser makes
// it small: it puts functions in the place of their only call, which esbuild does not.

import { mkdir, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { build } from 'esbuild';
import { minify } from 'terser';
import { specialiseWire } from './specialise-wire.mjs';

const root = resolve(import.meta.dirname, '..');
const outdir = 'dist/client';
const addOns = ['respond', 'state', 'outbox', 'mqtt-3', 'share', 'shared-worker'];

// The client is not in the add-ons: those that use it import it from beside them.
const clientBeside = {
  name: 'client-beside',
  setup(build) {
    build.onResolve({ filter: /^\.\/rally\.ts$/ }, () => ({ path: './rally.js', external: true }));
  },
};

// Properties that only the client's own files know; none is a name of the language or of the page.
const internalNames = `
  accepted closed connected deliver disconnect end ended fail fault finish frame granted header ids isFinal isReleased listeners lost
  body offset open options packet packetId payload ping protocolVersion reasonCodes received remaining server subscription
  subscriptions succeed topicFilter topicFilters why`;

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
    // core/wire checks of what it can read whether the specification allows it; a client need not.
    dropLabels: ['strict'],
    plugins: [specialiseWire()],
    write: false,
  });
  const [map, script] = outputFiles;
  const text = withoutEmptyMembers(script.text.replace(/\n\/\/# sourceMappingURL=.*\n$/, ''));
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
      lhs_constants: false,
      arrows: false,
      sequences: false,
    },
    mangle: {
      properties: {
        regex: new RegExp(`^(?:${internalNames.trim().split(/\s+/).join('|')})$`),
        keep_quoted: true,
        builtins: true,
      },
    },
    format: { ecma: 2020 },
    sourceMap: { content: map.text, filename: basename(script.path), url: basename(map.path) },
  });
  await writeFile(script.path, `${code}\n`);
  await writeFile(map.path, smallMap);
}

/**
 * Leaves out, and leaves blank lines for, what the dropped checks leave behind: private fields that nothing reads
 * and constructors that do nothing. Public fields without a value come to be when they are set.
 */
function withoutEmptyMembers(text) {
  return text
    .replaceAll(/^ {2}(#?\w+);$/gm, (line, name) =>
      name.startsWith('#') && text.split(name).length > 2 ? line : '',
    )
    .replaceAll(/^ {2}constructor\([^)]*\) {\n {2}}$/gm, '\n');
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
