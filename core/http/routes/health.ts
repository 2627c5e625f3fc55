/** Health checks for process supervisors: is it alive, is it ready for clients, is it fully functional? */
import { jsonAnswer } from '../answer.ts';
import { apiAnswer } from '../problem.ts';
import type { Route } from '../route.ts';

/** `{"status":"ok"}`: the process answers. `degraded` with a reason: it accepts less than it should. */
export const health: Route = {
  method: 'get',
  path: '/healthz',
  right: 'everyone',
  isAlwaysAnswered: true,
  handle: (_request, { source }) => {
    const reason = source.trouble();
    return jsonAnswer(reason === undefined ? { status: 'ok' } : { status: 'degraded', reason });
  },
};

/** 200: the main thread runs its event loop. */
export const liveness: Route = {
  method: 'get',
  path: '/livez',
  right: 'everyone',
  isAlwaysAnswered: true,
  handle: () => jsonAnswer({ status: 'ok' }),
};

/** 503 with a reason: a load balancer should send clients elsewhere. */
export const readiness: Route = {
  method: 'get',
  path: '/readyz',
  right: 'everyone',
  isAlwaysAnswered: true,
  handle: (_request, { source }) => {
    const reason = source.unreadiness();
    return reason === undefined
      ? jsonAnswer({ status: 'ready' })
      : apiAnswer(503, { status: 'not ready', reason });
  },
};
