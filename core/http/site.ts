/**
 * All that HTTP has here: the routes of routes.ts, and the pages. A request goes to its route if whoever asks has the right
 * to it and there is room, else to the page of its path.
 */
import type { BrokerConfig } from '../config/options.ts';
import { type HttpAnswer, type HttpQuestion, textAnswer } from './answer.ts';
import { loadPages, type Pages, pageAnswer } from './pages.ts';
import type { ListeningPorts, Route, SiteSource } from './route.ts';
import { type Found, findRoute, operatingRoutes, pageRoutes } from './routes.ts';

export class Site {
  /** The ports that clients can use. */
  ports: ListeningPorts;
  readonly #config: BrokerConfig;
  readonly #version: string;
  readonly #source: SiteSource;
  readonly #routes: readonly Route[];
  readonly #pages: Pages;
  #pending = 0;

  constructor(config: BrokerConfig, version: string, source: SiteSource) {
    this.#config = config;
    this.#version = version;
    this.#source = source;
    this.#routes = config.pages ? [...operatingRoutes, ...pageRoutes] : operatingRoutes;
    this.#pages = config.pages ? loadPages(config.path) : new Map();
    this.ports = config;
  }

  answer(question: HttpQuestion): HttpAnswer | Promise<HttpAnswer> {
    const { method, path } = question;
    if (path === this.#config.path) return upgradeRequired();
    const found = findRoute(this.#routes, method, path);
    if (found !== undefined) {
      return 'route' in found ? this.#handle(found, question) : methodNotAllowed(found.methods);
    }
    if (method !== 'get' && method !== 'head') return methodNotAllowed(['get', 'head']);
    return pageAnswer(this.#pages, question) ?? notFound();
  }

  #handle({ route, below }: Found, question: HttpQuestion): HttpAnswer | Promise<HttpAnswer> {
    if (route.right === 'client' && this.#config.authenticates) {
      return textAnswer('403 Forbidden', 'Only a broker that lets everyone connect says so over HTTP.\n');
    }
    if (this.#pending >= this.#config.limits.httpPendingMax) return busy();
    const { ports } = this;
    const context = { config: this.#config, version: this.#version, ports, source: this.#source };
    try {
      const answer = route.handle(question, context, below);
      return answer instanceof Promise ? this.#settle(answer) : answer;
    } catch {
      return busy(); // the broker stops, or cannot say now
    }
  }

  async #settle(answer: Promise<HttpAnswer>): Promise<HttpAnswer> {
    this.#pending += 1;
    try {
      return await answer;
    } catch {
      return busy();
    } finally {
      this.#pending -= 1;
    }
  }
}

/** The door adds what is of the connection alone. */
function upgradeRequired(): HttpAnswer {
  const hint = 'This is an MQTT endpoint: connect by WebSocket, with the sub-protocol "mqtt".\n';
  return textAnswer('426 Upgrade Required', hint, ['sec-websocket-version', '13']);
}

function methodNotAllowed(methods: readonly string[]): HttpAnswer {
  const allowed = methods.map((method) => method.toUpperCase()).join(', ');
  return textAnswer('405 Method Not Allowed', `There is only ${allowed} here.\n`, ['allow', allowed]);
}

function notFound(): HttpAnswer {
  return textAnswer('404 Not Found', 'There is nothing here.\n');
}

function busy(): HttpAnswer {
  return textAnswer('503 Service Unavailable', 'The broker is busy.\n', ['retry-after', '1']);
}
