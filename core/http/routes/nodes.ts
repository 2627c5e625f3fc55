/** The nodes of the cluster, as this one sees them. */
import { count, list, oneOf, record, text, truth } from '../operation.ts';
import { ofNode } from '../other-nodes.ts';
import { apiAnswer, problem } from '../problem.ts';
import type { Route } from '../route.ts';

export const nodes: Route = ofNode({
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
            record(
              {
                name: text,
                incarnation: count,
                isHere: truth,
                state: oneOf('serving', 'leaving', 'suspect'),
                workers: count,
                slots: count,
                lanes: {
                  ...record({
                    waitingBytes: { ...count, description: 'not acknowledged, or not sent yet' },
                    waitingMs: { ...count, description: 'for which the oldest of them has waited' },
                    framesSent: count,
                    framesResent: count,
                    bytesSent: count,
                    bytesReceived: count,
                  }),
                  description: 'from the node that is asked to this one; absent: it is the same',
                },
                log: {
                  ...record({
                    waitingBytes: { ...count, description: 'that JetStream has not acknowledged' },
                    waitingMs: { ...count, description: 'for which the oldest of them has waited' },
                    isBehind: { ...truth, description: 'what would have to be stored is refused' },
                  }),
                  description: 'of the node that is asked, with `replicas` 3',
                },
              },
              'lanes',
              'log',
            ),
          ),
        }),
      },
      404: 'The broker is not in a cluster',
    },
  },
  handle: (_, { source }) => {
    const figures = source.cluster();
    if (figures === undefined) return problem(404, 'This broker is not in a cluster.');
    const { epoch, isReached, isSettled, nodes: seen, lanes, replication } = figures;
    const shown = seen.map((node) => {
      const toIt = lanes.get(node.name);
      if (!node.isHere) return toIt === undefined ? node : { ...node, lanes: toIt };
      if (replication === undefined) return node;
      const { waitingBytes, waitingMs, isBehind } = replication;
      return { ...node, log: { waitingBytes, waitingMs, isBehind } };
    });
    return apiAnswer(200, { epoch, isReached, isSettled, nodes: shown });
  },
});
