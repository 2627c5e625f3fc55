/** A live stream of messages, for EventSource and other readers of Server-Sent Events. */
import type { BrokerConfig } from '../../config/options.ts';
import { openingRulesOf } from '../../front-end/opening.ts';
import { isAllowedOrigin } from '../../front-end/origin.ts';
import { rightsOf } from '../../security/api-caller.ts';
import { hasWildcards, isSharedFilter, isValidTopicFilter, levelCount } from '../../wire/topic.ts';
import type { Header, HttpAnswer, HttpQuestion, StreamedBody } from '../answer.ts';
import { assertKnown } from '../list-query.ts';
import { oneOf, text } from '../operation.ts';
import { problem, RequestFault } from '../problem.ts';
import type { Route } from '../route.ts';

export const eventsPath = '/sse';

/** Per stream; for more, use filters with wildcards. */
const topicsMax = 16;

const query = {
  topic: { description: `A topic filter, percent-encoded; up to ${topicsMax} times`, schema: text },
  events: {
    description: 'topic: the topic of a message is the name of its event; default: message',
    schema: oneOf('message', 'topic'),
  },
  last_event_id: {
    description: 'Like the header Last-Event-ID, for the first request of a page',
    schema: text,
  },
  access_token: { description: 'The key or token, for pages, which cannot set a header', schema: text },
};

export const events: Route = {
  method: 'get',
  path: eventsPath,
  right: 'subscribe',
  operation: {
    summary: 'Stream messages',
    description:
      'An endless stream of Server-Sent Events: retained messages, then those that are published from now on, or since Last-Event-ID. No key is needed if everyone may connect. Users get what the rules allow them; a stream that was opened with a token ends when the token expires.',
    query,
    headers: { 'Last-Event-ID': { description: 'The last event received', schema: text } },
    answers: {
      200: {
        description:
          'The stream. The data of an event is a message as JSON; an event `missed` means that messages were lost',
        schema: text,
        contentType: 'text/event-stream',
      },
      400: 'A parameter is invalid',
    },
  },
  handle: ({ question, query: asked, caller }, { config, source }) => {
    assertKnown(asked, query);
    const cors = corsOf(question, config);
    if (cors === undefined) return refusedOrigin(question);
    if (source.isBanned(question.remoteAddress)) return problem(403, 'This address is banned.');
    const stream = source.openStream({
      filters: filtersOf(asked, config),
      isNamed: isNamed(asked),
      lastEventId: question.lastEventId || (asked.get('last_event_id') ?? ''),
      rights: caller === undefined ? '' : rightsOf(caller),
      mayReceive: (topic) =>
        caller === undefined ? source.mayAnyoneReceive(topic) : source.mayReceive(caller, topic),
    });
    return stream instanceof Promise
      ? stream.then((opened) => streamAnswer(opened, cors))
      : streamAnswer(stream, cors);
  },
};

function streamAnswer(stream: StreamedBody | undefined, cors: readonly Header[]): HttpAnswer {
  if (stream === undefined)
    return problem(503, 'Too many streams are open: try again later.', ['retry-after', '5']);
  return { status: '200 OK', headers: [...streamHeaders, ...cors], body: new Uint8Array(), stream };
}

const streamHeaders: readonly Header[] = [
  ['content-type', 'text/event-stream'],
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
  ['x-accel-buffering', 'no'], // nginx then forwards without buffering
];

/** Errors: RequestFault. */
function filtersOf(asked: URLSearchParams, config: BrokerConfig): string[] {
  const filters = [...new Set(asked.getAll('topic'))];
  if (filters.length === 0 || filters.length > topicsMax)
    throw new RequestFault(400, `Give topic, a topic filter, up to ${topicsMax} times.`);
  for (const filter of filters) {
    const isGood =
      isValidTopicFilter(filter) &&
      !isSharedFilter(filter) &&
      levelCount(filter) <= config.limits.topicLevelsMax;
    if (!isGood)
      throw new RequestFault(400, `'${filter.slice(0, 80)}' is not a topic filter that a stream can have.`);
    if (!config.wildcardSubscriptionAvailable && hasWildcards(filter))
      throw new RequestFault(400, 'Topic filters with wildcards are not available here.');
  }
  return filters;
}

/** Errors: RequestFault. */
function isNamed(asked: URLSearchParams): boolean {
  const events = asked.get('events') ?? 'message';
  if (events === 'message' || events === 'topic') return events === 'topic';
  throw new RequestFault(400, 'events must be message or topic.');
}

/** The headers for the requesting page; undefined: it is not allowed. */
function corsOf(question: HttpQuestion, config: BrokerConfig): readonly Header[] | undefined {
  const { origin, host, forwardedBy } = question;
  const rules = openingRulesOf(config);
  const isLocal = rules.isLocal && forwardedBy === undefined;
  if (!isAllowedOrigin(origin, host, { ...rules, isLocal })) return undefined;
  const vary: Header = ['vary', 'origin'];
  return origin === '' ? [vary] : [vary, ['access-control-allow-origin', origin]];
}

function refusedOrigin({ origin }: HttpQuestion): HttpAnswer {
  return problem(403, `Pages of the origin ${origin.slice(0, 300)} may not connect: see allowedOrigins.`);
}

/** A browser sends a preflight request before non-standard headers. */
export function eventsPreflight(question: HttpQuestion, config: BrokerConfig): HttpAnswer {
  const cors = corsOf(question, config);
  if (cors === undefined) return refusedOrigin(question);
  const allowed: readonly Header[] = [
    ['access-control-allow-methods', 'GET'],
    ['access-control-allow-headers', 'authorization, last-event-id'],
    ['access-control-max-age', '600'],
  ];
  return { status: '204 No Content', headers: [...cors, ...allowed], body: new Uint8Array() };
}
