import { jsonAnswer, textAnswer } from '../answer.ts';
import { sysTopic } from '../api-gate.ts';
import type { Route } from '../route.ts';

/**
 * The counters of the data plane (native/counters.h), and the CPU time of the process: for callers who may read the
 * same from $SYS.
 */
export const statistics: Route = {
  method: 'get',
  path: '/api/statistics',
  right: 'client',
  handle: (_, { source }) =>
    source.mayAnyoneReceive(sysTopic)
      ? jsonAnswer(source.statistics())
      : textAnswer('403 Forbidden', 'The rules do not allow everyone to read $SYS.\n'),
};
