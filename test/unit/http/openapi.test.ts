import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routePathOf } from '../../../core/http/route-path.ts';
import { apiRoutes } from '../../../core/http/routes.ts';
import { ask, siteWith } from '../../support/api-site.ts';

interface Described {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
  readonly security: readonly unknown[];
}

test('the description has every route of the API, and nothing else', async () => {
  const { status, body } = await ask(siteWith(), '/api/v1/openapi.json', { key: undefined });
  assert.equal(status, 200);
  const { openapi, paths } = body as { openapi: string; paths: Record<string, Record<string, Described>> };
  assert.equal(openapi, '3.1.0');
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  assert.deepEqual(
    described.sort(),
    apiRoutes.map(({ method, path }) => `${method} ${routePathOf(path).shown}`).sort(),
  );
  const ids = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  assert.equal(new Set(ids).size, ids.length);
  for (const { method, path, right, takesBody } of apiRoutes) {
    const { shown, parameters } = routePathOf(path);
    const operation = paths[shown]?.[method] as Described;
    assert.deepEqual(
      (operation.parameters ?? []).filter((each) => each.in === 'path').map(({ name }) => name),
      parameters,
    );
    assert.equal(operation.requestBody !== undefined, takesBody === true, shown);
    assert.equal(operation.security.length, right === 'everyone' ? 0 : 2);
    assert.ok(operation.summary.length > 5);
    for (const { description } of Object.values(operation.responses)) assert.ok(description.length > 5);
  }
});
