import { jsonAnswer } from '../answer.ts';
import type { Route } from '../route.ts';

/** What the data plane has counted (native/counters.h), and the CPU time of the process. */
export const statistics: Route = {
  method: 'get',
  path: '/api/statistics',
  right: 'client',
  handle: (_, { source }) => jsonAnswer(source.statistics()),
};
