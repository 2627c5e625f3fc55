/**
 * Clients: connected or not, their state, why they were disconnected, and kicking them. In EMQX's terms where they
 * exist.
 */
import type { SubscriptionRow } from '../../data-plane/inspection.ts';
import { shownAddress } from '../../security/address-key.ts';
import { clientEventKinds } from '../../sessions/client-history.ts';
import type { ClientState } from '../../sessions/client-list.ts';
import type { HttpAnswer } from '../answer.ts';
import {
  assertKnown,
  cursorOf,
  cursorParameter,
  limitOf,
  limitParameter,
  pageBody,
  truthOf,
  wholeNumber,
} from '../list-query.ts';
import { count, list, oneOf, page, record, text, time, truth } from '../operation.ts';
import { nodeAnswerOf, notHere, ofNode, questionOf, whereverItIs } from '../other-nodes.ts';
import { apiAnswer, noContent, problem, quoted, RequestFault } from '../problem.ts';
import type { Route, RouteContext, RouteRequest, SiteSource } from '../route.ts';

const nodeSchema = { ...text, description: 'the node of the cluster that has it' };

const clientSchemas = {
  clientid: text,
  node: nodeSchema,
  connected: truth,
  username: { type: ['string', 'null'], description: 'as verified; null: none' },
  ip_address: text,
  transport: oneOf('ws', 'tcp'),
  tls: truth,
  proto_ver: oneOf(3, 4, 5),
  connected_at: time,
  disconnected_at: time,
  session_ends_at: { ...time, description: 'unless it returns; absent: never, or unknown' },
};
const optional = ['node', 'connected_at', 'disconnected_at', 'session_ends_at'];
const clientSchema = record(clientSchemas, ...optional);

const figureSchemas = {
  subscriptions_cnt: count,
  mqueue_len: { ...count, description: 'messages that wait' },
  inflight_cnt: { ...count, description: 'QoS 1 and 2, sent and not acknowledged' },
  held_bytes: { ...count, description: 'of those' },
  awaiting_rel_cnt: { ...count, description: 'QoS 2 identifiers of the client, not released' },
  unsent_bytes: { ...count, description: 'bytes that its socket has not accepted' },
  expiry_interval: { ...count, description: 'in seconds; 4294967295: forever' },
  keepalive_ms: { ...count, description: 'milliseconds of silence after which it is disconnected; 0: none' },
  recv_msg: { ...count, description: 'PUBLISH packets from it, since it connected' },
  send_msg: { ...count, description: 'PUBLISH packets to it, since it connected' },
  recv_oct: { ...count, description: 'bytes of MQTT from it, since it connected' },
  send_oct: { ...count, description: 'bytes of MQTT to it, since it connected' },
  'send_msg.dropped': {
    ...count,
    description: 'messages that it did not get, as long as its events are kept',
  },
};

export const subscriptionSchemas = {
  topic: { ...text, description: 'the topic filter' },
  qos: oneOf(0, 1, 2),
  nl: { ...oneOf(0, 1), description: 'No Local' },
  rap: { ...oneOf(0, 1), description: 'Retain As Published' },
  subid: { ...count, description: 'the subscription identifier; 0: none' },
};

const noSuchClient = 'There is no such client';

const listQuery = {
  limit: limitParameter,
  cursor: cursorParameter,
  like_clientid: { description: 'A part of the client identifier, ignoring case', schema: text },
  username: { description: 'The user name', schema: text },
  like_username: { description: 'A part of the user name, ignoring case', schema: text },
  ip_address: { description: 'Its address', schema: text },
  conn_state: { description: 'connected, or away', schema: oneOf('connected', 'disconnected') },
  proto_ver: { description: 'The version of MQTT', schema: oneOf(3, 4, 5) },
};

export const clients: Route = ofNode({
  method: 'get',
  path: '/api/v1/clients',
  right: 'read',
  operation: {
    summary: 'List clients',
    description: 'All clients that have a session, connected or away, the oldest session first.',
    query: listQuery,
    answers: { 200: { description: 'A page', schema: page(clientSchema) }, 400: 'A parameter is invalid' },
  },
  handle: ({ query }, { source, config }) => {
    assertKnown(query, listQuery);
    const limit = limitOf(query);
    const address = query.get('ip_address');
    const { rows, cursor } = source.clients({
      after: cursorOf(query),
      limit,
      clientIdPart: query.get('like_clientid') ?? undefined,
      username: query.get('username') ?? undefined,
      usernamePart: query.get('like_username') ?? undefined,
      remoteAddress: address === null ? undefined : shownAddress(address),
      isConnected: connectedOf(query.get('conn_state')),
      protocolVersion: versionOf(query.get('proto_ver')),
    });
    return apiAnswer(
      200,
      pageBody(
        rows.map((row) => shownClient(row, config.nodeName)),
        limit,
        cursor,
      ),
    );
  },
});

function connectedOf(state: string | null): boolean | undefined {
  if (state === null) return undefined;
  if (state === 'connected' || state === 'disconnected') return state === 'connected';
  throw new RequestFault(400, 'conn_state must be connected or disconnected.');
}

function versionOf(given: string | null): number | undefined {
  if (given === null) return undefined;
  const version = wholeNumber(given);
  if (version === 3 || version === 4 || version === 5) return version;
  throw new RequestFault(400, 'proto_ver must be 3, 4 (3.1.1) or 5.');
}

export const client: Route = whereverItIs(
  {
    method: 'get',
    path: '/api/v1/clients/{clientid}',
    right: 'read',
    operation: {
      summary: 'Get a client',
      answers: {
        200: {
          description: 'The client, with its queue',
          schema: record({ ...clientSchemas, ...figureSchemas }, ...optional, ...Object.keys(figureSchemas)),
        },
        404: noSuchClient,
      },
    },
    handle: async (request, context) => {
      const state = stateOf(request, context);
      const figures = await context.source.figures(state);
      if (figures === undefined) return apiAnswer(200, shownClient(state, context.config.nodeName));
      return apiAnswer(200, {
        ...shownClient(state, context.config.nodeName),
        subscriptions_cnt: figures.subscriptions,
        mqueue_len: figures.queued,
        inflight_cnt: figures.inFlight,
        held_bytes: figures.heldBytes,
        awaiting_rel_cnt: figures.qos2Pending,
        unsent_bytes: figures.unsentBytes,
        expiry_interval: figures.expirySeconds,
        keepalive_ms: figures.keepAliveMs,
        recv_msg: figures.messagesReceived,
        send_msg: figures.messagesSent,
        recv_oct: figures.bytesReceived,
        send_oct: figures.bytesSent,
        'send_msg.dropped': context.source.dropsOf(state.client.clientId)?.messages ?? 0,
      });
    },
  },
  hasSession,
);

const deleteQuery = {
  keep_session: { description: 'Only the connection ends; default: the session too', schema: truth },
};

export const deleteClient: Route = whereverItIs(
  {
    method: 'delete',
    path: '/api/v1/clients/{clientid}',
    right: 'clients',
    operation: {
      summary: 'Disconnect a client',
      description: 'Its connection ends with 0x98, administrative action, and its will is published.',
      query: deleteQuery,
      answers: { 204: 'It ends', 400: 'A parameter is invalid', 404: noSuchClient },
    },
    handle: ({ parameters, query, caller }, { source }) => {
      assertKnown(query, deleteQuery);
      const { clientid = '' } = parameters;
      const keepsSession = truthOf(query, 'keep_session');
      if (caller !== undefined && source.disconnect(clientid, keepsSession, caller)) return noContent();
      return problem(
        404,
        `No client ${quoted(clientid)} ${keepsSession ? 'is connected' : 'has a session'}.`,
      );
    },
  },
  hasSession,
);

const pageQuery = { limit: limitParameter, cursor: cursorParameter };

export const clientSubscriptions: Route = whereverItIs(
  {
    method: 'get',
    path: '/api/v1/clients/{clientid}/subscriptions',
    right: 'read',
    operation: {
      summary: 'List the subscriptions of a client',
      query: pageQuery,
      answers: {
        200: { description: 'A page', schema: page(record(subscriptionSchemas)) },
        400: 'A parameter is invalid',
        404: noSuchClient,
      },
    },
    handle: async (request, context) => {
      const { query } = request;
      assertKnown(query, pageQuery);
      const limit = limitOf(query);
      const below = cursorOf(query) || undefined;
      const { rest, rows } = await context.source.subscriptions(stateOf(request, context), below, limit);
      return apiAnswer(200, pageBody(rows.map(shownSubscription), limit, rest));
    },
  },
  hasSession,
);

const eventSchemas = {
  at: { ...time, description: 'of `dropped`: of the last message' },
  event: oneOf(...clientEventKinds),
  reason: { ...text, description: 'of the specification, or why messages were dropped' },
  detail: text,
  messages: { ...count, description: 'of `dropped`: how many' },
  since: { ...time, description: 'of `dropped`: the first of them' },
  node: nodeSchema,
};

export const clientEvents: Route = {
  method: 'get',
  path: '/api/v1/clients/{clientid}/events',
  right: 'read',
  operation: {
    summary: 'List the events of a client',
    description:
      'Its last 32 events on each node, newest first. They are kept for an hour after the client has left, if there is room.',
    answers: {
      200: {
        description: 'The events',
        schema: record({
          data: list(record(eventSchemas, 'reason', 'messages', 'since', 'node')),
        }),
      },
      404: 'The client is unknown',
    },
  },
  answersNodes: (request, context) =>
    Promise.resolve(
      context.source.events(request.parameters['clientid'] ?? '') === undefined
        ? notHere
        : nodeAnswerOf(apiAnswer(200, { data: ownEvents(request, context) })),
    ),
  handle: (request, context) => {
    const others = context.source.nodes();
    const own = ownEvents(request, context);
    if (others === undefined) return eventsAnswer(request, own);
    return others.ask(questionOf(request)).then((answers) => {
      const elsewhere = [...answers.values()].flatMap((answer) =>
        answer?.status === 200 ? (JSON.parse(answer.text) as { data: ShownEvent[] }).data : [],
      );
      return eventsAnswer(request, [...own, ...elsewhere]);
    });
  },
};

interface ShownEvent {
  readonly at: string;
  readonly [name: string]: string | number;
}

function eventsAnswer({ parameters }: RouteRequest, events: readonly ShownEvent[]): HttpAnswer {
  const { clientid = '' } = parameters;
  if (events.length === 0) return problem(404, `There are no recent events of a client ${quoted(clientid)}.`);
  // Of events at the same moment the later one comes first, as on a single node.
  return apiAnswer(200, { data: events.toSorted((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)) });
}

/** Newest first. */
function ownEvents({ parameters }: RouteRequest, { source, config }: RouteContext): ShownEvent[] {
  const events = source.events(parameters['clientid'] ?? '') ?? [];
  return events
    .map(({ atMs, kind, reason, detail, messages, sinceMs }) => ({
      at: new Date(atMs).toISOString(),
      event: kind,
      ...(reason === undefined ? {} : { reason }),
      detail,
      ...(messages === undefined || sinceMs === undefined
        ? {}
        : { messages, since: new Date(sinceMs).toISOString() }),
      ...(config.nodeName === undefined ? {} : { node: config.nodeName }),
    }))
    .reverse();
}

/** Errors: RequestFault. */
export function stateOf({ parameters }: RouteRequest, { source }: RouteContext): ClientState {
  const { clientid = '' } = parameters;
  const state = source.client(clientid);
  if (state === undefined) throw new RequestFault(404, `No client ${quoted(clientid)} has a session.`);
  return state;
}

/** Whether this node has its session. */
export function hasSession({ parameters }: RouteRequest, source: SiteSource): boolean {
  return source.client(parameters['clientid'] ?? '') !== undefined;
}

/** `node`: in a cluster. */
export function shownClient(
  { client, isConnected, forMs, endsInMs }: ClientState,
  node: string | undefined,
): Readonly<Record<string, unknown>> {
  const nowMs = Date.now();
  const since = isoSecond(nowMs - forMs);
  return {
    clientid: client.clientId,
    ...(node === undefined ? {} : { node }),
    connected: isConnected,
    username: client.username ?? null,
    ip_address: client.remoteAddress,
    transport: client.transport,
    tls: client.tls !== undefined,
    proto_ver: client.protocolVersion,
    ...(isConnected ? { connected_at: since } : { disconnected_at: since }),
    ...(endsInMs === undefined ? {} : { session_ends_at: isoSecond(nowMs + endsInMs) }),
  };
}

export function shownSubscription(row: SubscriptionRow): Readonly<Record<string, unknown>> {
  return {
    topic: row.topicFilter,
    qos: row.qos,
    nl: row.noLocal ? 1 : 0,
    rap: row.retainAsPublished ? 1 : 0,
    subid: row.subscriptionId,
  };
}

/** The directory has a resolution of seconds. */
function isoSecond(ms: number): string {
  return new Date(Math.round(ms / 1_000) * 1_000).toISOString();
}
