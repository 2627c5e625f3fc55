/**
 * All that HTTP has here: the routes of routes.ts, and the pages. A request goes to its route if whoever asks has the right
 * to it and there is room, else to the page of its path.
 */
import { forwardedSentence, isLocalOnly } from '../config/local-only.ts';
import type { BrokerConfig } from '../config/options.ts';
import { type HttpAnswer, type HttpQuestion, textAnswer } from './answer.ts';
import { giveBack } from './give-back.ts';
import { loadPages, type Pages, pageAnswer } from './pages.ts';
import type { ListeningPorts, Route, SiteSource } from './route.ts';
import { type Found, findRoute, operatingRoutes, pageRoutes } from './routes.ts';
import { Turns } from './turns.ts';

/** Each may take as much as a packet, and when others have got it there may be no room for it. */
const lookUpsAtOnce = 16;

export class Site {
  /** The ports that clients can use. */
  ports: ListeningPorts;
  readonly #config: BrokerConfig;
  readonly #version: string;
  readonly #source: SiteSource;
  readonly #routes: readonly Route[];
  readonly #pages: Pages;
  readonly #lookUps = new Turns(lookUpsAtOnce);
  #pending = 0;
  /** Of answers of this moment that clients have not taken. */
  #heldBytes = 0;

  constructor(config: BrokerConfig, version: string, source: SiteSource) {
    this.#config = config;
    this.#version = version;
    this.#source = {
      ...source,
      retained: (topic) => this.#lookUps.take(() => this.#lookUp(source, topic)),
    };
    this.#routes = config.pages ? [...operatingRoutes, ...pageRoutes] : operatingRoutes;
    this.#pages = config.pages ? loadPages(config.path) : new Map();
    this.ports = { ...config, port: config.port || 0 };
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
    const { forwardedBy } = question;
    if (route.right === 'client' && forwardedBy !== undefined && isLocalOnly(this.#config)) {
      return textAnswer('403 Forbidden', `${forwardedSentence(forwardedBy)}\n`);
    }
    const { httpPendingMax, httpAnswersBytesMax } = this.#config.limits;
    if (this.#pending >= httpPendingMax || this.#heldBytes >= httpAnswersBytesMax) return busy();
    const { ports } = this;
    const context = { config: this.#config, version: this.#version, ports, source: this.#source };
    try {
      const answer = route.handle(question, context, below);
      return answer instanceof Promise ? this.#settle(answer) : this.#hold(answer);
    } catch {
      return busy(); // the broker stops, or cannot say now
    }
  }

  async #lookUp(source: SiteSource, topic: string): Promise<Uint8Array | undefined> {
    if (this.#heldBytes >= this.#config.limits.httpAnswersBytesMax)
      throw new Error('there is no room for more');
    return await source.retained(topic);
  }

  async #settle(answer: Promise<HttpAnswer>): Promise<HttpAnswer> {
    this.#pending += 1;
    try {
      return this.#hold(await answer);
    } catch {
      return busy();
    } finally {
      this.#pending -= 1;
    }
  }

  /** Counts the answer for as long as it is there for one client. One that is larger than all may be goes alone. */
  #hold(answer: HttpAnswer): HttpAnswer {
    const { body } = answer;
    const { length } = body;
    if (this.#heldBytes > 0 && this.#heldBytes + length > this.#config.limits.httpAnswersBytesMax) {
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
