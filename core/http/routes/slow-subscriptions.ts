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
      'Clients whose connection takes nothing, the one that has for longest first, then those for which most waits, away or connected.',
    query,
    answers: {
      200: {
        description: 'At most limit of them; who is as it should be is not among them',
        schema: record({
          data: list(
            record({
              clientid: text,
              waiting: { ...count, description: 'messages that wait, or are not acknowledged' },
              waiting_bytes: { ...count, description: 'of those, and that its socket has not taken' },
              blocked_ms: { ...count, description: 'for which its socket takes nothing; 0: it takes' },
            }),
          ),
        }),
      },
      400: 'A parameter is not right',
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
