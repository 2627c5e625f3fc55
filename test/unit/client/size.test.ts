import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const root = new URL('../../../../', import.meta.url);
const byteCountMax = 6_144;

test('the client has at most 6 KiB, and the documents say how many bytes it has', () => {
  const module = readFileSync(new URL('dist/client/rally.js', root));
  const byteCount = gzipSync(module, { level: 9 }).length;
  assert.ok(byteCount <= byteCountMax, `${byteCount} bytes`);
  const figure = `${byteCount.toLocaleString('en')} bytes`;
  for (const document of ['README.md', 'docs/client.md']) {
    const text = readFileSync(new URL(document, root), 'utf8');
    assert.ok(text.includes(figure), `${document} does not say ${figure}`);
  }
});

test('each file of the package has its types, and a source map with the sources in it', () => {
  const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    exports: Record<string, { types: string; default: string }>;
  };
  const files = Object.entries(exports).filter(([name]) => name.startsWith('./client'));
  assert.ok(files.length > 5);
  for (const [name, { types, default: module }] of files) {
    assert.ok(existsSync(new URL(types, root)), `${name} has no types`);
    for (const script of name === './client' ? [module, module.replace('.js', '.global.js')] : [module]) {
      const [, map = ''] = /sourceMappingURL=(\S+)/.exec(readFileSync(new URL(script, root), 'utf8')) ?? [];
      const url = new URL(map, new URL(script, root));
      const { sources, sourcesContent } = JSON.parse(readFileSync(url, 'utf8')) as Record<string, string[]>;
      assert.ok(
        sources?.some((source) => source.startsWith('../../client/')),
        script,
      );
      assert.equal(sourcesContent?.length, sources?.length, script);
    }
  }
});
