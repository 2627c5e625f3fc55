/** The nodes of the cluster, as this one sees them. */
import { count, list, oneOf, record, text, truth } from '../operation.ts';
import { apiAnswer, problem } from '../problem.ts';
import type { Route } from '../route.ts';

export const nodes: Route = {
  method: 'get',
  path: '/api/v1/nodes',
  right: 'read',
  operation: {
    summary: 'The nodes of the cluster',
    description:
      'As the node that is asked sees them. `isReached` is false while it is cut off from the others; `isSettled`, while slots move. A node that is `suspect` has not been heard for two seconds.',
    answers: {
      200: {
        description: 'The longest there first',
        schema: record({
          epoch: count,
          isReached: truth,
          isSettled: truth,
          nodes: list(
            record({
              name: text,
              incarnation: count,
              isHere: truth,
              state: oneOf('serving', 'leaving', 'suspect'),
              workers: count,
              slots: count,
            }),
          ),
        }),
      },
      404: 'The broker is not in a cluster',
    },
  },
  handle: (_, { source }) => {
    const figures = source.cluster();
    if (figures === undefined) return problem(404, 'This broker is not in a cluster.');
    const { epoch, isReached, isSettled, nodes: seen } = figures;
    return apiAnswer(200, { epoch, isReached, isSettled, nodes: seen });
  },
};
