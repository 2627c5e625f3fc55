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
    summary: 'List the nodes of the cluster',
    description:
      'As seen by the node that answers. `isReached` is false while it is cut off from the others; `isSettled`, while slots move. A node that is `suspect` has been silent for two seconds.',
    answers: {
      200: {
        description: 'The oldest first',
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
                    waitingMs: { ...count, description: 'age of the oldest of them' },
                    framesSent: count,
                    framesResent: count,
                    bytesSent: count,
                    bytesReceived: count,
                  }),
                  description: 'from the answering node to this one; absent for itself',
                },
                log: {
                  ...record({
                    waitingBytes: { ...count, description: 'not acknowledged by JetStream' },
                    waitingMs: { ...count, description: 'age of the oldest of them' },
                    isBehind: { ...truth, description: 'messages that would have to be stored are refused' },
                  }),
                  description: 'of the answering node, with `replicas` 3',
                },
                takeOver: {
                  ...record({
                    failed: { ...count, description: 'attempts' },
                    reason: { ...text, description: 'of the last one' },
                  }),
                  description:
                    'of a lost node, whose log no node could take over yet; they keep trying, in turn',
                },
              },
              'lanes',
              'log',
              'takeOver',
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
