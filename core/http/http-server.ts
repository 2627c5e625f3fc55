/**
 * The HTTP server behind the door: it is on the main thread, listens on a socket in the file system that the doors of
 * all workers know, and answers one request after the other of each connection. uWebSockets where its binary
 * loads, else Node's own.
 */
import type { HttpAnswer, HttpQuestion } from './answer.ts';
import { NodeHttpServer } from './node-http-server.ts';
import { loadUwebsockets, UwebsocketsServer } from './uwebsockets-server.ts';

export type Answerer = (question: HttpQuestion) => HttpAnswer | Promise<HttpAnswer>;

export interface HttpServer {
  /** The package that it is of. */
  readonly name: string;
  /** `path`: of the socket. */
  listen(path: string): Promise<void>;
  /** Ends all connections; what is still asked is not answered. */
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
