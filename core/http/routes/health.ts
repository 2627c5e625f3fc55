import { jsonAnswer } from '../answer.ts';
import type { Route } from '../route.ts';

/** `{"status":"ok"}`: the process answers. */
export const health: Route = {
  method: 'get',
  path: '/healthz',
  right: 'everyone',
  handle: () => jsonAnswer({ status: 'ok' }),
};
