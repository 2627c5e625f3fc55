/**
 * The HTTP server behind the door. It runs on the main thread, listens on a Unix socket that the doors of all workers know,
 * and answers the requests of a connection one at a time. It is uWebSockets if its binary loads, otherwise Node's own
 * server.
 */
import type { HttpAnswer, HttpQuestion } from './answer.ts';
import { NodeHttpServer } from './node-http-server.ts';
import { loadUwebsockets, UwebsocketsServer } from './uwebsockets-server.ts';

export type Answerer = (question: HttpQuestion) => HttpAnswer | Promise<HttpAnswer>;

export interface HttpServer {
  /** The package that it comes from. */
  readonly name: string;
  /** `path`: of the socket. */
  listen(path: string): Promise<void>;
  /** Ends all connections; requests in progress get no answer. */
  close(): void;
}

export interface ChosenServer {
  readonly server: HttpServer;
  /** Why it is not uWebSockets. */
  readonly reason: string | undefined;
}

export async function createHttpServer(answerer: Answerer): Promise<ChosenServer> {
  const loaded = await loadUwebsockets();
  return typeof loaded === 'string'
    ? { server: new NodeHttpServer(answerer), reason: loaded }
    : { server: new UwebsocketsServer(loaded, answerer), reason: undefined };
}
