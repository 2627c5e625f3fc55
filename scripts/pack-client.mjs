// Fills client/dist with the contents of the package rallymq-client: the scripts, their source maps, and the
// declarations reachable from the public ones. Called by `npm pack` and `npm publish`, after npm run build has
// created the files.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const { exports } = JSON.parse(readFileSync(join(root, 'client/package.json'), 'utf8'));

rmSync(join(root, 'client/dist'), { recursive: true, force: true });
const declarations = new Set();
for (const entry of Object.values(exports)) {
  const script = entry.default ?? entry;
  if (!script.endsWith('.js')) continue;
  copy(script);
  copy(`${script}.map`);
  if (entry.types) follow(entry.types);
}
for (const path of declarations) copy(path);
cpSync(join(root, 'LICENSE'), join(root, 'client/LICENSE'));

/** The declarations imported by one, wherever they are. */
function follow(path) {
  if (declarations.has(path)) return;
  declarations.add(path);
  const text = readFileSync(join(root, path), 'utf8');
  for (const [, specifier] of text.matchAll(/(?:from|import\()\s*['"](\.[^'"]+)['"]/g)) {
    follow(`./${join(dirname(path), specifier).replace(/\.(ts|js)$/, '.d.ts')}`);
  }
}

function copy(path) {
  const from = join(root, path);
  if (!existsSync(from)) throw new Error(`${path} is not built: run npm run build first`);
  const to = join(root, 'client', path);
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
}
