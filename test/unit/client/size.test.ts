import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const root = new URL('../../../../', import.meta.url);
const byteCountMax = 6_000;

test('the client has at most 6.0 KB, and the documents say how many bytes it has', () => {
  const module = readFileSync(new URL('dist/client/rally.js', root));
  const byteCount = gzipSync(module, { level: 9 }).length;
  assert.ok(byteCount <= byteCountMax, `${byteCount} bytes`);
  const figure = `${byteCount.toLocaleString('en')} bytes`;
  for (const document of ['README.md', 'docs/client.md']) {
    const text = readFileSync(new URL(document, root), 'utf8');
    assert.ok(text.includes(figure), `${document} does not say ${figure}`);
  }
});
