import { openApiOf } from '../openapi.ts';
import { apiAnswer } from '../problem.ts';
import type { Route } from '../route.ts';

/** The description of the API, for people and programs. It reveals nothing about this broker. */
export function openApi(described: () => readonly Route[]): Route {
  return {
    method: 'get',
    path: '/api/v1/openapi.json',
    right: 'everyone',
    operation: {
      summary: 'This description',
      answers: { 200: { description: 'OpenAPI 3.1', schema: { type: 'object' } } },
    },
    handle: (_, { version }) => apiAnswer(200, openApiOf(described(), version)),
  };
}
