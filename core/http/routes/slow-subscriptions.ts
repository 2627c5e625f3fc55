/** Who is too slow for what it subscribes to. */
import { assertKnown, limitOf, limitParameter } from '../list-query.ts';
import { count, list, record, text } from '../operation.ts';
import { ofNode } from '../other-nodes.ts';
import { apiAnswer } from '../problem.ts';
import type { Route } from '../route.ts';

const query = { limit: limitParameter };

export const slowSubscriptions: Route = ofNode({
  method: 'get',
  path: '/api/v1/slow-subscriptions',
  right: 'read',
  operation: {
    summary: 'Find slow clients',
    description:
      'Clients whose connection accepts nothing, the longest blocked first, then those with the most messages waiting, connected or away.',
    query,
    answers: {
      200: {
        description: 'At most limit of them; only clients that are behind',
        schema: record({
          data: list(
            record({
              clientid: text,
              waiting: { ...count, description: 'messages that are queued or not acknowledged' },
              waiting_bytes: {
                ...count,
                description: 'of those, and bytes that its socket has not accepted',
              },
              blocked_ms: { ...count, description: 'since its socket last accepted anything; 0: it accepts' },
            }),
          ),
        }),
      },
      400: 'A parameter is invalid',
    },
  },
  handle: async ({ query: asked }, { source }) => {
    assertKnown(asked, query);
    const rows = await source.slow(limitOf(asked));
    const data = rows.map(({ clientId, waiting, waitingBytes, blockedMs }) => ({
      clientid: clientId,
      waiting,
      waiting_bytes: waitingBytes,
      blocked_ms: Math.round(blockedMs),
    }));
    return apiAnswer(200, { data });
  },
});
