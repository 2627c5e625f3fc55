/** Clients that are too slow for their subscriptions. */
import { dropReasons } from '../../data-plane/addon.ts';
import { shownDropReason } from '../../front-end/client-event-details.ts';
import { assertKnown, limitOf, limitParameter } from '../list-query.ts';
import { count, list, oneOf, record, text, time, truth } from '../operation.ts';
import { ofNode } from '../other-nodes.ts';
import { apiAnswer, RequestFault } from '../problem.ts';
import type { Route, SlowOrder } from '../route.ts';

const query = {
  limit: limitParameter,
  sort: {
    description:
      'delay: the longest blocked first, then those with the most bytes waiting; drops: those that did not get most messages',
    schema: { enum: ['delay', 'drops'], default: 'delay' },
  },
};

const dropWords = dropReasons.filter((why) => why !== 'none' && why !== 'withheld').map(shownDropReason);

export const slowSubscriptions: Route = ofNode({
  method: 'get',
  path: '/api/v1/slow-subscriptions',
  right: 'read',
  operation: {
    summary: 'Find slow clients',
    description:
      'Clients whose connection accepts nothing, for which 5 KiB of messages or more wait, or that did not get messages in the last hour, connected or away.',
    query,
    answers: {
      200: {
        description: 'At most limit of them; only clients that are behind',
        schema: record({
          data: list(
            record(
              {
                clientid: text,
                connected: truth,
                waiting: { ...count, description: 'messages that are queued or not acknowledged' },
                waiting_bytes: {
                  ...count,
                  description: 'of those, and bytes that its socket has not accepted',
                },
                blocked_ms: {
                  ...count,
                  description: 'since its socket last accepted anything; 0: it accepts',
                },
                dropped: {
                  ...count,
                  description: 'messages that it did not get, as long as its events are kept',
                },
                dropped_at: { ...time, description: 'the last of them' },
                drop_reason: { ...oneOf(...dropWords), description: 'why the last one was dropped' },
              },
              'waiting',
              'waiting_bytes',
              'blocked_ms',
              'dropped_at',
              'drop_reason',
            ),
          ),
        }),
      },
      400: 'A parameter is invalid',
    },
  },
  handle: async ({ query: asked }, { source }) => {
    assertKnown(asked, query);
    const rows = await source.slow(limitOf(asked), orderOf(asked.get('sort')));
    const data = rows.map(({ clientId, isConnected, waiting, waitingBytes, blockedMs, drops }) => ({
      clientid: clientId,
      connected: isConnected,
      ...(blockedMs === undefined
        ? {}
        : { waiting, waiting_bytes: waitingBytes, blocked_ms: Math.round(blockedMs) }),
      dropped: drops?.messages ?? 0,
      ...(drops === undefined
        ? {}
        : { dropped_at: new Date(drops.atMs).toISOString(), drop_reason: drops.reason }),
    }));
    return apiAnswer(200, { data });
  },
});

function orderOf(sort: string | null): SlowOrder {
  if (sort === null || sort === 'delay' || sort === 'drops') return sort ?? 'delay';
  throw new RequestFault(400, 'sort must be delay or drops.');
}
