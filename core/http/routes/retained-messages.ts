/** Retained messages: the list, and each by its topic. Reading and publishing are subject to the rules. */
import { isReservedTopic, isSharedFilter, isValidTopicFilter, isValidTopicName } from '../../wire/topic.ts';
import { assertKnown, cursorParameter, limitOf, limitParameter, pageBody } from '../list-query.ts';
import { contentSchema, messageOf, objectOf, retainedSchema, shownMessage } from '../message-body.ts';
import { count, oneOf, page, record, text } from '../operation.ts';
import { ofNode, whereverItIs } from '../other-nodes.ts';
import { apiAnswer, noContent, problem, RequestFault } from '../problem.ts';
import type { RetainedPlace, Route, RouteContext, RouteRequest } from '../route.ts';
import { openedCursor, sealedCursor } from '../sealed-cursor.ts';
import { publishOne, shownCaller } from './publish.ts';

const path = '/api/v1/retained/{topic+}';
const noMessage = 'No message is retained there';
const notAllowed = 'The topic is invalid';

const query = {
  topic: { description: "A topic filter; default '#'", schema: text },
  limit: limitParameter,
  cursor: cursorParameter,
};

const listName = 'retained';

export const retainedList: Route = ofNode({
  method: 'get',
  path: '/api/v1/retained',
  right: 'read',
  operation: {
    summary: 'List retained messages',
    description:
      'Without their payloads. A page may have fewer rows than the limit, or none, and a next page: the search took too long.',
    query,
    answers: {
      200: {
        description: 'Topics',
        schema: page(record({ topic: text, payload_size: count, qos: oneOf(0, 1, 2) })),
      },
      400: 'A parameter is invalid',
    },
  },
  handle: async ({ query: given, caller }, { source }) => {
    assertKnown(given, query);
    const limit = limitOf(given);
    const filter = given.get('topic') ?? '#';
    if (!isValidTopicFilter(filter) || isSharedFilter(filter))
      throw new RequestFault(400, 'topic must be a topic filter, such as sensors/+/temperature.');
    const from = openedCursor<RetainedPlace>(listName, given);
    const { rows, next } = await source.retainedTopics(filter, limit, from);
    const data = rows
      .filter(({ topic }) => caller !== undefined && source.mayReceive(caller, topic))
      .map(({ topic, payloadBytes, qos }) => ({ topic, payload_size: payloadBytes, qos }));
    return apiAnswer(200, pageBody(data, limit, next && sealedCursor(listName, next)));
  },
});

export const retainedMessage: Route = whereverItIs({
  method: 'get',
  path,
  right: 'read',
  operation: {
    summary: 'Get the retained message of a topic',
    answers: { 200: { description: 'The message', schema: retainedSchema }, 400: notAllowed, 404: noMessage },
  },
  handle: async (request, context) => {
    const topic = topicOf(request, context, 'mayReceive');
    const message = await context.source.retained(topic);
    return message === undefined ? problem(404, `${noMessage}.`) : apiAnswer(200, shownMessage(message));
  },
});

export const putRetained: Route = {
  method: 'put',
  path,
  right: 'publish',
  takesBody: true,
  operation: {
    summary: 'Publish a retained message',
    description: 'Subscribers get it too. The default QoS is 1.',
    body: contentSchema,
    answers: { 204: 'The message is retained', 400: 'The message is invalid' },
  },
  handle: async (request, context) => {
    const topic = topicOf(request, context, 'mayPublish');
    const given = objectOf(request.body, 'The body');
    const message = messageOf({ qos: 1, ...given, topic, retain: true });
    if (message.payload.length === 0)
      throw new RequestFault(400, 'An empty payload retains nothing: use DELETE to remove the message.');
    await publishOne(message, context);
    return noContent();
  },
};

export const deleteRetained: Route = {
  method: 'delete',
  path,
  right: 'publish',
  operation: {
    summary: 'Delete the retained message of a topic',
    description: 'With an empty retained message, which subscribers get too.',
    answers: { 204: 'Nothing is retained there now', 400: notAllowed, 404: noMessage },
  },
  handle: async (request, context) => {
    const topic = topicOf(request, context, 'mayPublish');
    if ((await context.source.retained(topic)) === undefined) return problem(404, `${noMessage}.`);
    await publishOne({ topic, payload: new Uint8Array(), options: { qos: 1, retain: true } }, context);
    return noContent();
  },
};

const actions = { mayReceive: 'read', mayPublish: 'publish to' } as const;

function topicOf(
  { parameters, caller }: RouteRequest,
  { source }: RouteContext,
  right: 'mayReceive' | 'mayPublish',
): string {
  const { topic = '' } = parameters;
  const isRight = isValidTopicName(topic) && (right === 'mayReceive' || !isReservedTopic(topic));
  if (!isRight) throw new RequestFault(400, 'Give a topic name, percent-encoded where a URL needs it.');
  if (caller !== undefined && source[right](caller, topic)) return topic;
  throw new RequestFault(
    403,
    `The rules do not allow ${shownCaller(caller)} to ${actions[right]} the topic '${topic.slice(0, 100)}'.`,
  );
}
