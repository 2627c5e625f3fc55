/** Subscriptions that an operator makes for a client, as if the client had requested them. In EMQX's terms. */
import { reasonSentence } from '../../front-end/reason-strings.ts';
import { ReasonCode } from '../../wire/reason-code.ts';
import { reasonCodeName } from '../../wire/reason-code-name.ts';
import { isSharedFilter, isValidTopicFilter } from '../../wire/topic.ts';
import { assertKnown } from '../list-query.ts';
import { objectOf } from '../message-body.ts';
import { oneOf, record, text } from '../operation.ts';
import { whereverItIs } from '../other-nodes.ts';
import { apiAnswer, noContent, problem, quoted, RequestFault } from '../problem.ts';
import type { Route, RouteContext, RouteRequest } from '../route.ts';
import { hasSession, stateOf } from './clients.ts';

const optionSchemas = {
  qos: { enum: [0, 1, 2], default: 0 },
  nl: { enum: [0, 1], default: 0, description: 'No Local' },
  rap: { enum: [0, 1], default: 0, description: 'Retain As Published' },
  rh: { enum: [0, 1, 2], default: 0, description: 'Retain Handling' },
} as const;
const optionNames = Object.keys(optionSchemas) as (keyof typeof optionSchemas)[];

const path = '/api/v1/clients/{clientid}/subscriptions';

export const subscribeClient: Route = whereverItIs(
  {
    method: 'post',
    path,
    right: 'clients',
    takesBody: true,
    operation: {
      summary: 'Subscribe a client',
      description:
        'As if it had subscribed itself, connected or away. The rules of the client apply. The topic filter includes the prefix of its tenant.',
      body: record({ topic: text, ...optionSchemas }, ...optionNames),
      answers: {
        200: {
          description: 'The client is subscribed',
          schema: record({ topic: text, qos: oneOf(0, 1, 2) }),
        },
        400: 'The body is invalid',
        404: 'There is no such client',
        409: 'A program decides about subscriptions, and cannot be asked here',
        422: 'The client may not subscribe to this, or cannot',
      },
    },
    handle: async (request, context) => {
      const { caller } = request;
      if (caller === undefined) return problem(403, 'Nobody asks.');
      const asked = askedOf(request);
      const state = stateOf(request, context);
      assertDecidable(context);
      const reasonCode = await context.source.subscribe(state, asked, caller);
      if (reasonCode === undefined) return moving();
      if (reasonCode < ReasonCode.unspecifiedError)
        return apiAnswer(200, { topic: asked.topicFilter, qos: reasonCode });
      const why = reasonSentence(reasonCode) ?? `The broker refused it: ${reasonCodeName(reasonCode)}.`;
      return problem(422, why);
    },
  },
  hasSession,
);

const deleteQuery = { topic: { description: 'The topic filter, percent-encoded', schema: text } };

export const unsubscribeClient: Route = whereverItIs(
  {
    method: 'delete',
    path,
    right: 'clients',
    operation: {
      summary: 'End a subscription of a client',
      query: deleteQuery,
      answers: {
        204: 'The subscription is ended',
        400: 'A parameter is invalid',
        404: 'There is no such client, or no such subscription',
      },
    },
    handle: async (request, context) => {
      const { query, caller } = request;
      if (caller === undefined) return problem(403, 'Nobody asks.');
      assertKnown(query, deleteQuery);
      const topicFilter = query.get('topic') ?? '';
      if (!isValidTopicFilter(topicFilter)) throw new RequestFault(400, 'Give topic, a topic filter.');
      const state = stateOf(request, context);
      if (await context.source.unsubscribe(state, topicFilter, caller)) return noContent();
      return problem(404, `The client has no subscription to ${quoted(topicFilter)}.`);
    },
  },
  hasSession,
);

/** Errors: RequestFault. */
function askedOf({ body }: RouteRequest) {
  const given = objectOf(body, 'The body');
  const known = ['topic', ...optionNames];
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new RequestFault(
      400,
      `A subscription has no field '${unknown.slice(0, 40)}': use ${known.join(', ')}.`,
    );
  const { topic } = given;
  if (typeof topic !== 'string' || !isValidTopicFilter(topic))
    throw new RequestFault(400, 'The body needs topic, a topic filter.');
  const numberOf = <Value extends number>(name: (typeof optionNames)[number], values: readonly Value[]) => {
    const value = values.find((each) => each === (given[name] ?? 0));
    if (value === undefined) throw new RequestFault(400, `${name} must be one of ${values.join(', ')}.`);
    return value;
  };
  const noLocal = numberOf('nl', [0, 1]) === 1;
  // [MQTT-3.8.3-4]
  if (noLocal && isSharedFilter(topic)) throw new RequestFault(400, 'A shared subscription cannot have nl.');
  return {
    topicFilter: topic,
    qos: numberOf('qos', [0, 1, 2]),
    noLocal,
    retainAsPublished: numberOf('rap', [0, 1]) === 1,
    retainHandling: numberOf('rh', [0, 1, 2]),
  };
}

/** Errors: RequestFault. */
function assertDecidable({ config }: RouteContext): void {
  if (config.asksToSubscribe)
    throw new RequestFault(
      409,
      'A program decides what clients may subscribe to (authorizeSubscribe, authorizeUrl): let the client subscribe itself.',
    );
}

function moving() {
  return problem(503, 'The session is moving to another worker: try again.', ['retry-after', '1']);
}
