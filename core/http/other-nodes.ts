/**
 * Routes that other nodes of a cluster answer too: about something that exists on one node only, such as a client,
 * or about the node named in the request. A node asks the others with the rights of the caller, and they ask no further.
 */
import type { NodeAnswer, NodeQuestion, OtherNodes } from '../cluster/node-messages.ts';
import { toldCaller } from '../security/api-caller.ts';
import type { HttpAnswer, HttpQuestion } from './answer.ts';
import { text } from './operation.ts';
import { bodyAnswer, noContent, problem, type Status, statusTexts } from './problem.ts';
import type { Route, RouteContext, RouteRequest, SiteSource } from './route.ts';

/** It does not have what was requested; another node may. */
export const notHere: NodeAnswer = { status: 0, text: '' };

export function questionOf({ question, caller, body }: RouteRequest, query = question.query): NodeQuestion {
  const by = caller === undefined ? { name: '', scopes: [] } : toldCaller(caller);
  const { method, path } = question;
  return { method, path, query, by, ...(body === undefined ? {} : { body }) };
}

/** A request from another node, in the form of an HTTP request. */
export function httpQuestionOf({ method, path, query }: NodeQuestion): HttpQuestion {
  return {
    method,
    path,
    query,
    host: '',
    acceptEncoding: '',
    ifNoneMatch: '',
    accept: '',
    authorization: '',
    idempotencyKey: '',
    origin: '',
    lastEventId: '',
    contentLength: 0,
    headBytes: 0,
    remoteAddress: '',
    readBody: () => Promise.resolve(new Uint8Array()),
  };
}

/** For something that exists on one node: if it is not here, the others are asked. `isHere`: by default, unless the answer is 404. */
export function whereverItIs(
  route: Route,
  isHere?: (request: RouteRequest, source: SiteSource) => boolean,
): Route {
  return {
    ...route,
    answersNodes: async (request, context) => {
      if (isHere?.(request, context.source) === false) return notHere;
      const answer = nodeAnswerOf(await route.handle(request, context));
      return answer.status === 404 && isHere === undefined ? notHere : answer;
    },
    handle: (request, context) => {
      const others = context.source.nodes();
      if (others === undefined || isHere?.(request, context.source) === true)
        return route.handle(request, context);
      return isHere === undefined
        ? hereOrElsewhere(route, others, request, context)
        : elsewhere(route, others, request, context);
    },
  };
}

async function hereOrElsewhere(
  route: Route,
  others: OtherNodes,
  request: RouteRequest,
  context: RouteContext,
): Promise<HttpAnswer> {
  const answer = await route.handle(request, context);
  return answer.status === statusLine(404) ? await elsewhere(route, others, request, context) : answer;
}

/** If no node has it, the answer is that of this node: not found. */
async function elsewhere(
  route: Route,
  others: OtherNodes,
  request: RouteRequest,
  context: RouteContext,
): Promise<HttpAnswer> {
  const answers = await others.ask(questionOf(request));
  const found = [...answers.values()].find((answer) => answer !== undefined && answer.status !== 0);
  if (found !== undefined) return httpAnswerOf(found);
  const silent = [...answers].find(([, answer]) => answer === undefined);
  return silent === undefined ? await route.handle(request, context) : noAnswer(silent[0]);
}

const nodeParameter = {
  description: 'In a cluster: the node that answers; absent: the one that receives the request',
  schema: text,
};

/** For something on this node, or on another one that the request names. */
export function ofNode(route: Route): Route {
  const { operation } = route;
  return {
    ...route,
    ...(operation === undefined
      ? {}
      : { operation: { ...operation, query: { ...operation.query, node: nodeParameter } } }),
    answersNodes: async (request, context) => nodeAnswerOf(await route.handle(request, context)),
    handle: (request, context) => {
      const node = request.query.get('node');
      if (node === null) return route.handle(request, context);
      const query = new URLSearchParams(request.query);
      query.delete('node');
      const others = context.source.nodes();
      if (others === undefined) return problem(404, 'This broker is not in a cluster: leave node out.');
      if (node === others.here) return route.handle({ ...request, query }, context);
      return askNode(others, node, questionOf(request, `${query}`));
    },
  };
}

async function askNode(others: OtherNodes, node: string, question: NodeQuestion): Promise<HttpAnswer> {
  const answers = await others.ask(question, node);
  if (!answers.has(node)) return problem(404, `There is no node '${node.slice(0, 100)}' in the cluster.`);
  const answer = answers.get(node);
  return answer === undefined ? noAnswer(node) : httpAnswerOf(answer);
}

export function noAnswer(node: string): HttpAnswer {
  return problem(503, `The node '${node}' does not answer: try again.`, ['retry-after', '1']);
}

export function nodeAnswerOf({ status, body }: HttpAnswer): NodeAnswer {
  return { status: Number.parseInt(status, 10), text: Buffer.from(body).toString() };
}

function httpAnswerOf({ status, text: body }: NodeAnswer): HttpAnswer {
  if (status === 204) return noContent();
  const known: Status = isStatus(status) ? status : 503;
  const contentType = status < 300 ? 'application/json' : 'application/problem+json';
  return bodyAnswer(known, contentType, body);
}

function isStatus(status: number): status is Status {
  return Object.hasOwn(statusTexts, status);
}

function statusLine(status: Status): string {
  return `${status} ${statusTexts[status]}`;
}
