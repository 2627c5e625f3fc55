/** The OpenAPI 3.1 description of the API. It is made from the table of routes, so the two always agree. */
import { apiScopes } from '../security/api-scope.ts';
import type { Operation, Parameter } from './operation.ts';
import type { Status } from './problem.ts';
import type { Right, Route } from './route.ts';
import { nameParameters, routePathOf } from './route-path.ts';

const problemContent = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };

const malformedPath = 'The path is not UTF-8, percent-encoded';
const common = {
  401: 'There are no credentials, or they are invalid',
  403: 'The API is closed, or the caller may not do this',
  503: 'The broker is busy or stopping',
} as const satisfies Partial<Record<Status, string>>;

export function openApiOf(routes: readonly Route[], version: string): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { method, path, right, operation } of routes) {
    if (operation === undefined) continue;
    const { shown, parameters } = routePathOf(path);
    paths[shown] = { ...paths[shown], [method]: described(operation, method, shown, parameters, right) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'RallyMQ',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'The HTTP API of RallyMQ, an MQTT broker for the web. Start the broker with `--api-keys FILE`; `rallymq api-key add FILE NAME --scopes LIST` creates a key; with `--user` it gives scopes to a user of the broker.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: `An API key, or the token (JWT) of a user. It has some of the scopes ${apiScopes.join(', ')}. Each operation names the one that it needs.`,
        },
        user: {
          type: 'http',
          scheme: 'basic',
          description: 'The name and password of a user of the broker.',
        },
      },
      schemas: { Problem: problemSchema },
    },
  };
}

const problemSchema = {
  type: 'object',
  description: 'RFC 9457; detail is a sentence that says what to do',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
  },
};

function described(
  { summary, description, query = {}, headers = {}, body, answers }: Operation,
  method: string,
  shown: string,
  pathParameters: readonly string[],
  right: Right,
): Readonly<Record<string, unknown>> {
  const isOpen = right === 'everyone';
  const ofPath = pathParameters.length === 0 ? {} : { 400: malformedPath };
  const all = { ...ofPath, ...answers, ...(isOpen ? {} : common) };
  const parameters = [
    ...pathParameters.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...pathParameters.filter((name) => nameParameters.includes(name)).map(inQueryInstead),
    ...Object.entries(query).map(parameterIn('query')),
    ...Object.entries(headers).map(parameterIn('header')),
  ];
  return {
    operationId: operationIdOf(method, shown),
    summary,
    description: [description, isOpen ? undefined : `Scope: ${right}.`]
      .filter((one) => one !== undefined)
      .join(' '),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: Object.fromEntries(Object.entries(all).map(responseOf)),
    security: isOpen ? [] : [{ key: [] }, { user: [] }],
  };
}

/** See route-path.ts. */
function inQueryInstead(name: string) {
  const description = `The name, if the path has - in its place: for '.' and '..', which programs remove from paths`;
  return { name, in: 'query', description, schema: { type: 'string' } };
}

function parameterIn(place: 'query' | 'header') {
  return ([name, { description, schema }]: readonly [string, Parameter]) => ({
    name,
    in: place,
    description,
    schema,
  });
}

function responseOf([status, answer]: readonly [string, Operation['answers'][Status]]): readonly [
  string,
  unknown,
] {
  if (typeof answer === 'object') {
    const { contentType = 'application/json', description, schema } = answer;
    return [status, { description, content: { [contentType]: { schema } } }];
  }
  return [status, { description: answer, ...(Number(status) >= 400 ? { content: problemContent } : {}) }];
}

/** For example getClientsClientidEvents. */
function operationIdOf(method: string, shown: string): string {
  const words = shown.replace('/api/v1/', '').split(/[^a-zA-Z]+/);
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}
