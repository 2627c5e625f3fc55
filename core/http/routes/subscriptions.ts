/** Who gets this topic? The subscriptions of all clients that match it. */
import { isValidTopicName } from '../../wire/topic.ts';
import { assertKnown, limitOf, limitParameter } from '../list-query.ts';
import { page, record, text } from '../operation.ts';
import { ofNode } from '../other-nodes.ts';
import { apiAnswer, RequestFault } from '../problem.ts';
import type { Route } from '../route.ts';
import { shownSubscription, subscriptionSchemas } from './clients.ts';

const query = {
  match_topic: { description: 'A topic name', schema: text },
  limit: limitParameter,
};

export const subscriptions: Route = ofNode({
  method: 'get',
  path: '/api/v1/subscriptions',
  right: 'read',
  operation: {
    summary: 'Find the subscribers of a topic',
    description:
      'The subscriptions that match match_topic, including shared ones and those of clients that are away. meta.count is their number, also beyond the limit.',
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
    const { count, rows } = await source.matches(topic, limit);
    const data = rows.map((row) => ({ clientid: row.clientId ?? null, ...shownSubscription(row) }));
    return apiAnswer(200, { data, meta: { limit, hasnext: count > rows.length, count } });
  },
});
