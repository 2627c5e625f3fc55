/**
 * All that HTTP has here: the pages, and beside them
 *
 *     /healthz                  {"status":"ok"}
 *     /api/broker               what runs here and where clients connect
 *     /api/statistics           what the data plane has counted, and the CPU time of the process
 *     /api/retained/<topic>     the payload of a retained message, for whoever polls
 *
 * What lies below /api/ besides `broker` tells what clients could find out by connecting. So it is there only
 * where everyone may connect.
 */
import type { BrokerConfig } from '../config/options.ts';
import { isValidTopicName } from '../wire/topic.ts';
import { type HttpAnswer, type HttpQuestion, jsonAnswer, textAnswer } from './answer.ts';
import { loadPages, type Pages, pageAnswer } from './pages.ts';

export interface ListeningPorts {
  readonly port: number;
  readonly tcpPort: number | false;
}

/** What the site asks the broker for. Both reject or throw while it does not run. */
export interface SiteSource {
  statistics(): Readonly<Record<string, number>>;
  /** The payload; undefined if no message is retained on the topic. */
  retained(topic: string): Promise<Uint8Array | undefined>;
}

export class Site {
  /** The ports that clients can use. */
  ports: ListeningPorts;
  readonly #config: BrokerConfig;
  readonly #version: string;
  readonly #source: SiteSource;
  readonly #pages: Pages;
  #pending = 0;

  constructor(config: BrokerConfig, version: string, source: SiteSource) {
    this.#config = config;
    this.#version = version;
    this.#source = source;
    this.#pages = config.pages ? loadPages(config.path) : new Map();
    this.ports = config;
  }

  answer(question: HttpQuestion): HttpAnswer | Promise<HttpAnswer> {
    const { method, path } = question;
    if (path === this.#config.path) return upgradeRequired();
    if (method !== 'get' && method !== 'head') {
      return textAnswer('405 Method Not Allowed', 'There is only GET and HEAD here.\n', [
        'allow',
        'GET, HEAD',
      ]);
    }
    if (path === '/healthz') return jsonAnswer({ status: 'ok' });
    if (!this.#config.pages) return notFound();
    if (path === '/api/broker') return this.#broker();
    if (path === '/api/statistics') return this.#asked(async () => jsonAnswer(this.#source.statistics()));
    if (path.startsWith(retainedPath)) return this.#retained(question);
    return pageAnswer(this.#pages, question) ?? notFound();
  }

  #broker(): HttpAnswer {
    const { host, path, authenticates } = this.#config;
    const { port, tcpPort } = this.ports;
    const address = { host, port, path, tcpPort };
    return jsonAnswer({ name: 'RallyMQ', version: this.#version, ...address, authenticates });
  }

  #retained(question: HttpQuestion): HttpAnswer | Promise<HttpAnswer> {
    const topic = decoded(question.path.slice(retainedPath.length));
    if (topic === undefined || !isValidTopicName(topic)) {
      return textAnswer('400 Bad Request', 'Give a topic name, percent-encoded where a URL needs it.\n');
    }
    return this.#asked(async () => retainedAnswer(await this.#source.retained(topic), question));
  }

  async #asked(ask: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
    if (this.#config.authenticates) {
      return textAnswer('403 Forbidden', 'Only a broker that lets everyone connect says so over HTTP.\n');
    }
    if (this.#pending >= this.#config.limits.httpPendingMax) return busy();
    this.#pending += 1;
    try {
      return await ask();
    } catch {
      return busy(); // the broker stops, or cannot say now
    } finally {
      this.#pending -= 1;
    }
  }
}

const retainedPath = '/api/retained/';

function retainedAnswer(message: Uint8Array | undefined, { headBytes }: HttpQuestion): HttpAnswer {
  if (message === undefined) return textAnswer('404 Not Found', 'No message is retained there.\n');
  const answered = textAnswer('200 OK', '', ['x-request-bytes', `${headBytes}`]);
  // Whatever a client has published is no page of ours: it is never given a type that a browser runs.
  const headers = answered.headers.map(([name, value]) =>
    name === 'content-type' ? ([name, 'application/octet-stream'] as const) : ([name, value] as const),
  );
  return { ...answered, headers, body: message };
}

/** The door adds what is of the connection alone. */
function upgradeRequired(): HttpAnswer {
  const hint = 'This is an MQTT endpoint: connect by WebSocket, with the sub-protocol "mqtt".\n';
  return textAnswer('426 Upgrade Required', hint, ['sec-websocket-version', '13']);
}

function notFound(): HttpAnswer {
  return textAnswer('404 Not Found', 'There is nothing here.\n');
}

function busy(): HttpAnswer {
  return textAnswer('503 Service Unavailable', 'The broker is busy.\n', ['retry-after', '1']);
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // not UTF-8, percent-encoded
  }
}
