import { jsonAnswer } from '../answer.ts';
import type { Route } from '../route.ts';

/** `{"status":"ok"}`: the process answers. `degraded` with a reason: it takes less than it should. */
export const health: Route = {
  method: 'get',
  path: '/healthz',
  right: 'everyone',
  handle: (_question, { source }) => {
    const reason = source.trouble();
    return jsonAnswer(reason === undefined ? { status: 'ok' } : { status: 'degraded', reason });
  },
};
