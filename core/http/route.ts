/** What a route is: a row of the table in routes.ts. Each has a file of its own in routes/. */
import type { BrokerConfig } from '../config/options.ts';
import type { HttpAnswer, HttpQuestion } from './answer.ts';

export interface ListeningPorts {
  readonly port: number;
  readonly tcpPort: number | false;
  readonly tlsPort: number | false;
  readonly mqttsPort: number | false;
}

/** What routes ask the broker for. All throw or reject while it does not run, which is answered with 503. */
export interface SiteSource {
  /** Why it cannot do all that it should, though it runs; undefined: it can. */
  trouble(): string | undefined;
  statistics(): Readonly<Record<string, number>>;
  /** The payload; undefined if no message is retained on the topic. */
  retained(topic: string): Promise<Uint8Array | undefined>;
  /** Whether the rules let everybody have the messages of a topic; true where there are none. */
  mayAnyoneReceive(topic: string): boolean;
}

/** What a handler has to work with. */
export interface RouteContext {
  readonly config: BrokerConfig;
  readonly version: string;
  /** The ports that clients can use. */
  readonly ports: ListeningPorts;
  readonly source: SiteSource;
}

/**
 * Who may ask: `everyone` who reaches the port; `client`: only where everyone may connect, since the answer tells what a
 * client could find out by connecting. Others get 403.
 */
export type Right = 'everyone' | 'client';

export interface Route {
  /** In lower case. What answers `get` answers `head` too. */
  readonly method: 'get';
  /** As it is asked for. One that ends with `/*` has any path below it, which the handler gets as `below`. */
  readonly path: string;
  readonly right: Right;
  handle(question: HttpQuestion, context: RouteContext, below: string): HttpAnswer | Promise<HttpAnswer>;
}
