/** The recipients of a topic: all matching subscriptions of all clients. */
import { isValidTopicName } from '../../wire/topic.ts';
import { assertKnown, cursorParameter, limitOf, limitParameter, pageBody } from '../list-query.ts';
import { page, record, text } from '../operation.ts';
import { ofNode } from '../other-nodes.ts';
import { apiAnswer, RequestFault } from '../problem.ts';
import type { MatchesPlace, Route } from '../route.ts';
import { openedCursor, sealedCursor } from '../sealed-cursor.ts';
import { shownSubscription, subscriptionSchemas } from './clients.ts';

const query = {
  match_topic: { description: 'A topic name', schema: text },
  limit: limitParameter,
  cursor: cursorParameter,
};

const listName = 'subscriptions';

export const subscriptions: Route = ofNode({
  method: 'get',
  path: '/api/v1/subscriptions',
  right: 'read',
  operation: {
    summary: 'Find the subscribers of a topic',
    description:
      'The subscriptions that match match_topic, including shared ones and those of clients that are away. meta.count is the number on all pages.',
    query,
    answers: {
      200: {
        description: 'The subscriptions. clientid is null for the program that embeds the broker.',
        schema: page(record({ clientid: { type: ['string', 'null'] }, ...subscriptionSchemas })),
      },
      400: 'A parameter is invalid',
    },
  },
  handle: async ({ query: given }, { source }) => {
    assertKnown(given, query);
    const limit = limitOf(given);
    const topic = given.get('match_topic') ?? '';
    if (!isValidTopicName(topic))
      throw new RequestFault(400, 'Give match_topic=TOPIC, a topic name without wildcards.');
    const from = openedCursor<MatchesPlace>(listName, given);
    const { count, rows, next } = await source.matches(topic, limit, from);
    const data = rows.map((row) => ({ clientid: row.clientId ?? null, ...shownSubscription(row) }));
    const cursor = next && sealedCursor(listName, next);
    return apiAnswer(200, pageBody(data, limit, cursor, { count }));
  },
});
