/**
 * Everything that is served over HTTP: the routes of routes.ts, and the pages. A request goes to its route if the caller has the
 * right and there is room, otherwise to the page of its path.
 *
 *     question -> route -> right -> room -> body, if the route takes one -> handler -> answer, counted until it is received
 */
import { isUtf8 } from 'node:buffer';
import type { NodeAnswer, NodeQuestion } from '../cluster/node-messages.ts';
import type { BrokerConfig } from '../config/options.ts';
import { openingRulesOf, whyForbidden } from '../front-end/opening.ts';
import type { HostMessage } from '../host/host-message.ts';
import { callerTold } from '../security/api-caller.ts';
import { type HttpAnswer, type HttpQuestion, textAnswer } from './answer.ts';
import { type Admission, ApiGate } from './api-gate.ts';
import { ExpiringStream } from './expiring-stream.ts';
import { giveBack } from './give-back.ts';
import { Idempotency } from './idempotency.ts';
import { httpQuestionOf, nodeAnswerOf, notHere } from './other-nodes.ts';
import { loadPages, notFoundAnswer, type Pages, pageAnswer } from './pages.ts';
import { problem, RequestFault } from './problem.ts';
import type { ListeningPorts, Route, RouteContext, RouteRequest, SiteSource } from './route.ts';
import { decodedParameters } from './route-path.ts';
import { eventsPath, eventsPreflight } from './routes/events.ts';
import { type Found, operatingRoutes, pageRoutes, RouteTable } from './routes.ts';
import { Turns } from './turns.ts';

/** Each result may be as large as a packet, and there may be no room for it once it arrives. */
const lookUpsAtOnce = 16;

/** Assumed for a chunked body, whose length is not known in advance. */
const unknownBodyBytes = 65_536;

export class Site {
  /** The ports that clients can use. */
  ports: ListeningPorts;
  readonly #config: BrokerConfig;
  readonly #source: SiteSource;
  readonly #gate: ApiGate;
  readonly #routes: RouteTable;
  readonly #pages: Pages;
  readonly #lookUps = new Turns(lookUpsAtOnce);
  readonly #idempotency = new Idempotency();
  readonly #context: RouteContext;
  #pending = 0;
  /** Of uncached answers that clients have not received yet, and of bodies in progress. */
  #heldBytes = 0;

  constructor(config: BrokerConfig, version: string, source: SiteSource) {
    this.#config = config;
    this.#source = {
      ...source,
      retained: (topic) => this.#lookUps.take(() => this.#lookUp(source, topic)),
    };
    this.#gate = new ApiGate(source, config);
    this.#routes = new RouteTable(config.pages ? [...operatingRoutes, ...pageRoutes] : operatingRoutes);
    this.#pages = config.pages ? loadPages(config.path) : new Map();
    this.ports = { ...config, port: config.port || 0 };
    this.#context = contextOf(this, config, version, this.#source, this.#idempotency);
  }

  answer(question: HttpQuestion): HttpAnswer | Promise<HttpAnswer> {
    const { method, path } = question;
    if (path === this.#config.path) return noWebSocket(question, this.#config);
    if (method === 'options' && path === eventsPath) return eventsPreflight(question, this.#config);
    const found = this.#routes.find(method, path);
    if (found !== undefined) {
      return 'route' in found ? this.#handle(found, question) : methodNotAllowed(path, found.methods);
    }
    if (isOfApi(path)) return apiNotFound();
    if (method !== 'get' && method !== 'head') return methodNotAllowed(path, ['get', 'head']);
    return pageAnswer(this.#pages, question) ?? notFoundAnswer(this.#pages, question) ?? notFound();
  }

  #handle(found: Found, question: HttpQuestion): HttpAnswer | Promise<HttpAnswer> {
    const { right, isAlwaysAnswered = false } = found.route;
    if (this.#isFull && !isAlwaysAnswered) return busy(); // before users are authenticated, which programs may have to do
    const admission = this.#gate.admit(right, question);
    return admission instanceof Promise
      ? this.#whenAdmitted(found, question, admission)
      : this.#admitted(found, question, admission);
  }

  /** The body has to be read at once, and is counted while the user is authenticated. */
  async #whenAdmitted(
    found: Found,
    question: HttpQuestion,
    admission: Promise<Admission>,
  ): Promise<HttpAnswer> {
    const { takesBody = false } = found.route;
    const bytes = takesBody ? question.contentLength || unknownBodyBytes : 0;
    if (this.#isFull || !this.#hasRoomFor(bytes)) return busy();
    const body = takesBody ? question.readBody() : undefined;
    body?.catch(() => {}); // it rejects where it is awaited
    this.#pending += 1;
    this.#heldBytes += bytes;
    const admitted = await admission.finally(() => {
      this.#pending -= 1;
      this.#heldBytes -= bytes;
    });
    return this.#admitted(
      found,
      body === undefined ? question : { ...question, readBody: () => body },
      admitted,
    );
  }

  #admitted(
    { route, path, values }: Found,
    question: HttpQuestion,
    admission: Admission,
  ): HttpAnswer | Promise<HttpAnswer> {
    if ('refusal' in admission) return admission.refusal;
    const query = question.query === '' ? noQuery : new URLSearchParams(question.query);
    const parameters = decodedParameters(path.parameters, values, query);
    if (parameters === undefined) return problem(400, 'The path is not UTF-8, percent-encoded.');
    const { isAlwaysAnswered = false } = route;
    if (this.#isFull && !isAlwaysAnswered) return busy();
    const { caller } = admission;
    const request = {
      question,
      parameters,
      query,
      caller,
      body: undefined,
    };
    const expiresAtMs = caller?.user?.expiresAtMs;
    if (route.takesBody) return this.#withBody(route, request, expiresAtMs);
    try {
      const answer = route.handle(request, this.#context);
      if (isAlwaysAnswered) return answer;
      return answer instanceof Promise ? this.#settle(answer, expiresAtMs) : this.#hold(answer, expiresAtMs);
    } catch (error) {
      return faultOf(error);
    }
  }

  get #isFull(): boolean {
    const { httpPendingMax, httpAnswersBytesMax } = this.#config.limits;
    return this.#pending >= httpPendingMax || this.#heldBytes >= httpAnswersBytesMax;
  }

  /** An answer larger than the limit is sent if it is the only one. */
  #hasRoomFor(bytes: number): boolean {
    return this.#heldBytes === 0 || this.#heldBytes + bytes <= this.#config.limits.httpAnswersBytesMax;
  }

  /** A request from another node, which has checked the operator's right. Without an answer here, it is `notHere`. */
  async answerNode(asked: NodeQuestion): Promise<NodeAnswer> {
    const found = this.#routes.find(asked.method, asked.path);
    if (found === undefined || !('route' in found)) return notHere;
    const { route, path, values } = found;
    const query = new URLSearchParams(asked.query);
    const parameters = decodedParameters(path.parameters, values, query);
    const { right } = route;
    const isAllowed = asked.by.scopes.includes(right);
    if (route.answersNodes === undefined || parameters === undefined || !isAllowed) return notHere;
    const request = {
      question: httpQuestionOf(asked),
      parameters,
      query,
      caller: callerTold(asked.by),
      body: asked.body,
    };
    try {
      const source = { ...this.#source, nodes: () => undefined };
      return await route.answersNodes(request, { ...this.#context, source });
    } catch (error) {
      return nodeAnswerOf(faultOf(error));
    }
  }

  /** The body is counted while it is processed. */
  async #withBody(route: Route, request: RouteRequest, expiresAtMs: number | undefined): Promise<HttpAnswer> {
    const { question } = request;
    let bytes = question.contentLength || unknownBodyBytes;
    if (!this.#hasRoomFor(bytes)) return busy();
    this.#heldBytes += bytes;
    this.#pending += 1;
    try {
      const read = await question.readBody();
      this.#heldBytes += read.length - bytes;
      bytes = read.length;
      const given = route.handle({ ...request, body: parsed(read) }, this.#context);
      const answer = given instanceof Promise ? await given : given;
      this.#heldBytes -= bytes;
      bytes = 0;
      return this.#hold(answer, expiresAtMs);
    } catch (error) {
      return faultOf(error);
    } finally {
      this.#heldBytes -= bytes;
      this.#pending -= 1;
    }
  }

  async #lookUp(source: SiteSource, topic: string): Promise<HostMessage | undefined> {
    if (this.#heldBytes >= this.#config.limits.httpAnswersBytesMax)
      throw new Error('there is no room for more');
    return await source.retained(topic);
  }

  async #settle(answer: Promise<HttpAnswer>, expiresAtMs: number | undefined): Promise<HttpAnswer> {
    this.#pending += 1;
    try {
      return this.#hold(await answer, expiresAtMs);
    } catch (error) {
      return faultOf(error);
    } finally {
      this.#pending -= 1;
    }
  }

  /** Counts the answer while it exists for a single client. */
  #hold(answer: HttpAnswer, expiresAtMs: number | undefined): HttpAnswer {
    const { body, stream } = answer;
    const { length } = body;
    if (stream !== undefined) {
      // It has limits of its own, and ends when the caller's rights do.
      return expiresAtMs === undefined
        ? answer
        : { ...answer, stream: new ExpiringStream(stream, expiresAtMs) };
    }
    if (!this.#hasRoomFor(length)) {
      giveBack(body);
      return busy();
    }
    this.#heldBytes += length;
    const onOver = (): void => {
      this.#heldBytes -= length;
      giveBack(body);
    };
    return { ...answer, onOver };
  }
}

/** One for all requests; `ports` are the current ones. */
function contextOf(
  site: Site,
  config: BrokerConfig,
  version: string,
  source: SiteSource,
  idempotency: Idempotency,
): RouteContext {
  return {
    config,
    version,
    source,
    idempotency,
    get ports() {
      return site.ports;
    },
  };
}

/** A fault of the request gets its own status; any other error means that the broker is stopping or overloaded. */
function faultOf(error: unknown): HttpAnswer {
  return error instanceof RequestFault ? problem(error.status, error.message) : busy();
}

/** Shared by all requests without a query, and never changed. */
const noQuery = new URLSearchParams();

function parsed(body: Uint8Array): unknown {
  try {
    if (isUtf8(body)) return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
  } catch {
    // not JSON
  }
  throw new RequestFault(400, 'The body must be JSON, in UTF-8.');
}

/** The MQTT path without a WebSocket. Browsers hide why a WebSocket failed, so the client library asks here. The door adds the fields of the connection. */
function noWebSocket({ origin, host, forwardedBy = '' }: HttpQuestion, config: BrokerConfig): HttpAnswer {
  const forbidden = whyForbidden({ origin, host, forwardedBy }, openingRulesOf(config));
  if (forbidden !== undefined) return textAnswer('403 Forbidden', forbidden.hint, forAllPages);
  const hint = 'This is an MQTT endpoint: connect by WebSocket, with the sub-protocol "mqtt".\n';
  return textAnswer('426 Upgrade Required', hint, ['sec-websocket-version', '13'], forAllPages);
}

/** These sentences contain no secrets, and the client library shows them to page developers. */
const forAllPages = ['access-control-allow-origin', '*'] as const;

function methodNotAllowed(path: string, methods: readonly string[]): HttpAnswer {
  const allowed = methods.map((method) => method.toUpperCase()).join(', ');
  const sentence = `Only ${allowed} is supported here.`;
  return isOfApi(path)
    ? problem(405, sentence, ['allow', allowed])
    : textAnswer('405 Method Not Allowed', `${sentence}\n`, ['allow', allowed]);
}

function apiNotFound(): HttpAnswer {
  return problem(404, 'There is no such route: /api/v1/openapi.json lists all routes.');
}

function isOfApi(path: string): boolean {
  return path === '/api/v1' || path.startsWith('/api/v1/') || path === eventsPath;
}

function notFound(): HttpAnswer {
  return textAnswer('404 Not Found', 'There is nothing here.\n', forAllPages);
}

function busy(): HttpAnswer {
  return problem(503, 'The broker is busy: try again.', ['retry-after', '1']);
}
