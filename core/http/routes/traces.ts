/** Traces: a temporary record of what happens to a client, an address or the messages of a topic filter. */
import { isIP } from 'node:net';
import { shownAddress } from '../../security/address-key.ts';
import type { ApiCaller } from '../../security/api-caller.ts';
import { shownTarget, type TraceTarget } from '../../tracing/trace-target.ts';
import { shownLine, type Trace, type TraceRequest } from '../../tracing/traces.ts';
import { isSharedFilter, isValidTopicFilter } from '../../wire/topic.ts';
import type { Header, HttpAnswer } from '../answer.ts';
import { wholeNumber } from '../list-query.ts';
import { objectOf } from '../message-body.ts';
import { count, list, oneOf, record, text, time } from '../operation.ts';
import { nodeAnswerOf, notHere } from '../other-nodes.ts';
import { apiAnswer, bodyAnswer, noContent, problem, RequestFault } from '../problem.ts';
import type { Route, RouteContext, RouteRequest } from '../route.ts';

const secondsDefault = 600;
const secondsMax = 3_600;
const payloadBytesLimit = 4_096;
const clientIdBytesMax = 65_535;
const noSuchTrace = 'There is no such trace';

const targetSchemas = {
  clientid: { ...text, description: 'everything that this client sends and receives' },
  topic: { ...text, description: 'messages that this topic filter matches' },
  ip_address: { ...text, description: 'everything that the clients of this address send and receive' },
};
const traceSchema = record(
  {
    id: text,
    ...targetSchemas,
    status: oneOf('running', 'ended'),
    ended_by: oneOf('time', 'size', 'asked'),
    started_at: time,
    ends_at: time,
    payload_bytes: count,
    lines: count,
    bytes: count,
  },
  ...Object.keys(targetSchemas),
  'ended_by',
);

export const traces: Route = {
  method: 'get',
  path: '/api/v1/traces',
  right: 'read',
  operation: {
    summary: 'List traces',
    answers: { 200: { description: 'The oldest first', schema: record({ data: list(traceSchema) }) } },
  },
  handle: (_, { source }) => apiAnswer(200, { data: source.traces().map(shownTrace) }),
};

export const startTrace: Route = {
  method: 'post',
  path: '/api/v1/traces',
  right: 'clients',
  takesBody: true,
  operation: {
    summary: 'Start a trace',
    description:
      'Of one client, one topic filter or one address; in a cluster on all nodes, by the one that receives the request. It ends after the given time, at traceBytesMax bytes, or when it is stopped. Eight can run at once. Payloads need the scope read, too.',
    body: record(
      {
        ...targetSchemas,
        seconds: { type: 'integer', minimum: 1, maximum: secondsMax, default: secondsDefault },
        payload_bytes: {
          type: 'integer',
          minimum: 0,
          maximum: payloadBytesLimit,
          default: 0,
          description: 'bytes of each payload to show, if the rules allow the caller to read the topic',
        },
      },
      ...Object.keys(targetSchemas),
      'seconds',
      'payload_bytes',
    ),
    answers: {
      200: { description: 'It runs', schema: traceSchema },
      400: 'The body is invalid',
      409: 'Too many traces are running',
    },
  },
  handle: ({ body, caller }, { source }) => {
    const asked = requestOf(objectOf(body, 'The body'), caller);
    if (caller === undefined) return problem(403, 'Nobody asks.');
    const trace = source.startTrace(asked, caller);
    return trace === undefined ? tooMany() : apiAnswer(200, shownTrace(trace));
  },
  // Another node has the trace, and asks for the events here: core/tracing/node-traces.ts.
  answersNodes: ({ body, caller }, { config, source }) => {
    const { id, target, after, ...others } = objectOf(body, 'The body');
    const asked = requestOf({ ...others, ...objectOf(target, 'The target') }, caller);
    const known = objectOf(after, 'What is known')[config.nodeName ?? ''] ?? 0;
    if (typeof id !== 'string' || typeof known !== 'number' || caller === undefined)
      return Promise.resolve(notHere);
    const handedOver = source.traceForNode(id, known, asked, caller);
    return Promise.resolve(nodeAnswerOf(handedOver === undefined ? tooMany() : apiAnswer(200, handedOver)));
  },
};

/** Errors: RequestFault. */
function requestOf(
  given: Readonly<Record<string, unknown>>,
  caller: ApiCaller | undefined,
): Omit<TraceRequest, 'mayReceive'> {
  const seconds = numberOf(given, 'seconds', 1, secondsMax, secondsDefault);
  const payloadBytesMax = numberOf(given, 'payload_bytes', 0, payloadBytesLimit, 0);
  const target = targetOf(given);
  if (payloadBytesMax > 0 && caller?.scopes.has('read') !== true)
    throw new RequestFault(403, 'Payloads need the scope read: leave payload_bytes out.');
  return { target, seconds, payloadBytesMax };
}

function tooMany(): HttpAnswer {
  return problem(409, 'Eight traces run: stop one of them first.');
}

export const trace: Route = {
  method: 'get',
  path: '/api/v1/traces/{id}',
  right: 'read',
  operation: {
    summary: 'Get a trace',
    answers: { 200: { description: 'The trace', schema: traceSchema }, 404: noSuchTrace },
  },
  handle: (request, context) => apiAnswer(200, shownTrace(traceOf(request, context))),
};

export const stopTrace: Route = {
  method: 'post',
  path: '/api/v1/traces/{id}/stop',
  right: 'clients',
  operation: {
    summary: 'End a trace',
    description: 'Its log is kept for an hour, or until a new trace needs the room.',
    answers: { 204: 'The trace has ended', 404: noSuchTrace },
  },
  handle: ({ parameters, caller }, { source }) =>
    caller !== undefined && source.stopTrace(parameters['id'] ?? '', caller)
      ? noContent()
      : problem(404, `${noSuchTrace}.`),
};

export const deleteTrace: Route = {
  method: 'delete',
  path: '/api/v1/traces/{id}',
  right: 'clients',
  operation: {
    summary: 'End a trace and delete its log',
    answers: { 204: 'The trace is deleted', 404: noSuchTrace },
  },
  handle: ({ parameters, caller }, { source }) =>
    caller !== undefined && source.deleteTrace(parameters['id'] ?? '', caller)
      ? noContent()
      : problem(404, `${noSuchTrace}.`),
  // The trace belongs to another node, and has ended there.
  answersNodes: ({ parameters }, { source }) =>
    Promise.resolve(source.endTraceForNode(parameters['id'] ?? '') ? nodeAnswerOf(noContent()) : notHere),
};

const whoSeesPayloads =
  'Payloads are shown to callers with the scope read, if the rules allow them to read the topic.';

export const traceLog: Route = {
  method: 'get',
  path: '/api/v1/traces/{id}/log',
  right: 'clients',
  operation: {
    summary: 'Get the log of a trace as a file',
    description: whoSeesPayloads,
    answers: {
      200: {
        description: 'A line of JSON for each event',
        schema: text,
        contentType: 'application/x-ndjson',
      },
      404: noSuchTrace,
    },
  },
  handle: (request, context) => {
    const { id, lines } = traceOf(request, context);
    const mayRead = readerOf(request, context);
    const text = lines.map((line) => `${shownLine(line, mayRead)}\n`).join('');
    const file: Header = ['content-disposition', `attachment; filename="trace-${id}.ndjson"`];
    return bodyAnswer(200, 'application/x-ndjson', text, [file]);
  },
};

export const traceEvents: Route = {
  method: 'get',
  path: '/api/v1/traces/{id}/events',
  right: 'clients',
  operation: {
    summary: 'Stream the log of a trace',
    description:
      'A stream of Server-Sent Events: the log so far, or what follows Last-Event-ID, then each new event. The event `end` gives the reason why the trace has ended. ' +
      whoSeesPayloads,
    headers: { 'Last-Event-ID': { description: 'The last event received', schema: text } },
    answers: {
      200: {
        description: 'The stream. The data of an event is a line of JSON',
        schema: text,
        contentType: 'text/event-stream',
      },
      404: noSuchTrace,
    },
  },
  handle: (request, context) => {
    const next = wholeNumber(request.question.lastEventId) ?? 0;
    const trace = traceOf(request, context);
    const stream = context.source.streamTrace(trace, next, readerOf(request, context));
    const headers: readonly Header[] = [
      ['content-type', 'text/event-stream'],
      ['cache-control', 'no-store'],
      ['x-content-type-options', 'nosniff'],
      ['x-accel-buffering', 'no'],
    ];
    if (stream === undefined)
      return problem(503, 'Too many streams are open: try again later.', ['retry-after', '5']);
    return { status: '200 OK', headers, body: new Uint8Array(), stream };
  },
};

/** Whether the caller may see the payloads of a topic, regardless of who started the trace. */
function readerOf({ caller }: RouteRequest, { source }: RouteContext): (topic: string) => boolean {
  return (topic) => caller?.scopes.has('read') === true && source.mayReceive(caller, topic);
}

/** Errors: RequestFault. */
function traceOf({ parameters }: RouteRequest, { source }: RouteContext): Trace {
  const trace = source.trace(parameters['id'] ?? '');
  if (trace === undefined) throw new RequestFault(404, `${noSuchTrace}.`);
  return trace;
}

const targetNames = ['clientid', 'topic', 'ip_address'] as const;
const bodyNames: readonly string[] = [...targetNames, 'seconds', 'payload_bytes'];

/** Errors: RequestFault. */
function targetOf(given: Readonly<Record<string, unknown>>): TraceTarget {
  const unknown = Object.keys(given).find((name) => !bodyNames.includes(name));
  if (unknown !== undefined)
    throw new RequestFault(
      400,
      `The body has an unknown field '${unknown.slice(0, 40)}': use ${bodyNames.join(', ')}.`,
    );
  const [name, ...more] = targetNames.filter((each) => given[each] !== undefined);
  const value = name === undefined ? undefined : given[name];
  if (name === undefined || more.length > 0 || typeof value !== 'string')
    throw new RequestFault(400, 'Give one of clientid, topic and ip_address, as a string.');
  switch (name) {
    case 'clientid':
      if (value === '' || Buffer.byteLength(value) > clientIdBytesMax)
        throw new RequestFault(400, 'clientid must be a client identifier.');
      return { kind: 'client', clientId: value };
    case 'topic':
      if (!isValidTopicFilter(value) || isSharedFilter(value))
        throw new RequestFault(400, 'topic must be a topic filter, such as sensors/+/temperature.');
      return { kind: 'topic', topicFilter: value };
    case 'ip_address':
      if (isIP(value) === 0) throw new RequestFault(400, 'ip_address must be an IPv4 or IPv6 address.');
      return { kind: 'address', remoteAddress: shownAddress(value) };
  }
}

/** Errors: RequestFault. */
function numberOf(
  given: Readonly<Record<string, unknown>>,
  name: string,
  min: number,
  max: number,
  otherwise: number,
): number {
  const value = given[name] === undefined ? otherwise : given[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RequestFault(400, `${name} must be from ${min} to ${max}.`);
}

function shownTrace(trace: Trace): Readonly<Record<string, unknown>> {
  const { id, target, startedAtMs, endsAtMs, payloadBytesMax, endedBy, lines, bytes } = trace;
  return {
    id,
    ...shownTarget(target),
    status: endedBy === undefined ? 'running' : 'ended',
    ...(endedBy === undefined ? {} : { ended_by: endedBy }),
    started_at: new Date(startedAtMs).toISOString(),
    ends_at: new Date(endsAtMs).toISOString(),
    payload_bytes: payloadBytesMax,
    lines: lines.length,
    bytes,
  };
}
