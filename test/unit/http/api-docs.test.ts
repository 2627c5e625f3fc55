/** docs/api.md has the table of routes, with the scope of each. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { routePathOf } from '../../../core/http/route-path.ts';
import { apiRoutes } from '../../../core/http/routes.ts';

test('docs/api.md has each route with its scope, and no other', () => {
  const text = readFileSync(new URL('../../../../docs/api.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| `((?:GET|POST|PUT|DELETE) [^`]+)` \| (\S+) \|/gm)].map(
    ([, route, scope]) => `${route} ${scope}`,
  );
  assert.deepEqual(
    rows.sort(),
    apiRoutes
      .map(({ method, path, right }) => {
        const scope = right === 'everyone' ? '-' : right;
        return `${method.toUpperCase()} ${routePathOf(path).shown} ${scope}`;
      })
      .sort(),
  );
});
